#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usb-broker as USBVM runs it (ids and capabilities of its service table),
over a sysfs tree and device nodes made here and a QubesDB of its own. In
place of usb-export and usb-probe it starts helpers of the test, which say
what the test wants: states, nonsense, nothing, or no end."""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(
    __file__))))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from appliance import proc_status, service  # noqa: E402
from lib import (alive, cannot, failures, finish, inside,  # noqa: E402
                 wait_until)
from lib import ok as report  # noqa: E402
from qdb_fake import Qdb  # noqa: E402
from usbsys import Sysfs, descriptors, event  # noqa: E402

GRANT = "/sysqube-usb/grant/"
STATUS = "/sysqube-status/"

# Runs as usb-export and as usb-probe: notes how it was started and with which
# node, then does what the files beside it say.
HELPER = r'''#!/usr/bin/python3 -SE
import json, os, socket, struct, sys, time
work = os.path.dirname(os.path.abspath(sys.argv[0]))
probe = sys.argv[0].endswith("probe")
port = sys.argv[sys.argv.index("--port") + 1]
s = socket.socket(fileno=3)
node = None
if "--hub" not in sys.argv:
    data, anc, _, _ = s.recvmsg(1, 64)
    assert data == b"F"
    fd = struct.unpack("i", anc[0][2][:4])[0]
    node = os.readlink(f"/proc/self/fd/{fd}")
caps = [l.split()[1] for l in open("/proc/self/status") if "CapEff" in l][0]
with open(f"{work}/starts", "a") as f:
    f.write(json.dumps({"argv": sys.argv[1:], "node": node, "caps": caps,
                        "pid": os.getpid(), "probe": probe}) + "\n")
def read(name):
    try:
        return open(f"{work}/{name}").read()
    except OSError:
        return ""
if probe:
    if "--hub" in sys.argv:
        sys.exit(0)
    what = read("probe-" + port)
    if what == "silent":
        sys.exit(1)
    status = int(what) if what.isdigit() else 0
    h = bytes.fromhex(read("hash-" + port)) if not status else bytes(32)
    s.send(struct.pack("=II32sII192s", status, 3, h, 0, 2,
                       bytes([0, 8, 6, 0x50, 1, 3, 1, 1])))
    sys.exit(0)
def say(kind, state, why=0, in_=0, out=0, reasons=()):
    r = list(reasons) + [0] * (64 - len(reasons))
    s.send(struct.pack("=IIIIQQIIII64I", kind, state, why, 1, in_, out, 7, 9,
                       0, sum(r), *r))
say(1, 1)
s.setblocking(False)
hang = False
while True:
    time.sleep(0.02)
    try:
        if s.recv(1) == b"" and not hang:
            sys.exit(0)
    except BlockingIOError:
        pass
    except OSError:
        pass
    cmd = read("cmd-" + port)
    if not cmd:
        continue
    os.unlink(f"{work}/cmd-{port}")
    if cmd == "attached":
        say(1, 2)
    elif cmd == "stat":
        say(2, 2, in_=4096, out=512, reasons=[0, 3])
    elif cmd == "fail":
        say(1, 3, why=3)
        sys.exit(4)
    elif cmd == "nonsense":
        s.send(b"x" * 304)
    elif cmd == "short":
        s.send(b"x")
    elif cmd == "hang":
        hang = True
'''


class World:
    """Device nodes, sysfs, keys and the broker."""

    def __init__(self, work):
        self.work = work
        self.sysfs = Sysfs(f"{work}/sys")
        self.qdb = Qdb(f"{work}/qubes")
        self.log = open(f"{work}/log", "a+")
        self.broker = None
        self.number = 1
        for name in ("usb-export", "usb-probe"):
            with open(f"{work}/{name}", "w") as f:
                f.write(HELPER)
            os.chmod(f"{work}/{name}", 0o755)
        os.makedirs(f"{work}/vchan")
        for i, bus in ((1, "pci0"), (2, "pci0"), (9, "vhci_hcd.0")):
            self.sysfs.plug(f"usb{i}", descriptors(0x1d6b, 2, 9), bus=bus,
                            authorized_default=b"1",
                            interface_authorized_default=b"1")
            os.makedirs(f"{work}/dev/{i:03}")

    def start(self):
        uid, gid, caps, _ = service("usbvm", "usb-broker")
        self.broker = subprocess.Popen(
            ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups",
             "--bounding-set=" + caps, "--", f"{BUILD}/bin/usb-broker",
             "--sysfs", self.sysfs.root, "--dev", f"{self.work}/dev",
             "--qubesdb", f"{self.work}/qubes/qubesdb.sock",
             "--export", f"{self.work}/usb-export",
             "--probe", f"{self.work}/usb-probe",
             "--self", "3", "--vchan-dir", f"{self.work}/vchan"],
            env={**os.environ, "SYSQUBE_PLATFORM": "netns"},
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def end(self, sig=signal.SIGTERM):
        if self.broker.poll() is None:
            self.broker.send_signal(sig)
        return self.broker.wait(10)

    def text(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def plug(self, name, cls=b"00", authorized=b"0", bus="pci0"):
        """@return the hash that usb-probe will find"""
        self.number += 1
        digest = hashlib.sha256(name.encode()).hexdigest()
        self.put("hash-" + name, digest)
        node = f"{self.work}/dev/{int(name.split('-')[0]):03}/{self.number:03}"
        with open(node, "w"):
            pass
        self.sysfs.plug(name, b"", bus=bus, devnum=b"%d" % self.number,
                        authorized=authorized, bDeviceClass=cls)
        event("add", name)
        return digest

    def unplug(self, name):
        self.sysfs.unplug(name)
        event("remove", name)

    def put(self, name, text):
        with open(f"{self.work}/{name}.new", "w") as f:
            f.write(text)
        os.rename(f"{self.work}/{name}.new", f"{self.work}/{name}")

    def tell(self, port, word):
        self.put("cmd-" + port, word)

    def starts(self, **want):
        """Helpers that were started, the newest last."""
        try:
            with open(f"{self.work}/starts") as f:
                rows = [json.loads(line) for line in f]
        except OSError:
            rows = []
        return [r for r in rows if all(r[k] == v for k, v in want.items())]

    def key(self, kind, port):
        return self.qdb.get(f"{STATUS}{kind}/{port.replace('.', '_')}")

    def wait(self, kind, port, value):
        """@value  None: the key is gone"""
        path = f"{STATUS}{kind}/{port.replace('.', '_')}"
        return wait_until(lambda: self.qdb.get(path) == value, 10)

    def grant(self, port, digest, gen=None, vport=2000, client=7):
        if gen is None:
            gen = int(self.key("usb-dev", port).split()[0].split("=")[1])
        self.qdb.set(GRANT + port.replace(".", "_"),
                     f"client={client} vport={vport} gen={gen} hash={digest} "
                     "interfaces=all mode=raw")

    def revoke(self, port):
        path = GRANT + port.replace(".", "_")
        with self.qdb.lock:
            del self.qdb.keys[path]
            self.qdb._fire(path)

    def lend(self, port, digest, vport=2000):
        """A device that is attached. @return how its helper was started"""
        before = len(self.starts(probe=False))
        self.wait("usb-export", port, "idle")
        self.grant(port, digest, vport=vport)
        self.wait("usb-export", port, "waiting")
        self.tell(port, "attached")
        if not self.wait("usb-export", port, "attached"):
            raise RuntimeError(f"{port} is not lent: "
                               f"{self.key('usb-export', port)}")
        return self.starts(probe=False)[before]


def check_start(w):
    digest = w.plug("1-1")
    w.plug("2-1.3")
    w.plug("2-1", cls=b"09")
    w.plug("9-1", bus="vhci_hcd.0")
    w.start()
    report(w.wait("usb-export", "1-1", "idle") and
           w.wait("usb-export", "2-1.3", "idle"),
           "devices that are there are identified and free")
    dev = w.key("usb-dev", "1-1")
    report(dev.startswith("gen=") and dev.endswith(
        f" speed=3 hash={digest}"), "with generation, speed and hash", dev)
    report(w.key("usb-if", "1-1") == "0:080650 1:030101",
           "and the codes of its interfaces", str(w.key("usb-if", "1-1")))
    report(w.key("usb-dev", "2-1") is None and
           w.key("usb-export", "2-1") is None and
           wait_until(lambda: [r for r in w.starts() if "--hub" in r["argv"]],
                      5), "a hub is made to work, and is no device")
    report(w.key("usb-dev", "9-1") is None,
           "a device that was imported is not lent on")
    for bus, want in (("usb1", "0"), ("usb9", "1\n")):
        for name in ("authorized_default", "interface_authorized_default"):
            with open(f"{w.sysfs.bus}/{bus}/{name}") as f:
                got = f.read()
            report(got.startswith(want[0]), f"{bus}: {name} is {want[0]}", got)
    st = proc_status(w.broker.pid)
    report(int(st["CapEff"], 16) == int(st["CapBnd"], 16) == 0x401e0,
           "it has the capabilities of its service line and no other",
           st["CapEff"])
    return digest


def check_lend(w, digest):
    start = w.lend("1-1", digest)
    report(start["node"] == f"{w.work}/dev/001/002", "usb-export gets the "
           "device's node", start["node"])
    report("1-1" in start["argv"] and
           any(a.startswith("client=7 vport=2000 ") for a in start["argv"]),
           "and the grant", str(start["argv"]))
    w.tell("1-1", "stat")
    report(wait_until(lambda: (w.key("usb-stat", "1-1") or "").startswith(
        "in=4096 out=512 flight=1 p50us=7 p99us=9 refused=3 "), 5),
        "its statistics are published", str(w.key("usb-stat", "1-1")))
    return start


def check_revoke(w, digest):
    start = check_lend(w, digest)
    left = [f"{w.work}/vchan/3.{port}.sock" for port in (2000, 2001)]
    for path in left:
        with open(path, "w"):
            pass
    w.revoke("1-1")
    report(wait_until(lambda: not alive(start["pid"]), 5),
           "a revoked grant ends usb-export")
    report(w.wait("usb-export", "1-1", "idle"), "the device is free again")
    last = w.starts(probe=True)[-1]
    report("--reset" in last["argv"] and last["pid"] > 0,
           "after it was reset and identified")
    report(w.key("usb-stat", "1-1") is None, "its statistics are gone")
    report(not any(os.path.exists(path) for path in left),
           "and so is what is left of its channels")


def check_regrant(w, digest):
    start = w.lend("1-1", digest, vport=2002)
    w.grant("1-1", digest, vport=2004)
    report(wait_until(lambda: not alive(start["pid"]), 5) and
           w.wait("usb-export", "1-1", "waiting"),
           "a changed grant ends the old loan and begins a new one")
    kinds = [("--reset" in r["argv"], r["probe"]) for r in w.starts()[-2:]]
    report(kinds == [(True, True), (False, False)],
           "with a reset in between", str(kinds))
    w.revoke("1-1")
    w.wait("usb-export", "1-1", "idle")


def check_wrong_grants(w, digest):
    other = "ab" * 32
    n = len(w.starts(probe=False))
    w.grant("1-1", other)
    report(w.wait("usb-export", "1-1",
                  "failed the device is not the one that was granted"),
           "a grant for another hash lends nothing")
    w.grant("1-1", digest, gen=1)
    report(w.wait("usb-export", "1-1",
                  "failed it was plugged in again after the grant"),
           "nor does one for an earlier plug")
    for bad in ("", "client=7", "x" * 600, "client=7 vport=2001 gen=1 hash="
                + digest + " interfaces=all mode=raw"):
        w.qdb.set(GRANT + "1-1", bad)
    w.qdb.set(GRANT + "x1-1", "client=7")
    report(w.wait("usb-export", "1-1", "idle") and
           w.broker.poll() is None, "malformed grants lend nothing")
    report(len(w.starts(probe=False)) == n, "no usb-export was started")
    w.revoke("x1-1")
    w.revoke("1-1")


def check_deaths(w, digest):
    for word, want in (("fail", "failed the qube broke the protocol"),
                       ("nonsense", "failed usb-export died"),
                       ("short", "failed usb-export died"),
                       (None, "failed usb-export died")):
        start = w.lend("1-1", digest)
        probes = len(w.starts(probe=True))
        if word:
            w.tell("1-1", word)
        else:
            os.kill(start["pid"], signal.SIGKILL)
        report(w.wait("usb-export", "1-1", want) and
               wait_until(lambda: not alive(start["pid"]), 5),
               f"{word or 'kill -9'}: {want}", str(w.key("usb-export", "1-1")))
        report(wait_until(lambda: len(w.starts(probe=True)) > probes and
                          w.key("usb-dev", "1-1"), 5) and
               "--reset" in w.starts(probe=True)[-1]["argv"] and
               w.key("usb-export", "1-1") == want,
               "  the device is reset, the failure stays to be read")
        w.revoke("1-1")
    report(w.wait("usb-export", "1-1", "idle"), "and then it is free")


def check_hang(w, digest):
    start = w.lend("1-1", digest)
    w.tell("1-1", "hang")
    time.sleep(0.2)
    w.revoke("1-1")
    report(wait_until(lambda: not alive(start["pid"]), 10) and
           w.wait("usb-export", "1-1", "idle"),
           "a usb-export that does not end is killed")


def check_unplug(w, digest):
    start = w.lend("1-1", digest)
    gen = w.key("usb-dev", "1-1").split()[0]
    w.unplug("1-1")
    report(wait_until(lambda: not alive(start["pid"]), 5) and
           all(w.wait(k, "1-1", None) for k in
               ("usb-if", "usb-dev", "usb-export", "usb-stat")),
           "unplugged while lent: usb-export ends, the keys go")
    w.plug("1-1")
    report(w.wait("usb-export", "1-1",
                  "failed it was plugged in again after the grant") and
           w.key("usb-dev", "1-1").split()[0] != gen,
           "plugged in again it is another generation", str(gen))
    w.revoke("1-1")


def check_probe_faults(w):
    for what, want in (("silent", "failed the device could not be identified"),
                       ("110", "failed the device does not answer")):
        w.put("probe-1-7", what)
        w.plug("1-7")
        report(w.wait("usb-export", "1-7", want) and
               w.key("usb-dev", "1-7") is None, want)
        w.unplug("1-7")
        w.wait("usb-export", "1-7", None)
    os.unlink(f"{w.work}/probe-1-7")


def check_restart(w, digest):
    start = w.lend("1-1", digest)
    with open(f"{w.sysfs.bus}/1-1/authorized", "w") as f:
        f.write("1\n")  # as usb-export has it
    w.end(signal.SIGKILL)
    report(wait_until(lambda: not alive(start["pid"]), 5),
           "usb-export ends when the broker is killed")
    n = len(w.starts(probe=True))
    w.qdb.set(STATUS + "usb-export/8-8", "attached")
    w.start()
    report(w.wait("usb-export", "8-8", None), "nothing stale stays")
    report(wait_until(lambda: [r for r in w.starts(probe=True)[n:]
                               if "--reset" in r["argv"] and
                               "1-1" in r["argv"]], 5),
           "the next one resets what was lent")
    report(w.wait("usb-export", "1-1",
                  "failed it was plugged in again after the grant"),
           "and does not take the old grant for the new run's")
    w.revoke("1-1")


def check_storm(w):
    for _ in range(60):
        w.plug("2-4")
        time.sleep(0.01)
        w.unplug("2-4")
    digest = w.plug("2-4")
    report(w.wait("usb-export", "2-4", "idle") and
           w.key("usb-dev", "2-4").endswith(digest),
           "a device that comes and goes without end is known in the end")
    with open(f"/proc/{w.broker.pid}/stat") as f:
        int(f.read().split()[0])
    report(wait_until(lambda: len(os.listdir(
        f"/proc/{w.broker.pid}/fd")) < 16, 5),
        "and leaves no descriptor behind",
        str(os.listdir(f"/proc/{w.broker.pid}/fd")))
    children = subprocess.run(["ps", "--ppid", str(w.broker.pid), "-o",
                               "stat="], stdout=subprocess.PIPE, text=True,
                              check=False).stdout.split()
    report(children == [], "nor a process", str(children))


def scene(work):
    w = World(work)
    try:
        digest = check_start(w)
        check_revoke(w, digest)
        check_regrant(w, digest)
        check_wrong_grants(w, digest)
        check_deaths(w, digest)
        check_hang(w, digest)
        check_unplug(w, digest)
        check_probe_faults(w)
        check_restart(w, digest)
        check_storm(w)
        report(w.end() == 0, "it ends cleanly when told")
    finally:
        if w.broker:
            w.end(signal.SIGKILL)
        if failures():
            for line in w.text().splitlines()[-60:]:
                print("# usb-broker:", line)


def main():
    if os.geteuid() != 0:
        cannot("needs root")
    if not os.path.exists(f"{BUILD}/bin/usb-broker"):
        cannot("usb-broker is not built")
    if not shutil.which("setpriv"):
        cannot("setpriv is not installed")
    inside()
    work = tempfile.mkdtemp(prefix="sq51.")
    os.chmod(work, 0o755)
    try:
        scene(work)
    except Exception as e:  # the test's own fault is a failure, too
        report(False, f"the test itself: {type(e).__name__}: {e}")
    shutil.rmtree(work, ignore_errors=True)
    finish()


if __name__ == "__main__":
    main()
