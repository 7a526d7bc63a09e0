# SPDX-License-Identifier: GPL-2.0-or-later
# A reset in the qube is one of the device: vhci keeps it to itself, usb-export
# sees that the port is numbered anew (glue; runs as part of PID 1 after
# lib.sh, ours.sh).
resets() { dmesg | grep -c 'reset .* using dummy_hcd'; }
more_resets_than() { [ "$(resets)" -gt "$1" ]; }
disk_sum() { dd if="$DISK" bs=64k count=32 iflag=direct 2>/dev/null | sum_of; }

reset_stick() {
    modprobe -a usb_f_mass_storage
    gadget 0x1234 0x567b mass_storage.0
    dd if=/dev/urandom of=/tmp/disk bs=1M count=4 2>/dev/null
    echo /tmp/disk > $GADGET/functions/mass_storage.0/lun.0/file
    plug
    until_true gadget_id
    ID=$(gadget_id)
    check "attached" ours_attach "$ID"
    until_true has_device $VHCI && CLIENT=$SEEN
    check "the disk is there" disk_there "$CLIENT"
}
reset_once() {
    n=$(resets)
    check "a driver may reset it ($1)" usbreset "$(node_of "$CLIENT")"
    check "the device itself was reset" until_true more_resets_than "$n"
    check "the disk reads as before" same "$(disk_sum)" "$SUM"
}

ours_start
reset_stick
n=$(resets)
SUM=$(disk_sum)
check "the disk's first bytes are right" same "$SUM" \
    "$(dd if=/tmp/disk bs=64k count=32 2>/dev/null | sum_of)"
check "to attach resets nothing more" same "$(resets)" "$n"
reset_once once
reset_once twice
check "it stays attached" export_is "$ID" attached
check "and is detached" ours_detach "$ID"
check "the kernel's log is calm" kernel_is_calm
