# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU's devices over ours: each is lent, works in the qube, and goes back
# (glue). What they are made of: guest.py.
port_of() { # port_of PRODUCT: sysfs folder on the USBVM's side
    for d in "$USB"/devices/1-*; do
        [ "$(cat "$d/product" 2>/dev/null)" = "$1" ] && echo "$d"
    done
}
interface_driver() { basename "$(readlink "$CLIENT/$1/driver")"; }
has_driver() { [ "$(interface_driver "$(basename "$CLIENT"):$1")" = "$2" ]; }
input_of() { EVENT=$(cd "$CLIENT" && ls -d ./*:1.0/*/input/input*/event*); }
descriptors_are() { cmp "$1/descriptors" "$CLIENT/descriptors"; }

# lend PRODUCT INTERFACE DRIVER
lend() {
    source=$(port_of "$1")
    check "$1: attached" reach ours "$source" || return
    check "$1: its descriptors are what they are" descriptors_are "$source"
    [ -z "$3" ] || check "$1: $3 has it" until_true has_driver "$2" "$3"
}
give_back() { check "$1: it goes back" leave ours "$source"; }

keyboard() {
    lend "QEMU USB Keyboard" 1.0 usbhid
    check "keyboard: an input device" until_true input_of
    timeout 10 dd if="/dev/input/$(basename "$EVENT")" bs=24 count=2 \
        of=/tmp/keys 2>/dev/null &
    sleep 1
    echo "# press a"
    wait $!
    # type EV_KEY, code KEY_A, value 1, in one of the first two events
    check "keyboard: the pressed key arrives" \
        sh -c 'hexdump -v -e "1/2 \"%d \"" /tmp/keys | grep -q " 1 30 1 0 "'
    give_back keyboard
}
tty_there() { [ -c /dev/ttyUSB0 ]; }
serial() {
    lend "QEMU USB SERIAL" 1.0 ftdi_sio
    check "serial: a line" until_true tty_there
    stty -F /dev/ttyUSB0 raw -echo
    head -c 4096 /dev/urandom > /tmp/sent
    timeout 20 head -c 4096 < /dev/ttyUSB0 > /tmp/back &
    sleep 0.5
    cat /tmp/sent > /dev/ttyUSB0
    wait $!
    check "serial: 4 KiB come back from its far side" cmp /tmp/sent /tmp/back
    give_back serial
}
net_of() { NET=$(ls "$CLIENT"/*:*/net); }
network() {
    lend "RNDIS/QEMU USB Network Device" "" ""
    check "net: an interface" until_true net_of ||
        ls -l "$CLIENT"/*:*/driver
    ip addr add 10.0.2.15/24 dev "$NET"
    ip link set "$NET" up
    check "net: the far side answers 50 pings of 1400 bytes" \
        ping -q -c 50 -i 0.02 -s 1400 10.0.2.2
    give_back net
}
card_reader() {
    lend "QEMU USB CCID" 1.0 ""
    node=$(node_of "$CLIENT")
    # an unknown message; the reader says so in its answer
    check "card reader: takes a message" usbperf "$node" 0 0 one 0x03 10 1
    check "card reader: answers" usbperf "$node" 0 0 one 0x82 64 1
    give_back "card reader"
}
sound() {
    lend "QEMU USB Audio" 1.0 snd-usb-audio
    usbperf "$(node_of "$CLIENT")" 1 1 queue 1 192 250 4 8 > /tmp/iso
    check "sound: all of 2000 isochronous packets pass" \
        same "$(cut -d' ' -f2 /tmp/iso)" 0
    note "2000 packets of 1 ms in $(cut -d' ' -f1 /tmp/iso) us"
    give_back sound
}
ours_start
note "$(cat $USB/devices/1-*/product)"
keyboard
serial
network
card_reader
sound
tail -n 5 /tmp/broker /tmp/client | sed 's/^/# /'
check "the kernel's log holds no fault" kernel_is_calm
