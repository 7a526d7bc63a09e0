# SPDX-License-Identifier: GPL-2.0-or-later
"""USB in the lab: the emulated stick and keyboard of the passed-through xHCI
lent to user qubes. Kind: glue.

Each function takes the Checks of checks.py and is one step there.
"""
import json
import re
import time

STICK, KEYBOARD = "46f4:0001", "0627:0001"
ATTACH_LIMIT_S = 60
DISK_LIMIT_S = 40
COPY_MIB = 24


def usb(checks, words, timeout_s=ATTACH_LIMIT_S):
    return checks.dom0.run("sysqube usb " + words, timeout_s=timeout_s)


def device(checks, identity):
    """What dom0 lists of the device VENDOR:PRODUCT, or None."""
    result = checks.dom0.run("sysqube --json usb list")
    listed = json.loads(result.out)["devices"] if result.ok else []
    return next((d for d in listed if f"{d.get('vendor_id')}:"
                 f"{d.get('product_id')}" == identity), None)


def disk(checks, qube):
    """The name of the qube's USB disk once it has one, or an empty text."""
    def found():
        out = qube.run("ls /sys/block 2>/dev/null").out
        return next(iter(re.findall(r"\bsd[a-z]\b", out)), "")
    return checks.wait_for(DISK_LIMIT_S, found)


def gone(checks, qube):
    return checks.wait_for(DISK_LIMIT_S, lambda: not re.search(
        r"\bsd[a-z]\b", qube.run("ls /sys/block").out))


def attached(checks, name, identity, text):
    result = usb(checks, f"attach {name} {identity}")
    checks.results.check(result.ok, text, result.ms / 1000, result.text())
    return result.ok


def stick(checks):
    """A stick written in one qube is read in another."""
    results, work, untrusted = checks.results, checks.work, checks.untrusted
    if not attached(checks, "work", STICK, "sysqube usb attach gives work "
                    "the stick"):
        return
    begin = time.monotonic()
    name = disk(checks, work)
    results.check(name, "work has its disk", time.monotonic() - begin,
                  work.run("dmesg | tail -20").text())
    if not name:
        return
    made = work.run(
        f"printf 'n\\np\\n1\\n\\n\\nw\\n' | fdisk /dev/{name} >/tmp/fdisk 2>&1"
        f"; sleep 2; mkdosfs /dev/{name}1 && mkdir -p /mnt/stick && "
        f"mount -t vfat /dev/{name}1 /mnt/stick", timeout_s=150)
    results.check(made.ok, "work partitions, formats and mounts it", None,
                  made.text() + work.run("cat /tmp/fdisk").out)
    begin = time.monotonic()
    wrote = work.run(
        "dd if=/dev/urandom of=/mnt/stick/file bs=64k count=64 2>/dev/null; "
        "sha256sum </mnt/stick/file; umount /mnt/stick && sync",
        timeout_s=120)
    found = re.search(r"\b[0-9a-f]{64}\b", wrote.out)
    results.check(wrote.ok and found, "work writes 4 MiB to it",
                  time.monotonic() - begin, wrote.text())
    denied = usb(checks, f"attach untrusted {STICK}")
    results.check(denied.rc > 0 and "work" in denied.text(),
                  "meanwhile untrusted is refused it: " +
                  denied.text().splitlines()[0] if denied.text() else "",
                  None, denied.text())
    result = usb(checks, f"detach {STICK}")
    results.check(result.ok and gone(checks, work), "detach takes it from "
                  "work", result.ms / 1000, result.text())
    if not attached(checks, "untrusted", STICK, "and untrusted gets it"):
        return
    name = disk(checks, untrusted)
    results.check(name, "untrusted has its disk", None,
                  untrusted.run("dmesg | tail -20").text())
    read = untrusted.run(
        f"mkdir -p /mnt/stick; sleep 2; mount -t vfat -o ro /dev/{name}1 "
        "/mnt/stick && sha256sum </mnt/stick/file; umount /mnt/stick",
        timeout_s=120)
    results.check(found and found.group() in read.out,
                  "untrusted reads the same bytes", None, read.text())


def unplugged(checks):
    """A stick pulled out in the middle leaves nothing; plugged in again it
    can be attached again."""
    results, untrusted = checks.results, checks.untrusted
    name = disk(checks, untrusted)
    if not name:
        results.not_ok("untrusted has the stick")
        return
    untrusted.run(f"(dd if=/dev/{name} of=/dev/null bs=64k; echo ended $? "
                  ">/tmp/dd) >/dev/null 2>&1 &")
    time.sleep(1)
    checks.machine.unplug_stick()
    results.check(gone(checks, untrusted), "a stick pulled out in mid-copy is "
                  "gone from the qube", None,
                  untrusted.run("dmesg | tail").text())
    results.check(checks.wait_for(20, lambda: not device(checks, STICK)),
                  "and from dom0's list", None, repr(device(checks, STICK)))
    checks.machine.plug_stick()
    results.check(checks.wait_for(30, lambda: device(checks, STICK)),
                  "plugged in again it is listed")
    if attached(checks, "work", STICK, "and can be attached to work"):
        results.check(disk(checks, checks.work), "which has its disk", None,
                      checks.work.run("dmesg | tail").text())


def usbvm_dies(checks):
    """The USBVM killed in mid-copy: an error in the qube, and all works
    again once it is back."""
    results, work = checks.results, checks.work
    name = disk(checks, work)
    if not name:
        results.not_ok("work has the stick")
        return
    before = checks.status()["sys-usb"]["domid"]
    work.run(f"(dd if=/dev/zero of=/dev/{name} bs=64k; echo ended $? "
             ">/tmp/dd) >/dev/null 2>&1 &")
    time.sleep(2)
    result = checks.dom0.run("xl destroy sys-usb", timeout_s=60)
    results.check(result.ok and gone(checks, work), "when the USBVM dies the "
                  "disk is gone from the qube", None, result.text())
    ended = checks.wait_for(20, lambda: "ended" in work.run(
        "cat /tmp/dd 2>/dev/null").out)
    results.check(ended, "and the copy has ended with an error", None,
                  work.run("ps; dmesg | tail").text())

    def back():
        qube = checks.status()["sys-usb"]
        return (qube["domid"] not in (None, before) and qube["ready"]
                and device(checks, STICK))
    results.check(checks.wait_for(90, back), "the USBVM is started again by "
                  "itself", None, json.dumps(checks.status()["sys-usb"]))
    if attached(checks, "work", STICK, "and the stick can be attached again"):
        results.check(disk(checks, work), "and work has its disk")
        usb(checks, f"detach {STICK}")


def denied(checks):
    """A device that a qube's configuration denies is refused with a reason."""
    result = usb(checks, f"deny work {STICK}")
    checks.results.check(result.ok, "sysqube usb deny", None, result.text())
    refused = usb(checks, f"attach work {STICK}")
    checks.results.check(
        refused.rc > 0 and refused.text(), "a denied device is refused: "
        + (refused.text().splitlines() or [""])[0], None, refused.text())
    result = usb(checks, f"allow work {STICK}")
    checks.results.check(result.ok, "and the denial can be taken back", None,
                         result.text())


def keyboard(checks):
    """Keys pressed at the machine arrive in the qube that has the keyboard."""
    results, work = checks.results, checks.work
    if not attached(checks, "work", KEYBOARD, "work gets the keyboard"):
        return
    event = checks.wait_for(DISK_LIMIT_S, lambda: next(iter(re.findall(
        r"event\d+", work.run("ls /dev/input 2>/dev/null").out)), ""))
    results.check(event, "work has its event device", None,
                  work.run("dmesg | tail -20").text())
    work.run(f"(cat /dev/input/{event} >/tmp/keys) >/dev/null 2>&1 & "
             "echo $! >/tmp/keys.pid")
    time.sleep(1)
    checks.machine.press("a", "b", "ret")
    # Three keys, pressed and released, each with its report's end.
    size = checks.wait_for(15, lambda: (n := int(
        work.run("wc -c </tmp/keys").out.split()[-1])) >= 3 * 4 * 24 and n)
    results.check(size, "keys pressed at the machine arrive there", None,
                  work.run("wc -c /tmp/keys").text())
    work.run("kill $(cat /tmp/keys.pid)")
    result = usb(checks, f"detach {KEYBOARD}")
    results.check(result.ok, "and it is taken back", result.ms / 1000,
                  result.text())


STEPS = (stick, unplugged, usbvm_dies, denied, keyboard)
