# SPDX-License-Identifier: GPL-2.0-or-later
# What the scripts of the USB guest share: results, gadgets, and the ways a
# device gets to its client (glue; runs as part of PID 1).
GADGET=/sys/kernel/config/usb_gadget/g
USB=/sys/bus/usb
VHCI=/sys/devices/platform/vhci_hcd.0

note() { echo "# $*"; }
ok() { echo "ok $*"; }
bad() { echo "not ok $*"; }
# check TEXT COMMAND..: one result
check() {
    text=$1
    shift
    if "$@"; then
        ok "$text"
    else
        bad "$text: $*"
        return 1
    fi
}
# until_true COMMAND..: within ten seconds
until_true() {
    tries=100
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}
gone() { [ ! -e "$1" ]; }
same() { [ "$1" = "$2" ]; }
sum_of() { md5sum | cut -d' ' -f1; }

# ---- the kernel's log ----
# The kernel marks itself after a warning, an oops or a lockup; usbtest's own
# words ("unlink retry") may have pushed the message out.
FAULTS='BUG:|WARNING:|Oops|general protection|Call Trace|UBSAN|hung_task'
kernel_is_calm() {
    if [ $(($(cat /proc/sys/kernel/tainted) & 0x4280)) != 0 ] ||
        dmesg | grep -Eq "$FAULTS"; then
        dmesg | grep -E -A 20 "$FAULTS" | head -40
        return 1
    fi
}

# ---- gadgets ----
# gadget VENDOR PRODUCT FUNCTION..: describe one; `plug` shows it.
tune() { :; } # what a scene sets in a function
gadget() {
    mkdir $GADGET
    echo "$1" > $GADGET/idVendor
    echo "$2" > $GADGET/idProduct
    shift 2
    mkdir $GADGET/strings/0x409 $GADGET/configs/c.1
    echo Sysqube > $GADGET/strings/0x409/manufacturer
    echo "test gadget" > $GADGET/strings/0x409/product
    for f in "$@"; do
        mkdir "$GADGET/functions/$f"
        tune "$GADGET/functions/$f"
        ln -s "$GADGET/functions/$f" $GADGET/configs/c.1/
    done
}
plug() { echo dummy_udc.0 > $GADGET/UDC; }
unplug() { echo "" > $GADGET/UDC; }
gadget_end() {
    rm $GADGET/configs/c.1/*.*
    rmdir $GADGET/configs/c.1 $GADGET/functions/* $GADGET/strings/0x409
    rmdir $GADGET
}
# The one device of a controller: its folder in sysfs, or nothing.
device_of() {
    for d in "$1"/usb*/*-*; do
        [ -e "$d/idVendor" ] && echo "$d"
    done
}
DUMMY=/sys/devices/platform/dummy_hcd.0
node_of() {
    printf '/dev/bus/usb/%03d/%03d' "$(cat "$1/busnum")" "$(cat "$1/devnum")"
}
configured() { [ -n "$(cat "$1/bConfigurationValue" 2>/dev/null)" ]; }
has_device() {
    SEEN=$(device_of "$1")
    [ -n "$SEEN" ] && configured "$SEEN"
}
# A qube's driver has it: the interface, and a disk's node.
bound() { ls -d "$1/$(basename "$1")":*/driver; }
disk_of() { ls "$1"/*:1.0/host*/target*/*/block 2>/dev/null; }
disk_ready() { [ -n "$(disk_of "$1")" ] && [ -b "/dev/$(disk_of "$1")" ]; }
disk_there() { until_true disk_ready "$1" && DISK=/dev/$(disk_of "$1"); }

# ---- the ways from a device to its client ----
# reach WAY SOURCE: CLIENT is the device's folder as its user sees it.
#   direct  no way at all: the device itself
#   pair    usbip-host and vhci, one socket pair
#   relay   usbip-host and vhci, two processes between them
#   ours    usb-export and usb-import (ours.sh), started when first wanted
reach() {
    case $1 in
    direct) CLIENT=$2 ;;
    ours)
        [ -S "$QA" ] || ours_start
        ours_attach "$(basename "$2")" && until_true has_device $VHCI ||
            return 1
        CLIENT=$SEEN
        ;;
    *)
        until_true bound "$2" # no unbinding while its driver still begins
        host_take "$(basename "$2")"
        if [ "$1" = pair ]; then
            usbwire pair "$(basename "$2")" > /tmp/wire || return 1
        else
            usbwire relay "$(basename "$2")" > /tmp/wire &
            RELAY=$!
        fi
        until_true has_device $VHCI || return 1
        CLIENT=$SEEN
        ;;
    esac
}
# gadget_reached WAY: reach the gadget when it is there
plugged() { source=$(device_of $DUMMY) && [ -n "$source" ]; }
gadget_reached() {
    until_true plugged && reach "$1" "$source" && until_true bound "$CLIENT"
}
vhci_port() { cut -d' ' -f2 /tmp/wire; }
# leave WAY SOURCE: the client lets go; the device goes back to its host
leave() {
    case $1 in
    direct) return 0 ;;
    ours)
        ours_detach "$(basename "$2")" && until_true gone "$CLIENT"
        return
        ;;
    esac
    echo "$(vhci_port)" > $VHCI/detach
    until_true gone "$CLIENT"
    [ "$1" != relay ] || wait $RELAY
    host_give "$(basename "$2")"
}
# match_busid takes a newline for a part of the name.
host_take() {
    printf 'add %s' "$1" > $USB/drivers/usbip-host/match_busid
    echo "$1" > $USB/drivers/usb/unbind
    echo "$1" > $USB/drivers/usbip-host/bind
}
host_free() { [ "$(cat "$USB/devices/$1/usbip_status")" = 1 ]; }
host_give() {
    [ -e "$USB/devices/$1" ] || return 0
    until_true host_free "$1"
    echo "$1" > $USB/drivers/usbip-host/unbind
    printf 'del %s' "$1" > $USB/drivers/usbip-host/match_busid
    echo "$1" > $USB/drivers_probe
}
