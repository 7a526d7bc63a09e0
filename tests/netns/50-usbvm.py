#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usbvmd as USBVM runs it (ids and capabilities of its service table), over
a sysfs tree made here with hostile devices in it, events repeated by the
kernel in a network namespace of the test's own, and a QubesDB of its own."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(
    __file__))))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from appliance import proc_status, service  # noqa: E402
from lib import cannot, failures, finish, inside  # noqa: E402
from lib import ok as report  # noqa: E402
from qdb_fake import Qdb  # noqa: E402
from usbsys import (NETLINK_KOBJECT_UEVENT, Sysfs, descriptors,  # noqa: E402
                    event)

STATUS = "/sysqube-status/usb"
KEYS = "/qubes-usb-devices"


class Usbvmd:
    def __init__(self, work, sysfs, qdb_socket):
        uid, gid, caps, _ = service("usbvm", "usbvmd")
        self.log = open(f"{work}/log", "a+")
        self.p = subprocess.Popen(
            ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups",
             "--bounding-set=" + caps, "--", f"{BUILD}/bin/usbvmd",
             "--sysfs", sysfs, "--qubesdb", qdb_socket],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def alive(self):
        return self.p.poll() is None

    def end(self, sig=signal.SIGTERM):
        if self.alive():
            self.p.send_signal(sig)
        return self.p.wait(10)

    def text(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()


def devices(qdb):
    return {k[len(KEYS) + 1:]: v for k, v in qdb.keys.items()
            if k.startswith(KEYS + "/")}


def count(qdb, n):
    return qdb.wait(STATUS, lambda v: v == f"ready {n}") == f"ready {n}"


def check_start(qdb, d):
    report(count(qdb, 2), "devices that are there are counted",
           str(qdb.get(STATUS)))
    want = {
        "1-1/desc": "0627:0001 QEMU QEMU\\x20USB\\x20Keyboard 68284",
        "1-1/usb-ver": "2",
        "1-1/interfaces": ":030101:",
        "2-1_3/desc": "46f4:0001 46f4 0001 ",
        "2-1_3/usb-ver": "2",
        "2-1_3/interfaces": ":080650:",
    }
    report(devices(qdb) == want, "their keys are as Qubes writes them",
           str(devices(qdb)))
    report(qdb.get(KEYS) == "", "the signal key is touched")
    st = proc_status(d.p.pid)
    report(st["Uid"].split() == ["107"] * 4, "usbvmd runs as uid 107")
    report(int(st["CapEff"], 16) == 0 and int(st["CapPrm"], 16) == 0 and
           int(st["CapBnd"], 16) == 0, "without any capability")
    report(st["Seccomp"] == "2" and st["NoNewPrivs"] == "1",
           "under a seccomp filter")
    report(os.readlink(f"/proc/{d.p.pid}/root") == "/var/empty",
           "in an empty root")


def check_hotplug(qdb, sysfs, d):
    sysfs.plug("1-2", descriptors(0x1d6b, 0x104, 0, (8, 6, 80), (3, 1, 1)),
               manufacturer=b"\x1b[2J evil/../\xff", product=b"a b\nc",
               serial=b"\\x41 $(reboot)")
    t0 = time.monotonic()
    event("add", "1-2")
    report(count(qdb, 3), "a device that is plugged in appears")
    print(f"# after {1000 * (time.monotonic() - t0):.0f} ms")
    report(devices(qdb)["1-2/desc"] ==
           r"1d6b:0104 \x1b\x5b2J\x20evil\x2f..\x2f\xff a\x20b\x0ac "
           r"\x5cx41\x20\x24\x28reboot\x29",
           "hostile texts are escaped", devices(qdb)["1-2/desc"])
    report(devices(qdb)["1-2/interfaces"] == ":080650:030101:",
           "the keyboard hidden in a stick shows")
    report("\x1b" not in d.text(), "and do not reach the log as they are")
    fired = len([p for p, _ in qdb.history if p == KEYS])
    sysfs.unplug("1-1")
    event("remove", "1-1")
    report(count(qdb, 2) and not any(k.startswith("1-1/")
                                     for k in devices(qdb)),
           "a device that is unplugged goes, with all its keys")
    report(len([p for p, _ in qdb.history if p == KEYS]) > fired,
           "and the signal key is touched again")


def check_odd(qdb, sysfs, d):
    sysfs.plug("1-4", b"short", product=b"x")
    sysfs.plug("1-5", descriptors(1, 2, 0, (3, 1, 1), tail=b"\0\4\1"))
    sysfs.plug("1-6", descriptors(1, 2, 9))
    sysfs.plug("1-7", descriptors(1, 2, 0), serial=b"s" * 4000,
               product=b"\1" * 4000, manufacturer=b"m" * 4000)
    os.symlink("../nowhere", f"{sysfs.bus}/1-8")
    event("add", "1-5")
    report(count(qdb, 4), "hubs, half devices and dangling ones are left "
           "out", str(qdb.get(STATUS)))
    got = devices(qdb)
    report(got.get("1-5/interfaces") == ":030101:" and
           "1-5: malformed descriptors" in d.text(),
           "malformed descriptors are noted, the device is shown")
    report(all(len(v) <= 511 and v.isprintable() and v.isascii()
               for v in got.values()) and "1-7/desc" in got,
           "every value is what dom0 forwards")
    for n in ("1-4", "1-5", "1-6", "1-7"):
        sysfs.unplug(n)
    os.unlink(f"{sysfs.bus}/1-8")
    event("remove", "1-7")
    report(count(qdb, 2), "all of it can go again", str(qdb.get(STATUS)))


def check_other_events(qdb, sysfs, d):
    n = len(qdb.history)
    event("add", "eth0", "net")
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                      NETLINK_KOBJECT_UEVENT)
    try:
        s.sendto(b"libudev\0\xfe\xed\xca\xfe" + b"x" * 100, (0, 1))
    except OSError:
        pass  # the kernel refuses it: as good
    time.sleep(0.4)
    report(len(qdb.history) == n and d.alive(),
           "events of others make no work")
    for i in range(3000):
        event("change", f"1-2/{i}")
    time.sleep(1)
    report(d.alive() and count(qdb, 2), "a storm of events does not end it")
    touched = len(qdb.history) - n
    report(touched < 60, "and makes few writes", str(touched))


def check_limit(qdb, sysfs):
    for i in range(140):
        sysfs.plug(f"3-{i + 1}", descriptors(1, i, 0))
    event("add", "3-1")
    v = qdb.wait(STATUS, lambda v: "127" in v)
    report(v == "ready 127 (more left out)",
           "more devices than it keeps are told", str(v))
    report("3-125/desc" in devices(qdb) and "3-126/desc" not in devices(qdb),
           "and it is the last ones that are left out")
    for i in range(140):
        sysfs.unplug(f"3-{i + 1}")
    event("remove", "3-1")
    report(count(qdb, 2), "and gone again")


def check_restart(qdb, sysfs, work, d, sock):
    d.end(signal.SIGKILL)
    sysfs.unplug("1-2")
    sysfs.plug("1-3", descriptors(7, 8, 0, (1, 1, 0)))
    qdb.set(KEYS + "/9-9/desc", "stale")
    qdb.set(STATUS, "none")
    d = Usbvmd(work, sysfs.root, sock)
    report(count(qdb, 2), "a restart finds its way", str(qdb.get(STATUS)))
    report(sorted({k.split("/")[0] for k in devices(qdb)}) ==
           ["1-3", "2-1_3"], "nothing stale stays", str(devices(qdb)))
    return d


def scene(work):
    sysfs = Sysfs(f"{work}/sys")
    qdb = Qdb(f"{work}/qubes")
    sock = f"{work}/qubes/qubesdb.sock"
    sysfs.plug("usb1", descriptors(0x1d6b, 2, 9))
    sysfs.plug("2-1", descriptors(0x409, 0x55aa, 9, (9, 0, 0)))
    sysfs.plug("1-1", descriptors(0x627, 1, 0, (3, 1, 1)),
               manufacturer=b"QEMU", product=b"QEMU USB Keyboard",
               serial=b"68284")
    sysfs.plug("2-1.3", descriptors(0x46f4, 1, 0, (8, 6, 0x50)))
    d = Usbvmd(work, sysfs.root, sock)
    try:
        check_start(qdb, d)
        check_hotplug(qdb, sysfs, d)
        check_odd(qdb, sysfs, d)
        check_other_events(qdb, sysfs, d)
        check_limit(qdb, sysfs)
        d = check_restart(qdb, sysfs, work, d, sock)
        report(d.end() == 0, "it ends cleanly when told")
        d = Usbvmd(work, f"{work}/nothing", sock)
        report(count(qdb, 0), "a machine without USB has no devices")
    finally:
        d.end(signal.SIGKILL)
        if failures():
            for line in d.text().splitlines():
                print("# usbvmd:", line)


def main():
    if os.geteuid() != 0:
        cannot("needs root")
    if not os.path.exists(f"{BUILD}/bin/usbvmd"):
        cannot("usbvmd is not built")
    if not shutil.which("setpriv"):
        cannot("setpriv is not installed")
    inside()
    work = tempfile.mkdtemp(prefix="sq50.")
    os.chmod(work, 0o755)
    # The folder usbvmd changes its root to; a desktop may lack it.
    if not os.path.isdir("/var/empty"):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/var"], check=True)
        os.mkdir("/var/empty", 0o555)
    try:
        scene(work)
    except Exception as e:  # the test's own fault is a failure, too
        report(False, f"the test itself: {type(e).__name__}: {e}")
    shutil.rmtree(work, ignore_errors=True)
    finish()


if __name__ == "__main__":
    main()
