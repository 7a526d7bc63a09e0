#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What firewallvmd's table holds besides the lists: the share of each qube,
paths from the uplink and between qubes, and that the table is its own.
Scene and helpers are those of 30-firewall.py."""
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location(
    "firewall", os.path.join(HERE, "30-firewall.py"))
fw = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fw)
A4, A6, B4, B6, S4, S6 = fw.A4, fw.A6, fw.B4, fw.B6, fw.S4, fw.S6
report, rules, until, counter = fw.report, fw.rules, fw.until, fw.counter

# Many datagrams from one process: COUNT of SIZE bytes, each from a port of
# its own or all from one; prints how many were answered.
BURST = r'''
import resource, select, socket, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
dst, port, count, size, one = sys.argv[1], *map(int, sys.argv[2:6])
fam = socket.AF_INET6 if ":" in dst else socket.AF_INET
socks, got = [], 0
for i in range(1 if one else count):
    s = socket.socket(fam, socket.SOCK_DGRAM)
    s.setblocking(False)
    s.connect((dst, port))
    socks.append(s)
for i in range(count):
    try:
        socks[0 if one else i].send(b"u" * size)
    except OSError:
        pass
    if i % 20 == 19:
        time.sleep(0.001)
poll, by_fd, quiet = select.poll(), {s.fileno(): s for s in socks}, 0
for fd in by_fd:
    poll.register(fd, select.POLLIN)
while quiet < 4 and got < count:
    ready = poll.poll(200)
    quiet = 0 if ready else quiet + 1
    for fd, _ in ready:
        try:
            while by_fd[fd].recv(65536):
                got += 1
        except OSError:
            pass
print(got)
'''


def burst(q, dst, port, count, size=5, one=False):
    p = subprocess.run(
        ["nsenter", "-t", str(q.ns), "-n", sys.executable, "-c", BURST, dst,
         str(port), str(count), str(size), str(int(one))], text=True,
        stdout=subprocess.PIPE, check=True)
    return int(p.stdout)


def limits(src, value, lines=("action=accept",)):
    key = f"/sysqube-firewall/{src}/limits"
    if value is None:
        fw.rm_key(key)
    else:
        fw.qdb.set(key, value)
    rules(src, list(lines))


def check_flows(a, src, dst):
    limits(src, "flows=20")
    n = counter("over-limit")
    got = burst(a, dst, 80, 60)
    report(got == 20 and counter("over-limit") == n + 40,
           f"{src}: flows=20 lets 20 of 60 connections be",
           f"{got}, {counter('limit') - n} over")
    time.sleep(1.5)  # the kernel sweeps such states each second
    got = burst(a, dst, 443, 5)
    report(got == 0, "and no other while they are tracked, also later", got)
    limits(src, "flows=100")
    got = burst(a, dst, 443, 30)
    report(got == 30, "a higher ceiling is in force with its list", got)


def check_rate(a, b):
    limits(A4, "rate=1 burst=30")
    n = counter("over-limit")
    got = burst(a, S4, 80, 200)
    report(30 <= got <= 34 and counter("over-limit") - n == 200 - got,
           "rate=1 burst=30: thirty or a few more of 200", got)
    time.sleep(2)
    got = burst(a, S4, 22, 100, one=True)
    report(got == 100, "a flow is counted once, not its packets", got)
    rules(B4, ["action=accept"])
    got = burst(b, S4, 80, 200)
    report(got == 200, "another qube has its own share", got)
    limits(A4, None)
    n = counter("over-limit")
    got = burst(a, S4, 8080, 900)
    report(got > 0 and counter("over-limit") == n,
           "without the key 900 at once are within the share",
           f"{got}, {counter('over-limit') - n}")
    got = burst(a, S4, 1024, 2500)
    report(got < 2500 and counter("over-limit") > n,
           "and 2,500 are not: there is a limit by default",
           f"{got}, {counter('limit') - n}")


def check_bytes(a, src, dst):
    limits(src, "quota=20000")
    got = burst(a, dst, 80, 60, 1000, one=True)
    report(got < 20 and counter("over-quota") > 0,
           f"{src}: quota=20000 ends before twenty packets are answered", got)
    rules(src, ["action=accept proto=udp"])
    got = burst(a, dst, 443, 5)
    report(got == 0, "a new list does not give a new quota", got)
    limits(src, "quota=1000000")
    got = burst(a, dst, 443, 5)
    report(got == 5, "another quota does", got)
    limits(src, "bandwidth=10000")
    n = counter("over-limit")
    got = burst(a, dst, 80, 400, 1000, one=True)
    report(0 < got <= 200 and counter("over-limit") > n,
           f"{src}: bandwidth=10000: the burst of 128 KiB and no more", got)
    limits(src, None)
    n = counter("over-limit")
    got = burst(a, dst, 80, 400, 1000, one=True)
    report(got > 0 and counter("over-limit") == n,
           "without the key none is over it", got)


def check_bad_limits(a):
    fw.qdb.set(f"/sysqube-firewall/{A4}/limits", "flows=many")
    rules(A4, ["action=accept"])
    report(fw.status(A4) == "blocked limits: malformed limits" and
           a("tcp", S4, 80).startswith("failed"),
           "malformed limits block the source", fw.status(A4))
    limits(A4, None)
    report(fw.status(A4) == "applied 1" and a("tcp", S4, 80) == A4,
           "without them it is whole again", fw.status(A4))


# ---- paths ----

def paths(which, lines):
    base = f"/sysqube-firewall/{which}"
    fw.rm_tree(base + "/")
    for i, line in enumerate(lines):
        fw.qdb.set(f"{base}/{i:04d}", line)
    word = "edges applied" if which == "edge" else "inbound paths applied"
    n = daemon.text().count(word)
    fw.qdb.set(base, "")
    if not until(lambda: daemon.text().count(word) > n):
        report(False, f"{which} applied", daemon.text()[-300:])


def serve(q, addr, port):
    """A server in a qube that answers with the asker's address."""
    code = (
        "import socket, sys\n"
        "a, p = sys.argv[1], int(sys.argv[2])\n"
        "f = socket.AF_INET6 if ':' in a else socket.AF_INET\n"
        "u = socket.socket(f, socket.SOCK_DGRAM)\n"
        "u.bind((a, p))\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    d, peer = u.recvfrom(100)\n"
        "    u.sendto(peer[0].encode(), peer)\n")
    p = subprocess.Popen(["nsenter", "-t", str(q.ns), "-n", sys.executable,
                          "-c", code, addr, str(port)],
                         stdout=subprocess.PIPE, text=True)
    p.stdout.readline()
    servers.append(p)


servers = []
daemon = None


def check_inbound(a, net):
    rules(A4, ["action=drop"])
    rules(A6, ["action=drop"])
    for addr in (A4, A6):
        for port in (53, 54):
            serve(a, addr, port)
    report(net("udp", A4, 53).startswith("failed"),
           "from the uplink nothing gets in")
    paths("inbound", [f"udp {A4} 53", f"udp {A6} 53 2001:db8:5::/64",
                      "udp nonsense 53", f"tcp {B4} 80"])
    n = counter("from-uplink")
    got = [net("udp", A4, 53), net("udp", A6, 53)]
    report(got == ["192.0.2.1", "2001:db8:5::1"],
           "a declared port is let in, both families", str(got))
    report(net("udp", A4, 54).startswith("failed") and
           net("udp", B4, 53).startswith("failed") and
           counter("from-uplink") >= n + 2,
           "another port and another qube are not")
    report("inbound/0002: not an address" in daemon.text(),
           "a malformed one is left out and logged")
    fw.sh("ip addr add 2001:db8:9::1/128 dev lo")
    got = net("udp", A6, 53, "2001:db8:9::1")
    report(got.startswith("failed"), "nor is a source outside of FROM", got)
    net("open", "in", "udp", A4, 53)
    report(net("use", "in") == "192.0.2.1", "a live flow from outside")
    rules(A4, ["action=drop proto=udp"])
    report(net("use", "in") == "192.0.2.1",
           "is no matter of the qube's own list")
    paths("inbound", [f"udp {A4} 54"])
    report(net("use", "in").startswith("failed"),
           "and ends with its path")


def check_edges(a, b):
    rules(A4, ["action=drop"])
    rules(B4, ["action=accept"])
    rules(A6, ["action=accept"])
    rules(B6, ["action=accept"])
    report(b("udp", A4, 53).startswith("failed"), "no edge, no way")
    paths("edge", [f"{B4} {A4} udp 53", f"{B6} {A6} any any"])
    got = [b("udp", A4, 53), b("udp", A6, 54), b("ping", A6)]
    report(got == [B4, B6, "pong 129"], "edges let one qube to another",
           str(got))
    got = [b("udp", A4, 54), b("ping", A4), a("ping", B4), a("ping", B6)]
    report(all(g.startswith("failed") for g in got),
           "only what they say, and not back", str(got))
    b("open", "e", "udp", A4, 53)
    rules(B4, ["action=drop"])
    report(b("use", "e") == B4, "a list does not end an edge's flow")
    limits(B4, "flows=1", ["action=drop"])
    paths("edge", [])
    report(b("use", "e").startswith("failed"), "it ends with its edge")
    limits(B4, None)


# ---- the table is its own ----

def nft(*words):
    fw.sh(["nft", *words], fw.fw)


def check_foreign(a):
    limits(A4, "quota=100000")
    burst(a, S4, 80, 10, 1000, one=True)
    want = fw.plain(fw.table())
    edits = {
        "a rule deleted": ("flush", "chain", "inet", "sysqube-firewall",
                           "headers6"),
        "a rule added": ("insert", "rule", "inet", "sysqube-firewall",
                         "forward", "accept"),
        "an element added": ("add", "element", "inet", "sysqube-firewall",
                             "by_source4", "{ 10.137.0.99 : accept }"),
        "a list flushed": ("flush", "chain", "inet", "sysqube-firewall",
                           f"q4-{A4}"),
        "the table deleted": ("delete", "table", "inet",
                              "sysqube-firewall"),
    }
    for what, words in edits.items():
        n = daemon.text().count("put in place again")
        nft(*words)
        until(lambda: daemon.text().count("put in place again") > n and
              fw.plain(fw.table()) == want)
        report(fw.plain(fw.table()) == want and daemon.alive(),
               f"{what} by somebody else: the table is whole again",
               fw.table())
        if what == "a list flushed":
            m = re.search(r"set quota4 {.*?used (\d+)", fw.table(), re.S)
            report(m is not None, "what was used of a quota stays so",
                   fw.table())
    n = daemon.text().count("put in place again")
    nft("add", "table", "inet", "other")
    rules(A4, ["action=accept"])
    time.sleep(0.3)
    report(daemon.text().count("put in place again") == n,
           "another's table and our own lists are no foreign change")
    limits(A4, None)


def scene(work):
    global daemon
    fw.fw = fw.scene_ns()
    a, b = fw.Qube("a", 5, A4, A6), fw.Qube("b", 6, B4, B6)
    net = fw.Qube.__new__(fw.Qube)
    net.ns, net.lock = os.getpid(), threading.Lock()
    net.p = subprocess.Popen([sys.executable, "-c", fw.ACTOR], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    fw.server()
    a.link()
    b.link()
    fw.root = fw.build_root()
    fw.qdb = fw.Qdb(f"{fw.root}/run/qubes")
    daemon = fw.start(work)
    rules(A6, ["action=accept"])
    check_flows(a, A4, S4)
    check_flows(a, A6, S6)
    limits(A6, None)
    check_rate(a, b)
    check_bytes(a, A4, S4)
    check_bytes(a, A6, S6)
    check_bad_limits(a)
    check_inbound(a, net)
    check_edges(a, b)
    check_foreign(a)
    report(daemon.alive(), "one process all the way")


def main():
    if os.geteuid() != 0:
        fw.cannot("needs root")
    if not os.path.exists(f"{fw.BUILD}/bin/firewallvmd"):
        fw.cannot("firewallvmd is not built")
    for tool in ("ip", "nft", "setpriv", "nsenter"):
        if not shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            fw.cannot(f"{tool} is not installed")
    fw.inside()
    work = tempfile.mkdtemp(prefix="sq36log.")
    try:
        scene(work)
    except Exception as e:  # the test's own fault is a failure, too
        report(False, f"the test itself: {type(e).__name__}: {e} at line "
               f"{e.__traceback__.tb_next.tb_lineno}")
    for p in servers:
        p.kill()
    if fw.failures() and os.path.exists(f"{work}/firewallvmd.log"):
        for line in open(f"{work}/firewallvmd.log", errors="replace"):
            print(f"# {line.rstrip()}")
    fw.drop_root(fw.root)
    shutil.rmtree(work, ignore_errors=True)
    fw.finish()


if __name__ == "__main__":
    main()
