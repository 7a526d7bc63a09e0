# SPDX-License-Identifier: GPL-2.0-or-later
# What a grant lets through: single interfaces, another configuration, and
# grants that do not fit (glue; runs as part of PID 1 after lib.sh, ours.sh).
driver_of() { d=$(readlink "$1/driver") && basename "$d"; }
class_of() { cat "$1/bInterfaceClass" 2>/dev/null; }
endpoints_of() { cat "$1/bNumEndpoints" 2>/dev/null; }
client() { CLIENT=$(device_of $VHCI) && [ -n "$CLIENT" ]; }
is_driver() { [ "$(driver_of "$1")" = "$2" ]; }

# A stick with a keyboard in it, and a second configuration: a serial port.
composite() {
    modprobe -a usb_f_mass_storage usb_f_hid usb_f_acm
    gadget 0x1234 0x5679 mass_storage.0
    dd if=/dev/zero of=/tmp/disk bs=1M count=4 2>/dev/null
    echo /tmp/disk > $GADGET/functions/mass_storage.0/lun.0/file
    hid=$GADGET/functions/hid.0
    mkdir $hid $GADGET/functions/acm.0 $GADGET/configs/c.2
    echo 1 > $hid/protocol
    echo 1 > $hid/subclass
    echo 8 > $hid/report_length
    # eight bytes of a boot keyboard: modifiers, a blank, six keys
    printf '\005\001\011\006\241\001\005\007\031\340\051\347\025\000\045\001' \
        > /tmp/report
    printf '\165\001\225\010\201\002\225\001\165\010\201\003\225\006\165\010' \
        >> /tmp/report
    printf '\025\000\045\145\005\007\031\000\051\145\201\000\300' >> /tmp/report
    cat /tmp/report > $hid/report_desc
    ln -s $hid $GADGET/configs/c.1/
    ln -s $GADGET/functions/acm.0 $GADGET/configs/c.2/
    plug
    until_true gadget_id
    ID=$(gadget_id)
}

without_keyboard() {
    check "stick without its keyboard: attached" ours_attach "$ID" 0
    until_true client
    check "the stick is there" until_true is_driver "$CLIENT"/*:1.0 usb-storage
    check "the keyboard has no class" [ "$(class_of "$CLIENT"/*:1.1)" = ff ]
    check "and no endpoint" [ "$(endpoints_of "$CLIENT"/*:1.1)" = 00 ]
    check "nor a driver" [ ! -e "$CLIENT"/*:1.1/driver ]
    check "its interface is closed in the USBVM" \
        [ "$(cat "$USB/devices/$ID:1.1/authorized")" = 0 ]
    check "detached" ours_detach "$ID"
}
whole() {
    check "the whole device: attached" ours_attach "$ID"
    until_true client
    check "the keyboard is there" until_true is_driver "$CLIENT"/*:1.1 usbhid
}
other_configuration() {
    whole
    echo 2 > "$CLIENT/bConfigurationValue"
    check "its other configuration can be set" \
        until_true is_driver "$CLIENT"/*:2.0 cdc_acm
    check "usbfs has its interfaces" is_driver "$USB/devices/$ID:2.1" usbfs
    until_true [ -c /dev/ttyACM0 ]
    (echo hello > /dev/ttyACM0) &
    check "and it works" [ "$(timeout 5 head -n 1 /dev/ttyGS0)" = hello ]
    echo 1 > "$CLIENT/bConfigurationValue"
    check "and the first again" until_true is_driver "$CLIENT"/*:1.1 usbhid
    check "detached" ours_detach "$ID"
}
# misfit TEXT WHY SED: a grant that is changed by the sed command
misfit() {
    until_true export_is "$ID" idle
    GRANT=$(echo "client=2 vport=$VPORT $(dev_key "$ID") interfaces=all\
 mode=raw" | sed -e 's/ speed=[0-9]*//' -e "$3")
    qdb -s $QA write "/sysqube-usb/grant/$ID" "$GRANT"
    check "$1: $2" until_true export_is "$ID" "$2"
    ours_withdraw "$ID"
}

ours_start
composite
without_keyboard
other_configuration
misfit "another hash" \
    "failed the device is not the one that was granted" 's/hash=./hash=f/'
misfit "another plug" "failed it was plugged in again after the grant" \
    's/gen=[0-9]*/gen=1/'
misfit "an interface it has not" \
    "failed the device has no such interface" 's/=all/=7/'
check "the kernel's log is calm" kernel_is_calm
