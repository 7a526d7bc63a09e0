# SPDX-License-Identifier: GPL-2.0-or-later
# The hostile PDUs of tests/golden/usbip against the real processes: each is
# refused, the reason stands in the status, and the kernel stays calm (glue;
# runs as part of PID 1 after lib.sh, ours.sh).
GOLDEN=/tests/golden/usbip

# A stick, whose answer can be waited for, with a keyboard in it, which is not
# granted.
hostile_gadget() {
    modprobe -a usb_f_mass_storage usb_f_hid
    gadget 0x1234 0x567a mass_storage.0
    dd if=/dev/zero of=/tmp/disk bs=1M count=4 2>/dev/null
    echo /tmp/disk > $GADGET/functions/mass_storage.0/lun.0/file
    hid=$GADGET/functions/hid.0
    mkdir $hid
    echo 8 > $hid/report_length
    printf '\005\001\011\006\241\001\300' > $hid/report_desc
    ln -s $hid $GADGET/configs/c.1/
    plug
    until_true gadget_id
    ID=$(gadget_id)
}
name_of() { n=${1##*/hostile-}; echo "${n%.hex}"; }
export_refused() { case $(export_status "$ID") in failed*": $1") ;; *) false ;; esac; }
import_refused() { case $(import_status 9-9) in failed*": $1") ;; *) false ;; esac; }
no_import() { [ -z "$(import_status 9-9)" ]; }

# told NAME STATUS TEXT CHECK..: what usb_hostile had to say
told() {
    name=$1 status=$2 text=$3
    shift 3
    case $status in
    0) ;;
    3) note "$name: needs what this device has not"; return ;;
    *) bad "$name: $text"; return ;;
    esac
    case $text in
    close*) check "$name: $text" until_true "$@" "${text#close }" ;;
    *) ok "$name: $text" ;;
    esac
}
against_export() {
    for f in $GOLDEN/hostile-*-export-*; do
        ours_grant "$ID" 0 || bad "grant for $f: $(export_status "$ID")"
        text=$(usb_hostile qube /run/vchan $VPORT "$f")
        told "$(name_of "$f")" $? "$text" export_refused
        ours_withdraw "$ID"
    done
}
against_import() {
    describe=$(usb_hostile describe mix)
    for f in $GOLDEN/hostile-*-import-*; do
        until_true no_import
        qdb -s $QB write /sysqube-usb/attach/1-9-9 "backend=1 vport=$VPORT\
 speed=${describe%% *} devid=$((65536 + VPORT)) hash=${describe##* } mode=raw"
        text=$(usb_hostile usbvm /run/vchan $VPORT mix "$f")
        told "$(name_of "$f")" $? "$text" import_refused
        qdb -s $QB rm /sysqube-usb/attach/1-9-9
        VPORT=$((VPORT + 2))
    done
}

ours_start
hostile_gadget
against_export
against_import
check "the kernel's log is calm" kernel_is_calm
