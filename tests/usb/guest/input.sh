# SPDX-License-Identifier: GPL-2.0-or-later
# A keyboard and a mouse as events: what their reports become in the qube, the
# LEDs on their way back, and grants that fit only one of them (glue; runs as
# part of PID 1 after lib.sh, ours.sh). The devices are HID gadgets, whose
# reports the test writes.

# ---- helpers ----
# The event node of the qube's device.
event_node() {
    for e in /sys/class/input/event*; do
        case $(cat "$e/device/name" 2>/dev/null) in
        "Sysqube input of domain 1") EVENTS=/dev/input/${e##*/} && return ;;
        esac
    done
    return 1
}
no_event_node() { ! event_node; }
# watch_events SECONDS: "type code value" of what comes, to /tmp/events
watch_events() {
    timeout "$1" cat "$EVENTS" > /tmp/raw &
    WATCHER=$!
    sleep 0.5
}
# Value is 16 bits of it; EV_SYN and what a held key repeats are left out.
events_were() {
    wait $WATCHER
    od -An -v -t u2 -w24 /tmp/raw | awk '$9 && $9 != 20 && !($9 == 1 && $11 == 2) {print $9, $10, $11}' |
        tr '\n' ',' > /tmp/events
    [ "$(cat /tmp/events)" = "$1" ] || { cat /tmp/events; return 1; }
}
# report BYTE..: octal, in one write
report() {
    bytes=
    for byte in "$@"; do bytes="$bytes\\$byte"; done
    printf "$bytes" > /dev/hidg0
    sleep 0.2
}
evdev_attach() {
    MODE="mode=evdev events=$2"
    ours_attach "$1" "${3:-all}"
}

# hid_function NAME PROTOCOL LENGTH: a boot device
hid_function() {
    hid=$GADGET/functions/$1
    mkdir $hid
    echo 1 > $hid/subclass
    echo "$2" > $hid/protocol
    echo "$3" > $hid/report_length
    echo 1 > $hid/no_out_endpoint
    # only parsed by who does not speak boot protocol: eight plain bytes
    printf '\006\000\377\011\001\241\001\011\001\025\000\046\377\000' > /tmp/rd
    printf "\\165\\010\\225\\0$(printf %o "$3")\\201\\002\\300" >> /tmp/rd
    cat /tmp/rd > $hid/report_desc
    ln -s $hid $GADGET/configs/c.1/
}

keyboard() {
    check "keyboard: attached" evdev_attach "$ID" keyboard 0
    check "keyboard: the qube has it" until_true event_node
    check "keyboard: no USB device is in the qube" \
        [ -z "$(device_of $VHCI)" ]
    watch_events 4
    report 0 0 4 0 0 0 0 0
    report 2 0 5 0 0 0 0 0
    report 0 0 0 0 0 0 0 0
    check "keyboard: a and B arrive" events_were \
        "1 30 1,1 42 1,1 30 0,1 48 1,1 42 0,1 48 0,"
    # EV_LED, LED_CAPSL, 1
    timeout 4 head -c 1 /dev/hidg0 > /tmp/led &
    LED=$!
    [ -c "$EVENTS" ] && printf '\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\021\000\001\000\001\000\000\000' \
        > "$EVENTS"
    wait $LED
    check "keyboard: its LED is set" [ "$(od -An -t u1 /tmp/led)" -eq 2 ]
    note "$(qdb -s $QA read "/sysqube-status/usb-stat/$ID")"
    check "keyboard: detached" ours_detach "$ID"
    check "keyboard: it has left the qube" until_true no_event_node
}
mouse() {
    check "mouse: attached" evdev_attach "$ID" pointer
    check "mouse: the qube has it" until_true event_node
    watch_events 3
    report 1 5 377
    report 0 0 0 0
    check "mouse: a click and a move arrive" events_were \
        "1 272 1,2 0 5,2 1 65535,1 272 0,"
    check "mouse: detached" ours_detach "$ID"
}
not_granted() {
    MODE="mode=evdev events=$1"
    until_true export_is "$ID" idle
    ours_grant "$ID" all
    check "$2: refused" until_true export_is "$ID" \
        "failed it has no such keyboard or mouse (boot protocol)"
    ours_withdraw "$ID"
}

modprobe uinput
ours_start
gadget 0x1234 0x5680 hid.0
rm $GADGET/configs/c.1/hid.0
rmdir $GADGET/functions/hid.0
hid_function hid.0 1 8
plug
until_true gadget_id
ID=$(gadget_id)
keyboard
not_granted pointer "a keyboard where a pointer is granted"
unplug
gadget_end
gadget 0x1234 0x5681 hid.0
rm $GADGET/configs/c.1/hid.0
rmdir $GADGET/functions/hid.0
hid_function hid.0 2 4
plug
until_true gadget_id
ID=$(gadget_id)
mouse
not_granted keyboard "a mouse where a keyboard is granted"
check "no helper is left" until_true [ -z "$(pidof usb-export usb-import)" ]
check "the kernel's log is calm" kernel_is_calm
