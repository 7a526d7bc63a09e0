# SPDX-License-Identifier: GPL-2.0-or-later
# Figures of three ways by turns (glue): `figure WAY NAME VALUE` lines, which
# tests/bench/usb/bench_usb.py reads. Sourced with ROUNDS, after ours.sh.
WAYS='ours relay pair direct'
SIZE=65536
DEPTH=8
LOTS=24 # DEPTH * LOTS requests of SIZE bytes: 12 MiB
OPERATIONS=300

figure() { echo "figure $way $1 $2"; }
# busy: hundredths of a second of the one processor that were not idle
busy() { awk '/^cpu /{print $2 + $3 + $4 + $7 + $8}' /proc/stat; }

# bulk NAME TEST: usbtest's queue of requests, one after the other
bulk() {
    before=$(busy)
    said=$(testusb "$node" 0 "$2" $LOTS $SIZE 0 $DEPTH) || return
    figure "$1" "${said##* }"
    figure "$1.busy" $(($(busy) - before))
}
# operation NAME ENDPOINT: one request of 4 KiB at a time
operation() {
    said=$(usbperf "$(node_of "$CLIENT")" 0 0 one "$2" 4096 $OPERATIONS) ||
        return
    figure "$1" "${said%% *}"
}
pss_of() { sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' "/proc/$1/smaps_rollup"; }
pids_of() {
    for p in /proc/[0-9]*; do
        [ "$(cat "$p/comm" 2>/dev/null)" != "$1" ] || echo "${p#/proc/}"
    done
}
memory() {
    for program in usb-export usb-import; do
        figure "pss.$program" "$(pss_of "$(pids_of $program)")"
    done
}
one_way() {
    reach "$way" "$source" && until_true bound "$CLIENT" || return
    node=$(node_of "$CLIENT")
    [ "$way" != ours ] || memory
    bulk write 27
    bulk read 28
    operation write4k 0x02
    operation read4k 0x81
    leave "$way" "$source"
}
# 4 requests of 8 packets of 1 ms in flight; QEMU's audio takes 1 ms for each
sound() {
    reach "$way" "$1" || return
    said=$(usbperf "$(node_of "$CLIENT")" 1 1 queue 1 192 100 4 8)
    figure iso "${said% *}"
    figure iso.lost "${said#* }"
    leave "$way" "$1"
}
# A device that takes its data at once, so that all the time is the way's.
line() {
    reach "$way" "$1" || return
    operation line4k 0x02
    leave "$way" "$1"
}
# ---- by turns ----
# The devices of the kernel's way must be the kernel's again.
kernel_has_all() {
    [ -z "$BROKER" ] || { kill "$BROKER" && wait "$BROKER"; }
    BROKER=
    for bus in "$USB"/devices/usb*; do
        echo 1 > "$bus/authorized_default"
        echo 1 > "$bus/interface_authorized_default"
    done
    echo 0 > "$1/authorized"
    echo 1 > "$1/authorized"
    until_true configured "$1"
}
broker_has_all() {
    [ -z "$BROKER" ] || return 0
    broker_start
    BROKER=$!
}
turn() {
    if [ "$way" = ours ]; then
        broker_has_all
    else
        kernel_has_all "$1"
    fi
}
ours_start
BROKER=$(pids_of usb-broker)
tune() { echo 2 > "$1/pattern"; } # neither makes nor checks data
gadget 0x0525 0xa4a0 SourceSink.0
plug
until_true plugged
audio=$USB/devices/1-1
serial=$USB/devices/1-3
round=0
while [ $round -lt "$ROUNDS" ]; do
    round=$((round + 1))
    for way in $WAYS; do
        turn "$source"
        one_way || note "$way: broken off"
        turn "$audio"
        sound "$audio" || note "$way: no sound"
        turn "$serial"
        line "$serial" || note "$way: no line"
    done
done
