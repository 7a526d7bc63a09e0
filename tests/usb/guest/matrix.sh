# SPDX-License-Identifier: GPL-2.0-or-later
# The matrix of the kernel's usbtest driver against the source/sink gadget,
# and a disk, over one way (glue). Sourced with WAYS, ways of lib.sh.

# number, what, iterations, length, vary, sglen
MATRIX='0 nothing 1 0 0 0
1 bulk-write 200 4096 0 0
2 bulk-read 200 4096 0 0
3 bulk-write-vary 200 16384 1024 0
4 bulk-read-vary 200 16384 1024 0
5 bulk-write-sg 20 16384 0 16
6 bulk-read-sg 20 16384 0 16
7 bulk-write-sg-vary 20 16384 1024 16
8 bulk-read-sg-vary 20 16384 1024 16
9 control-subset 10 256 0 0
10 control-queue 50 0 0 32
11 unlink-read 60 4096 0 0
12 unlink-write 60 4096 0 0
13 halt 60 512 0 0
14 control-write 60 1024 255 0
17 bulk-write-odd 60 1024 0 0
18 bulk-read-odd 60 1024 0 0
19 bulk-write-coherent 60 1024 0 0
20 bulk-read-coherent 60 1024 0 0
21 control-write-odd 60 1024 255 0
24 unlink-queue 30 4096 0 32
25 interrupt-write 60 64 0 0
26 interrupt-read 60 64 0 0
27 bulk-write-queue 4 65536 0 8
28 bulk-read-queue 4 65536 0 8
29 toggle 60 512 0 0'

# matrix WAY REPEAT: one result a test; the unlink tests REPEAT times (0: not
# at all: in unlink races usbip-host uses memory that it has freed, and the
# guest breaks).
matrix() {
    node=$(node_of "$CLIENT")
    echo "$MATRIX" | while read -r n what count length vary sglen; do
        times=1
        case $n in 11 | 12 | 24) times=$2 ;; esac
        [ $times -gt 0 ] || continue
        state=ok
        while [ $times -gt 0 ] && [ $state = ok ]; do
            said=$(testusb "$node" 0 "$n" "$count" "$length" "$vary" \
                "$sglen") || state="not ok"
            times=$((times - 1))
        done
        echo "$n ${said#* }" | cut -d' ' -f1,2 >> "/tmp/matrix.$1"
        echo "$state $1: usbtest $n $what: ${said#* }"
    done
}
# As many tests ran as directly: one that the device lacks is no success.
as_directly() {
    [ -s "/tmp/matrix.$1" ] || return
    case $1 in
    pair | relay) grep -Ev '^(11|12|24) ' /tmp/matrix.direct > /tmp/matrix.0 ;;
    *) cp /tmp/matrix.direct /tmp/matrix.0 ;;
    esac
    cmp /tmp/matrix.0 "/tmp/matrix.$1"
}

# storage WAY: what is read and written over it is what the disk holds
storage() {
    check "$1: a disk appears" disk_there "$CLIENT" || return
    got=$(dd if="$DISK" bs=64k 2>/dev/null | sum_of)
    check "$1: the whole disk reads as it is" same "$got" "$(sum_of < /tmp/disk)"
    dd if=/dev/urandom of=/tmp/new bs=64k count=48 2>/dev/null
    dd if=/tmp/new of="$DISK" bs=64k seek=16 conv=fsync 2>/dev/null
    got=$(dd if=/tmp/disk bs=64k skip=16 count=48 2>/dev/null | sum_of)
    check "$1: what is written is there" same "$got" "$(sum_of < /tmp/new)"
}

# source_sink WAY
source_sink() {
    gadget 0x0525 0xa4a0 SourceSink.0
    plug
    check "$1: usbtest has the source/sink gadget" gadget_reached "$1" || return
    case $1 in
    direct) matrix direct 1 ;;
    pair | relay) matrix "$1" 0 ;;
    *) matrix "$1" 24 ;;
    esac
    [ "$1" = direct ] || check "$1: the same tests ran" as_directly "$1"
    check "$1: it lets go" leave "$1" "$source"
    unplug
    gadget_end
}
# disks WAY
disks() {
    dd if=/dev/urandom of=/tmp/disk bs=64k count=128 2>/dev/null
    gadget 0x0525 0xa4a5 mass_storage.0
    echo /tmp/disk > $GADGET/functions/mass_storage.0/lun.0/file
    plug
    gadget_reached "$1" && storage "$1"
    check "$1: it lets go" leave "$1" "$source"
    unplug
    gadget_end
}
for way in $WAYS; do
    source_sink "$way"
    disks "$way"
done
tail -n 5 /tmp/broker /tmp/client 2>/dev/null | sed 's/^/# /'
check "the kernel's log holds no fault" kernel_is_calm
