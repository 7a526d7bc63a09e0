#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What firewallvmd tells of blocked packets: every reason there is, of real
packets, in its ring of keys; and the process that reads them. The scene is
that of 30-firewall.py, everything in namespaces."""
import importlib.machinery
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
loader = importlib.machinery.SourceFileLoader("fw30", HERE +
                                              "/30-firewall.py")
fw30 = importlib.util.module_from_spec(
    importlib.util.spec_from_loader("fw30", loader))
loader.exec_module(fw30)
from appliance import drop_root, proc_status  # noqa: E402
from lib import cannot, failures, finish, inside, sh  # noqa: E402
from qdb_fake import Qdb  # noqa: E402

report, until = fw30.report, fw30.until
A4, A6, B4, S4, S6 = fw30.A4, fw30.A6, fw30.B4, fw30.S4, fw30.S6
RING = "/sysqube-status/firewall-log/"
COUNT = "/sysqube-status/firewall-count/"


def ring():
    """[SEQ, EPOCH, SRC, DST, PROTO, PORT, REASON] of each key, by SEQ."""
    with fw30.qdb.lock:
        lines = [v.split() for k, v in fw30.qdb.keys.items()
                 if k.startswith(RING)]
    return sorted(lines, key=lambda e: int(e[0]))


def told(src, dst, proto, port, reason, what):
    """Wait until the ring says so. The kernel's limit is filled again by
    then: 20 at once, 10 a second."""
    want = [src, dst, proto, port, reason]
    report(until(lambda: want in [e[2:] for e in ring()], 3),
           f"{what}: {reason}", str([e[2:] for e in ring()][-4:]))


def limits(text):
    fw30.qdb.set(f"/sysqube-firewall/{A4}/limits", text)


def check_reasons(a, net):
    fw30.rules(A4, [f"action=accept dst4={S4} proto=tcp dstports=80",
                    "action=drop proto=udp dstports=80-443"])
    a("udp", S4, 80)
    told(A4, S4, "udp", "80", "rule:0001", "a drop rule")
    fw30.rules(A4, ["action=drop proto=udp"])
    a("udp", S4, 443)
    told(A4, S4, "udp", "443", "rule:0000", "the first rule, whose mark is 0")
    a("ping", S4)
    told(A4, S4, "icmp", "8", "policy", "no rule")
    a("ping", B4)
    told(A4, B4, "icmp", "8", "to-qube", "another qube")
    net("ping", A4)
    told("192.0.2.1", A4, "icmp", "8", "from-uplink",
         "from outside")
    sh("ip addr add 10.137.0.77/32 dev eth0", a.ns)
    a("tcp", S4, 80, "10.137.0.77")
    told("10.137.0.77", S4, "tcp", "80", "no-list", "a source without a list")
    fw30.rules(A6, ["action=accept proto=udp dstports=80"])
    a("udp", S6, 80)  # neighbours are known then
    a("raw6", A6, S6, [(fw30.ROUTING, fw30.RH2)], 17,
      fw30.udp6(2000, 80, "m"))
    told(A6, S6, "udp", "80", "extension-header", "a routing header")
    a("udp", S6, 443)
    told(A6, S6, "udp", "443", "policy", "no rule, in IPv6")


def check_names(a):
    fw30.rules(A4, [f"action=accept dst4={S4} proto=tcp dstports=80",
                    "action=drop dsthost=nobody.example", "action=accept"])
    a("tcp", S4, 8080)
    told(A4, S4, "tcp", "8080", "name:0001", "a drop of an unknown name")


def check_limits(a):
    limits("rate=1 burst=1")
    fw30.rules(A4, ["action=accept"])
    for _ in range(4):
        a("udp", S4, 1024)
    told(A4, S4, "udp", "1024", "limit", "too many new connections")
    limits("quota=1")
    fw30.rules(A4, ["action=accept"])
    a("udp", S4, 8080)
    told(A4, S4, "udp", "8080", "quota", "more than the quota")
    fw30.rm_key(f"/sysqube-firewall/{A4}/limits")


def check_ring(a):
    fw30.rules(A4, ["action=drop"])
    last = int(ring()[-1][0])
    for i in range(12):
        for k in range(5):
            a("udp", S4, 5000 + 5 * i + k, None, 5, 0.01)
        time.sleep(0.4)
    events = ring()
    seqs = [int(e[0]) for e in events]
    report(len(events) == 32 and seqs == list(range(seqs[0], seqs[0] + 32))
           and seqs[-1] >= last + 32, "the ring holds the last 32", str(seqs))


def log_process(d):
    for pid in d.children():
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            if f.read().split(b"\0")[1:2] == [b"log"]:
                return pid
    return None


def check_confined(d):
    pid = log_process(d)
    st = proc_status(pid)
    report(st["Uid"].split() == ["110"] * 4 and int(st["CapPrm"], 16) == 0 and
           st["Seccomp"] == "2" and st["NoNewPrivs"] == "1" and
           os.readlink(f"/proc/{pid}/root").endswith("/var/empty"),
           "who reads packets: uid 110, nothing allowed, an empty root",
           str(st))
    fds = [os.readlink(f"/proc/{pid}/fd/{n}") for n in
           os.listdir(f"/proc/{pid}/fd")]
    report(sum(f.startswith("socket:") for f in fds) == 2,
           "with one socket to read and one to the worker", str(fds))


def check_counts(a):
    """Without a watcher every ten seconds, with one every second."""
    fw30.rules(A4, [f"action=accept dst4={S4} proto=tcp dstports=80",
                    "action=drop"])
    fw30.qdb.set("/sysqube-firewall/watch", "1")

    def chunk():
        text = fw30.qdb.get(COUNT + A4 + "/00") or ""
        return [w.split(":")[:2] for w in text.split()]

    a("tcp", S4, 80)
    a("tcp", S4, 80)
    a("udp", S4, 9)
    want = [["0000", "2"], ["0001", "1"], ["policy", "0"]]
    report(until(lambda: chunk() == want, 4), "rules count what they decide",
           str(chunk()))

    def totals():
        words = (fw30.qdb.get(COUNT + A4) or "").split()
        return words[0:1] == ["passed"] and int(words[1]) >= 5 and \
            int(words[4]) >= 1

    report(until(totals, 4), "and the qube both ways",
           str(fw30.qdb.get(COUNT + A4)))
    fw30.rules(A4, [f"action=drop dst4=203.0.113.{i} proto=udp dstports={i}"
                    for i in range(1, 101)])

    def chunks():
        with fw30.qdb.lock:
            return sorted(k for k in fw30.qdb.keys
                          if k.startswith(COUNT + A4 + "/"))

    report(until(lambda: len(chunks()) > 1, 5), "a long list has more keys",
           str(chunks()))
    fw30.rules(A4, ["action=drop"])
    report(until(lambda: len(chunks()) == 1, 5), "a short one has them no more",
           str(chunks()))
    fw30.gone(A4)
    report(until(lambda: not chunks() and fw30.qdb.get(COUNT + A4) is None),
           "of a source that is gone no counter is told", str(chunks()))
    until(lambda: fw30.handled(A4) == 0)
    fw30.rm_key("/sysqube-firewall/watch")


def check_killed(work, d, a):
    """kill -9 of the log process: all start anew, numbers go on."""
    fw30.rules(A4, ["action=drop"])
    a("udp", S4, 7001)
    told(A4, S4, "udp", "7001", "rule:0000", "before")
    last = int(ring()[-1][0])
    os.kill(log_process(d), signal.SIGKILL)
    d.p.wait(10)
    report(a("udp", S4, 7002) != A4, "killed: packets keep the list")
    d = fw30.start(work)
    a("udp", S4, 7003)
    told(A4, S4, "udp", "7003", "rule:0000", "a new one tells again")
    report(int(ring()[-1][0]) > last, "and counts on", f"{last} {ring()[-1]}")
    return d


def check_slow_end(work, d, a):
    """An old log process that has not ended yet holds nflog's group."""
    old = log_process(d)
    os.kill(old, signal.SIGSTOP)
    os.kill(d.p.pid, signal.SIGKILL)
    d.p.wait(10)
    d = fw30.start(work)
    os.kill(old, signal.SIGCONT)
    until(lambda: not os.path.exists(f"/proc/{old}"))

    def told_anew():
        a("udp", S4, 7004)
        return any("7004" in e for e in ring())

    report(until(told_anew), "a new one waits until an old one has ended",
           str(ring()[-1]))
    return d


def scene(work):
    fw30.fw = fw30.scene_ns()
    a = fw30.Qube("a", 5, A4, A6)
    b = fw30.Qube("b", 6, B4, fw30.B6)
    net = fw30.Qube.__new__(fw30.Qube)
    net.ns, net.lock = os.getpid(), threading.Lock()
    net.p = subprocess.Popen([sys.executable, "-c", fw30.ACTOR], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    fw30.server()
    a.link()
    b.link()
    fw30.root = fw30.build_root()
    fw30.qdb = Qdb(f"{fw30.root}/run/qubes")
    d = fw30.start(work)
    check_confined(d)
    check_reasons(a, net)
    check_names(a)
    check_limits(a)
    check_ring(a)
    check_counts(a)
    report(d.alive(), "one process all the way")
    d = check_killed(work, d, a)
    check_slow_end(work, d, a)


def main():
    if os.geteuid() != 0:
        cannot("needs root")
    if not os.path.exists(f"{fw30.BUILD}/bin/firewallvmd"):
        cannot("firewallvmd is not built")
    for b in ("ip", "nft", "setpriv", "nsenter"):
        if not shutil.which(b, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            cannot(f"{b} is not installed")
    inside()
    work = tempfile.mkdtemp(prefix="sq36log.")
    try:
        scene(work)
    except Exception as e:  # the test's own fault is a failure, too
        report(False, f"the test itself: {type(e).__name__}: {e} at line "
               f"{e.__traceback__.tb_next.tb_lineno}")
    if failures() and os.path.exists(f"{work}/firewallvmd.log"):
        for line in open(f"{work}/firewallvmd.log", errors="replace"):
            print(f"# {line.rstrip()}")
    drop_root(fw30.root)
    shutil.rmtree(work, ignore_errors=True)
    finish()


if __name__ == "__main__":
    main()
