# SPDX-License-Identifier: GPL-2.0-or-later
# Life of a loan in the USB guest: attach, read, write, every way to end it,
# and a hundred rounds (glue; runs as part of PID 1 after lib.sh, ours.sh).
DISK=/dev/sda
ROUNDS=${ROUNDS:-100}

# ---- helpers ----
disk_is_there() { [ -b $DISK ]; }
disk_is_gone() { [ ! -b $DISK ]; }
driver_of() { d=$(readlink "$1/driver") && basename "$d"; }
pids_of() {
    for p in /proc/[0-9]*; do
        [ "$(cat "$p/comm" 2>/dev/null)" != "$1" ] || echo "${p#/proc/}"
    done
}
fds_of() { ls "/proc/$(pids_of "$1")/fd" | wc -l; }
available_kib() { sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo; }
no_helpers() { [ -z "$(pids_of usb-export)$(pids_of usb-import)$(pids_of usb-probe)" ]; }
key_gone() { [ -z "$(export_status "$1")" ]; }
# Nobody's driver has an interface of the device any more.
unbound() {
    for i in "$USB/devices/$1":*; do
        [ ! -e "$i/driver" ] || return 1
    done
}
reading() {
    echo 3 > /proc/sys/vm/drop_caches
    dd if=$DISK of=/dev/null bs=64k > /tmp/dd 2>&1 &
    READER=$!
    sleep 0.3
}
# The reader ends by itself, with an error.
reader_fails() {
    wait $READER
    [ $? != 0 ]
}

disk_gadget() {
    modprobe -a usb_f_mass_storage usb_f_hid usb_f_acm
    dd if=/dev/urandom of=/tmp/disk bs=1M count=64 2>/dev/null
    gadget 0x1234 0x5678 mass_storage.0
    echo /tmp/disk > $GADGET/functions/mass_storage.0/lun.0/file
    plug
    until_true gadget_id
    ID=$(gadget_id)
}

# ---- reading and writing ----
copies() {
    check "a disk is attached" ours_attach "$ID"
    check "its driver finds it" until_true disk_is_there
    dd if=$DISK of=/tmp/copy bs=1M 2>/dev/null
    check "what is read is what is there" cmp /tmp/disk /tmp/copy
    dd if=/dev/urandom of=/tmp/copy bs=1M count=16 2>/dev/null
    dd if=/tmp/copy of=$DISK bs=1M conv=fsync 2>/dev/null
    check "what is written is there" \
        cmp -n 16777216 /tmp/disk /tmp/copy
    check "only usbfs has it on its own side" \
        [ "$(driver_of "$USB/devices/$ID:1.0")" = usbfs ]
    check "it is detached" ours_detach "$ID"
    check "the disk goes" until_true disk_is_gone
    check "nothing has it" unbound "$ID"
    check "no helper is left" until_true no_helpers
}

# ---- endings in mid-transfer ----
unplugged() {
    check "unplug: attached" ours_attach "$ID"
    until_true disk_is_there
    reading
    unplug
    check "unplug: the reader gets an error" reader_fails
    check "unplug: the disk goes" until_true disk_is_gone
    check "unplug: so do its keys" until_true key_gone "$ID"
    check "unplug: no helper is left" until_true no_helpers
    ours_withdraw "$ID"
    plug
    check "plugged in again it is free" until_true export_is "$ID" idle
}
detached() {
    check "detach: attached" ours_attach "$ID"
    until_true disk_is_there
    reading
    check "detach in mid-transfer" ours_detach "$ID"
    check "detach: the reader gets an error" reader_fails
}
# killed PROGRAM
killed() {
    check "kill $1: attached" ours_attach "$ID"
    until_true disk_is_there
    reading
    kill -9 "$(pids_of "$1")"
    check "kill $1: the reader gets an error" reader_fails
    check "kill $1: the disk goes" until_true disk_is_gone
    note "$(export_status "$ID"); $(import_status "$ID")"
    case $1 in
    usb-broker) broker_start ;;
    sysqube-usb) client_start ;;
    esac
    ours_withdraw "$ID"
    check "kill $1: it is free again" until_true export_is "$ID" idle
    check "kill $1: nothing has it" unbound "$ID"
    check "kill $1: no helper is left" until_true no_helpers
}

# ---- rounds ----
rounds() {
    n=0
    while [ $n -lt "$ROUNDS" ]; do
        n=$((n + 1))
        ours_attach "$ID" && ours_detach "$ID" || break
        if [ $n = 5 ]; then
            fds=$(fds_of usb-broker)+$(fds_of sysqube-usb)
            kib=$(available_kib)
        fi
    done
    check "$ROUNDS rounds of attach and detach" [ $n = "$ROUNDS" ]
    until_true no_helpers
    check "no descriptor is left" \
        [ "$(fds_of usb-broker)+$(fds_of sysqube-usb)" = "$fds" ]
    note "memory available: $kib KiB after 5 rounds, $(available_kib) KiB now"
    check "no memory is left" [ "$(available_kib)" -gt $((kib - 4096)) ]
}

ours_start
disk_gadget
copies
unplugged
detached
for program in usb-export usb-import usb-broker sysqube-usb; do
    killed $program
done
rounds
check "the kernel's log is calm" kernel_is_calm
