#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A USB device from sysqubed to both sides and back, over the real keys:
sysqubed, its workers, qdbd in each qube, usbvmd and usb-broker for sys-usb
and sysqube-usb for two user qubes, over a sysfs of the test's own. In place
of usb-probe, usb-export and usb-import run helpers of the test: what a device
does on the wire is tested elsewhere."""
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from appliance import service  # noqa: E402
from lib import (BUILD, Chain, alive, cannot, failures,  # noqa: E402
                 finish, inside, need_root, ok, wait_until)
from usbsys import Sysfs, descriptors  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
STICK = dict(vid=0x46f4, pid=1, ifaces=[(8, 6, 0x50)],
             manufacturer=b"QEMU", product=b"QEMU USB HARDDRIVE",
             serial=b"1-0000")
PROGRAMS = ("usbvmd", "usb-broker", "sysqube-usb", "sysqubed", "sysqube",
            "sysqube-qdb")

# In place of usb-import: connecting, then what the file "import-QUBE" says.
IMPORT = r'''#!/usr/bin/python3 -SE
import os, socket, struct, sys
work, qube = os.path.dirname(os.path.abspath(sys.argv[0])), "@QUBE@"
s = socket.socket(fileno=3)
def say(link, port=0, why=0):
    s.send(struct.pack("=IIII", link, port, why, 0))
say(2)
try:
    why = int(open(f"{work}/import-{qube}").read())
except OSError:
    why = 0
if why:
    say(4, why=why)
    sys.exit(1)
say(3, port=5)
with open(f"{work}/imports", "a") as f:
    f.write(f"{qube} {os.getpid()} {sys.argv[2]}\n")
while s.recv(1):
    pass
'''


def broker_helper():
    """The helper of the broker's own test, attached as soon as it waits."""
    spec = importlib.util.spec_from_file_location(
        "broker", f"{HERE}/51-usb-broker.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.HELPER.replace(
        "say(1, 1)\n", "say(1, 1)\nif not read('mute'):\n    say(1, 2)\n", 1)
    if "'mute'" not in text:
        raise RuntimeError("the broker test's helper has changed")
    # what is identified are the interfaces that are there
    whole = "bytes([0, 8, 6, 0x50, 1, 3, 1, 1])"
    if "2,\n" not in text or whole not in text:
        raise RuntimeError("the broker test's helper has changed")
    m = 'bytes.fromhex(read("map-" + port))'
    return text.replace("2,\n", f"len({m}) // 4,\n", 1).replace(whole, m)


class World:
    def __init__(self, chain, work):
        self.chain, self.work = chain, work
        self.sysfs = Sysfs(f"{work}/sys")
        self.log = open(f"{work}/log", "a+")
        self.procs, self.number = {}, 1
        self.programs()
        os.makedirs(f"{work}/dev/002")
        self.sysfs.plug("usb2", descriptors(0x1d6b, 2, 9),
                        authorized_default=b"1",
                        interface_authorized_default=b"1")

    def programs(self):
        """The helpers, as the test goes with them."""
        for name in ("usb-export", "usb-probe"):
            self.program(name, broker_helper())
        for qube in ("work", "untrusted"):
            self.program("usb-import-" + qube, IMPORT.replace("@QUBE@", qube))

    def program(self, name, text):
        if os.path.exists(f"{self.work}/{name}"):
            self.take(name)  # it may run
        with open(f"{self.work}/{name}", "w") as f:
            f.write(text)
        os.chmod(f"{self.work}/{name}", 0o755)

    def put(self, name, text):
        with open(f"{self.work}/{name}", "w") as f:
            f.write(text)

    def take(self, name):
        os.unlink(f"{self.work}/{name}")

    def start(self, qube, name, argv, as_service=None):
        """A program of the build, in the network of a qube, at its qdbd."""
        pid = self.chain.qube(qube)["pid"]
        run = f"/proc/{pid}/root/run/qubes"
        if not wait_until(lambda: os.path.exists(f"{run}/qubesdb.sock"), 10):
            raise RuntimeError(f"no QubesDB in {qube}")
        # without capabilities the way through /proc is closed to a program
        here = os.open(run, os.O_PATH | os.O_DIRECTORY)
        argv = [f"{BUILD}/bin/{argv[0]}", *argv[1:],
                f"/proc/self/fd/{here}/qubesdb.sock"]
        if as_service:
            uid, gid, caps, _ = service("usbvm", as_service)
            argv = ["setpriv", "--reuid", uid, "--regid", gid,
                    "--clear-groups", "--bounding-set=" + caps, "--", *argv]
        self.procs[name] = subprocess.Popen(
            ["nsenter", "-t", str(pid), "-n", "--", *argv],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            pass_fds=[here])
        os.close(here)

    def start_usbvm(self):
        sysfs = self.sysfs.root
        self.start("sys-usb", "usbvmd",
                   ["usbvmd", "--sysfs", sysfs, "--qubesdb"], "usbvmd")
        self.start("sys-usb", "broker",
                   ["usb-broker", "--sysfs", sysfs, "--dev",
                    f"{self.work}/dev", "--export", f"{self.work}/usb-export",
                    "--probe", f"{self.work}/usb-probe", "--qubesdb"],
                   "usb-broker")

    def start_client(self, qube):
        self.start(qube, qube,
                   ["sysqube-usb", "--import",
                    f"{self.work}/usb-import-{qube}", "--socket"])

    def end(self, name, sig=signal.SIGKILL):
        proc = self.procs.pop(name, None)
        if proc and proc.poll() is None:
            proc.send_signal(sig)
            proc.wait(10)

    def end_all(self):
        for name in list(self.procs):
            self.end(name)

    def event(self, action, name):
        """The kernel repeats the event in the network of sys-usb."""
        pid = self.chain.qube("sys-usb")["pid"]
        code = (f"import sys; sys.path.insert(0, {HERE!r}); import usbsys; "
                f"usbsys.event({action!r}, {name!r})")
        subprocess.run(["nsenter", "-t", str(pid), "-n", "--", sys.executable,
                        "-B", "-c", code], check=True)

    def plug(self, name, vid, pid, ifaces, **texts):
        self.number += 1
        raw = descriptors(vid, pid, 0, *ifaces)
        self.put("hash-" + name,
                 hashlib.sha256(raw + repr(texts).encode()).hexdigest())
        self.put("map-" + name,
                 bytes(b for n, code in enumerate(ifaces)
                       for b in (n, *code)).hex())
        self.put(f"dev/002/{self.number:03}", "")
        self.sysfs.plug(name, raw, devnum=b"%d" % self.number,
                        authorized=b"0", bDeviceClass=b"00", **texts)
        self.event("add", name)

    def unplug(self, name):
        self.sysfs.unplug(name)
        self.event("remove", name)

    def usb(self, *words):
        return self.chain.sysqube("usb", *words)

    def device(self, port):
        for one in self.chain.json("usb", "list")["devices"]:
            if one["port"] == port:
                return one
        return {"state": "absent", "client": None}

    def wait(self, port, state, client=None):
        def same():
            d = self.device(port)
            return (d["state"], d["client"]) == (state, client)
        return wait_until(same, 20)

    def status(self, what):
        """What sys-usb says of the device in a status key."""
        keys = self.chain.json("keys", "sys-usb")["status"]
        return keys.get(f"/sysqube-status/{what}/2-1")

    def keys(self):
        """Grants and attachments that stand now, of all qubes."""
        return sorted(k for q in ("sys-usb", "work", "untrusted")
                      for k in self.chain.json("keys", q)["desired"]
                      if k.startswith("/sysqube-usb/"))

    def imports(self):
        """(qube, pid) of the usb-imports that live."""
        try:
            with open(f"{self.work}/imports") as f:
                rows = [line.split()[:2] for line in f]
        except OSError:
            rows = []
        return [(q, int(p)) for q, p in rows if alive(int(p))]


def said(done):
    return (done.stdout + done.stderr).strip()


def check_attach(w):
    w.plug("2-1", **STICK)
    if not ok(w.wait("2-1", "free"), "a device that is plugged in is free",
              str(w.device("2-1"))):
        raise RuntimeError("nothing can work then")
    done = w.usb("attach", "work", "sys-usb:2-1")
    ok(done.returncode == 0 and "sys-usb:2-1 attached to work" in
       done.stdout, "usb attach", said(done))
    d = w.device("2-1")
    ok((d["state"], d["client"], d.get("vhci")) == ("attached", "work", 5),
       "usb list says who has it", str(d))
    ok(w.keys() == ["/sysqube-usb/attach/%d-2-1" %
                    w.chain.qube("sys-usb")["domid"],
                    "/sysqube-usb/grant/2-1"], "one key for each side",
       str(w.keys()))
    done = w.usb("attach", "untrusted", "46f4:0001")
    ok(done.returncode == 1 and "sys-usb:2-1 is attached to work" in
       done.stderr, "a second qube is refused", said(done))
    done = w.usb("info", "harddrive")
    ok("46f4:0001:1-0000:u080650" in done.stdout and
       "0: u080650 Storage" in done.stdout, "usb info", said(done))
    done = w.usb("detach", "work", "sys-usb:2-1")
    ok(done.returncode == 0, "usb detach", said(done))
    ok(w.keys() == [] and wait_until(lambda: not w.imports(), 10),
       "and nothing is left on either side",
       f"{w.keys()} {w.imports()}")
    done = w.usb("attach", "untrusted", "harddrive")
    ok(done.returncode == 0, "the next qube has it at once", said(done))
    w.usb("detach", "harddrive")


def check_rounds(w):
    """Attached and detached again and again, with helpers that start as fast
    as a program does; the times are a remark only. With a pause between, as
    dom0 takes no more than 50 status keys a second of a qube."""
    took = {"attach": [], "detach": []}
    w.unplug("2-1")
    for name in ("usb-export", "usb-probe", "usb-import-work"):
        w.take(name)
        shutil.copy(BUILD / "tool/usb-helper", f"{w.work}/{name}")
    w.plug("2-1", **STICK)
    w.wait("2-1", "free")
    for _ in range(11):
        for words in (("attach", "work", "sys-usb:2-1"),
                      ("detach", "work", "sys-usb:2-1")):
            done = w.chain.sysqube("--json", "usb", *words)
            if done.returncode:
                ok(False, "rounds of attach and detach", said(done))
                return
            took[words[0]].append(json.loads(done.stdout)["seconds"])
            time.sleep(0.3)
    ok(w.keys() == [] and w.wait("2-1", "free"),
       "rounds of attach and detach")
    for what, times in took.items():
        print(f"# {what}: median {1000 * sorted(times)[5]:.1f} ms, "
              f"least {1000 * min(times):.1f} ms")
    w.unplug("2-1")
    w.programs()
    w.plug("2-1", **STICK)
    w.wait("2-1", "free")


def check_failures(w):
    w.put("import-work", "1")
    done = w.usb("attach", "work", "sys-usb:2-1")
    ok(done.returncode == 1 and
       "work reports: no vhci_hcd in this kernel" in done.stderr,
       "a kernel without vhci is told", said(done))
    ok(w.keys() == [] and w.wait("2-1", "free"),
       "and nothing is left attached", f"{w.keys()} {w.device('2-1')}")
    w.take("import-work")
    for words, text in (
            (("attach", "work", "sys-usb:7-7"), "there is no USB device"),
            (("attach", "sys-net", "sys-usb:2-1"), "takes no USB devices"),
            (("attach", "work", "sys-usb:2-1", "interfaces=4"),
             "does not have all of the interfaces"),
            (("detach", "work", "sys-usb:2-1"), "is attached to no qube")):
        done = w.usb(*words)
        ok(done.returncode == 1 and text in done.stderr and
           len(done.stderr.splitlines()) <= 2, " ".join(words), said(done))


def check_policy(w):
    done = w.usb("assign", "work", "auto", "sys-usb:2-1",
                 "46f4:0001:1-0000:u080650")
    ok(done.returncode == 0 and w.wait("2-1", "attached", "work"),
       "an assigned device is attached by itself", said(done))
    w.unplug("2-1")
    ok(w.wait("2-1", "absent") and wait_until(lambda: not w.imports(), 10),
       "unplugged, it leaves the qube")
    w.plug("2-1", **STICK)
    ok(w.wait("2-1", "attached", "work"),
       "plugged in again, it is attached again", str(w.device("2-1")))
    w.unplug("2-1")
    w.plug("2-1", **{**STICK, "ifaces": [(8, 6, 0x50), (3, 1, 1)]})
    ok(w.wait("2-1", "free"), "one that has become a keyboard as well is not",
       str(w.device("2-1")))
    w.unplug("2-1")
    w.plug("2-1", **STICK)
    ok(w.wait("2-1", "attached", "work"), "the old one is")
    # another device takes its place while usbvmd still tells of the old one
    w.procs["usbvmd"].send_signal(signal.SIGSTOP)
    before = w.status("usb-num")
    w.unplug("2-1")
    w.plug("2-1", **{**STICK, "serial": b"2-0000"})
    ok(wait_until(lambda: w.status("usb-num") not in (None, before) and
                  w.status("usb-export") == "idle", 20) and
       w.wait("2-1", "identifying") and w.keys() == [],
       "another device under the name of the old one is not attached",
       f"{w.device('2-1')} {w.keys()}")
    w.procs["usbvmd"].send_signal(signal.SIGCONT)
    ok(w.wait("2-1", "free") and w.device("2-1")["serial"] == "2-0000",
       "nor under its own", str(w.device("2-1")))
    w.unplug("2-1")
    w.plug("2-1", **STICK)
    ok(w.wait("2-1", "attached", "work"), "but the old one again")
    done = w.usb("deny", "work", "Storage")
    ok(done.returncode == 0 and "detached: sys-usb:2-1" in done.stdout and
       w.wait("2-1", "free"), "a new Deny= line takes it away",
       said(done) + str(w.device("2-1")))
    done = w.usb("attach", "work", "sys-usb:2-1")
    ok(done.returncode == 1 and "is denied by" in done.stderr,
       "and keeps it away", said(done))
    done = w.usb("allow", "work", "Storage")
    ok(done.returncode == 0 and w.wait("2-1", "attached", "work"),
       "without the line it comes back", said(done))


def check_deaths(w):
    w.end("work")
    w.put("cmd-2-1", "fail")  # the channels end with the usb-import
    ok(wait_until(lambda: w.device("2-1")["state"] != "attached", 10),
       "a killed sysqube-usb ends the attachment", str(w.device("2-1")))
    w.start_client("work")
    ok(w.wait("2-1", "attached", "work"), "and a new one has it again",
       str(w.device("2-1")))
    before = w.imports()
    w.end("usbvmd")
    w.end("broker")
    w.start_usbvm()
    ok(wait_until(lambda: w.imports() not in ([], before), 20) and
       w.wait("2-1", "attached", "work"),
       "after usb-broker was killed it is reset, and lent again",
       f"{before} {w.imports()} {w.device('2-1')}")
    before = w.imports()
    w.end("usbvmd")
    w.start("sys-usb", "usbvmd",
            ["usbvmd", "--sysfs", w.sysfs.root, "--qubesdb"], "usbvmd")
    ok(w.wait("2-1", "attached", "work") and w.imports() == before,
       "a new usbvmd changes nothing", f"{before} {w.imports()}")
    worker = w.chain.qube("sys-usb")["worker_pid"]
    os.kill(worker, signal.SIGKILL)
    # usbvmd and usb-broker end with their connection; init starts them
    for name in ("usbvmd", "broker"):
        try:
            w.procs[name].wait(10)
        except subprocess.TimeoutExpired:
            pass
        w.end(name)
    wait_until(lambda: w.chain.qube("sys-usb")["connected"], 20)
    w.start_usbvm()
    ok(w.wait("2-1", "attached", "work"),
       "a killed worker of dom0 leaves it attached in the end",
       str(w.device("2-1")))
    w.chain.sysqube("down", "work")
    w.end("work")
    ok(w.wait("2-1", "free"), "a qube that ends gives it back",
       str(w.device("2-1")))
    ok(w.usb("attach", "untrusted", "sys-usb:2-1").returncode == 0,
       "and another may have it")
    done = w.chain.sysqube("down", "sys-usb")
    ok(done.returncode == 0 and wait_until(lambda: w.keys() == [], 10),
       "a USBVM that ends takes it from the qube", str(w.keys()))
    done = w.usb("attach", "untrusted", "sys-usb:2-1")
    ok(done.returncode == 1 and "no USBVM is running" in done.stderr,
       "and says why there is none", said(done))


def scene(chain, work):
    ok(chain.sysqube("up").returncode == 0, "the set is up")
    w = World(chain, work)
    try:
        w.start_usbvm()
        for qube in ("work", "untrusted"):
            w.start_client(qube)
        check_attach(w)
        check_rounds(w)
        check_failures(w)
        check_policy(w)
        check_deaths(w)
    finally:
        w.end_all()
        if failures():
            w.log.seek(0)
            for line in w.log.read().splitlines()[-60:]:
                print("#", line)
            log = (chain.run / "sysqubed.log").read_text()
            for line in log.splitlines()[-40:]:
                print("# sysqubed:", line)


def main():
    need_root()
    for name in PROGRAMS:
        if not (BUILD / "bin" / name).exists():
            cannot(f"{name} is not built")
    if not (BUILD / "tool/usb-helper").exists():
        cannot("usb-helper is not built (make test-tools)")
    for name in ("netvm", "firewallvm", "usbvm", "testqube"):
        if not (BUILD / "images" / name / "root/init").exists():
            cannot(f"the tree of image {name} is not built")
    inside()
    if not os.path.isdir("/var/empty"):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/var"], check=True)
        os.mkdir("/var/empty", 0o555)
    work = tempfile.mkdtemp(prefix="sq52.", dir="/run")
    os.chmod(work, 0o755)
    try:
        with Chain() as chain:
            scene(chain, work)
    except Exception as e:  # the test's own fault is a failure, too
        ok(False, f"the test itself: {type(e).__name__}: {e}")
    shutil.rmtree(work, ignore_errors=True)
    finish()


if __name__ == "__main__":
    main()
