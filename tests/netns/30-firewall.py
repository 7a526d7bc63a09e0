#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""firewallvmd as a FirewallVM runs it (ids, capabilities and arguments from
its service table, a read-only root), between two qubes and a server, both
families. Everything is in namespaces of its own: the test's own one is the
server's. The keys come from a small QubesDB daemon of the test."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(
    __file__))))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from appliance import (Service, drop_root, new_root,  # noqa: E402
                       proc_status, seal_root)
from lib import cannot, failures, finish, inside, new_ns, sh  # noqa: E402
from lib import ok as report  # noqa: E402
from qdb_fake import Qdb  # noqa: E402

A4, A6 = "10.137.0.5", "fd09:24ef:4179::a89:5"
LATER4 = "10.137.0.8"  # behind the uplink until it is a qube's
B4, B6 = "10.137.0.6", "fd09:24ef:4179::a89:6"
S4, S6 = "203.0.113.80", "2001:db8:80::80"
T4 = "203.0.113.81"  # another address of the server
UP4, UP6 = "192.0.2.2", "2001:db8:5::2"
DNS1, DNS2, DNS3 = "10.139.1.1", "10.139.1.2", "10.139.1.3"
root = None
qdb = None
fw = None


def no_waiting(ns):
    """IPv6 addresses serve at once, without the check for twins."""
    for which in ("all", "default"):
        sysctl(ns, f"ipv6/conf/{which}/accept_dad", 0)
        sysctl(ns, f"ipv6/conf/{which}/dad_transmits", 0)


def sysctl(ns, path, value):
    sh(["sh", "-c", f"echo {value} > /proc/sys/net/{path}"], ns)


# ---- a process in a qube that does what it is told, line by line ----

ACTOR = r'''
import json, os, socket, struct, sys, time
conns = {}

def fam(a):
    return socket.AF_INET6 if ":" in a else socket.AF_INET

def tcp(dst, port, src=None, wait=0.7):
    s = socket.socket(fam(dst))
    s.settimeout(wait)
    if src:
        s.bind((src, 0))
    s.connect((dst, port))
    s.sendall(b"x\n")
    return s, s.recv(100).decode()

def udp(dst, port, src=None, size=5, wait=0.7):
    s = socket.socket(fam(dst), socket.SOCK_DGRAM)
    s.settimeout(wait)
    if src:
        s.bind((src, 0))
    s.connect((dst, port))
    s.send(b"u" * size)
    return s, s.recv(100).decode()

def csum(b):
    if len(b) % 2:
        b += b"\0"
    t = sum(struct.unpack(">%dH" % (len(b) // 2), b))
    while t >> 16:
        t = (t & 0xffff) + (t >> 16)
    return ~t & 0xffff

def ping(dst, kind=None, wait=0.7):
    six = ":" in dst
    s = socket.socket(fam(dst), socket.SOCK_RAW,
                      socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    kind = kind if kind is not None else 128 if six else 8
    ident = os.getpid() & 0xffff
    body = struct.pack(">HH", ident, int(time.monotonic() * 1000) & 0xffff)
    extra = b"\0" * 12  # a timestamp request has three times
    p = struct.pack(">BBH", kind, 0, 0) + body + extra
    if not six:
        p = struct.pack(">BBH", kind, 0, csum(p)) + body + extra
    s.settimeout(wait)
    s.connect((dst, 0))
    s.send(p)
    end = time.monotonic() + wait
    while time.monotonic() < end:
        d = s.recv(500)
        if not six:
            d = d[(d[0] & 15) * 4:]
        if d[4:8] == body and d[0] != kind:
            return "pong %d" % d[0]
    raise socket.timeout()

def raw6(src, dst, headers, proto, payload):
    """headers: [(number, bytes without next-header byte)]"""
    chain = [h[0] for h in headers] + [proto]
    body = b""
    for i, (num, rest) in enumerate(headers):
        body += bytes([chain[i + 1]]) + bytes.fromhex(rest)
    body += bytes.fromhex(payload)
    pk = struct.pack(">IHBB", 6 << 28, len(body), chain[0], 64)
    pk += socket.inet_pton(socket.AF_INET6, src)
    pk += socket.inet_pton(socket.AF_INET6, dst) + body
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.sendto(pk, (dst, 0))
    return "sent"

def flood(dst, port, seconds):
    """One request each millisecond, each from a new port: lost ones."""
    begin = time.monotonic()
    sent = lost = 0
    while time.monotonic() < begin + seconds:
        time.sleep(max(0, begin + sent / 1000 - time.monotonic()))
        sent += 1
        try:
            udp(dst, port, wait=0.5)[0].close()
        except OSError:
            lost += 1
    return "%d lost of %d" % (lost, sent)

def do(c):
    w = c[0]
    if w == "tcp":
        s, t = tcp(*c[1:]); s.close(); return t
    if w == "udp":
        s, t = udp(*c[1:]); s.close(); return t
    if w == "ping":
        return ping(*c[1:])
    if w == "open":
        conns[c[1]], t = (udp if c[2] == "udp" else tcp)(*c[3:]); return t
    if w == "use":
        s = conns[c[1]]; s.settimeout(0.5); s.send(b"y\n")
        return s.recv(100).decode()
    if w == "many":
        for i in range(c[1]):
            conns["m%d" % i] = udp(c[2], c[3])[0]
        return "ok"
    if w == "raw6":
        return raw6(*c[1:])
    if w == "flood":
        return flood(*c[1:])

for line in sys.stdin:
    try:
        out = do(json.loads(line))
    except OSError as e:
        out = "failed " + (os.strerror(e.errno) if e.errno else "timeout")
    except Exception as e:
        out = "bug " + repr(e)
    print(json.dumps(out), flush=True)
'''


class Qube:
    def __init__(self, name, domid, a4, a6):
        self.name, self.a4, self.a6 = name, a4, a6
        self.vif = f"vif{domid}.0"
        self.ns = scene_ns()
        self.p = subprocess.Popen(
            ["nsenter", "-t", str(self.ns), "-n", sys.executable, "-c",
             ACTOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()

    def __call__(self, *cmd):
        with self.lock:
            self.p.stdin.write(json.dumps(cmd) + "\n")
            self.p.stdin.flush()
            return json.loads(self.p.stdout.readline())

    def link(self):
        v = self.vif
        sh(f"ip link add {v} netns {fw} type veth peer name eth0 netns "
           f"{self.ns}")
        sh(f"ip addr add 10.137.0.1/32 dev {v}", fw)
        sh(f"ip addr add fd09:24ef:4179::a89:1/128 dev {v} nodad", fw)
        sh(f"ip link set {v} up", fw)
        sh(f"ip route add {self.a4}/32 dev {v}", fw)
        sh(f"ip route add {self.a6}/128 dev {v}", fw)
        sh(f"ip addr add {self.a4}/32 dev eth0", self.ns)
        sh(f"ip addr add {self.a6}/128 dev eth0 nodad", self.ns)
        sh("ip link set eth0 up", self.ns)
        sh("ip route add default via 10.137.0.1 dev eth0 onlink", self.ns)
        sh("ip route add default via fd09:24ef:4179::a89:1 dev eth0 onlink",
           self.ns)


# ---- the server: tells each asker the address it came from ----

def tcp_server(addr, port):
    s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((addr, port))
    s.listen(64)

    def talk(c, peer):
        try:
            while c.recv(100):
                c.sendall(peer[0].encode())
        except OSError:
            pass
        c.close()

    def loop():
        while True:
            c, peer = s.accept()
            threading.Thread(target=talk, args=(c, peer),
                             daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()


heard = []  # (port, first bytes) of datagrams


def udp_server(addr, port):
    s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET,
                      socket.SOCK_DGRAM)
    s.bind((addr, port))

    def loop():
        while True:
            data, peer = s.recvfrom(65536)
            heard.append((port, data[:8]))
            s.sendto(peer[0].encode(), peer)
    threading.Thread(target=loop, daemon=True).start()


def uplink():
    """The test's own namespace is what lies behind the firewall VM."""
    sh("ip link set lo up")
    no_waiting(os.getpid())
    sh(f"ip link add up0 type veth peer name eth0 netns {fw}")
    sh("ip addr add 192.0.2.1/24 dev up0")
    sh("ip addr add 2001:db8:5::1/64 dev up0 nodad")
    sh("ip link set up0 up")
    sh(f"ip addr add {UP4}/24 dev eth0", fw)
    sh(f"ip addr add {UP6}/64 dev eth0 nodad", fw)
    sh("ip link set eth0 up", fw)
    sh("ip route add default via 192.0.2.1", fw)
    sh("ip route add default via 2001:db8:5::1", fw)
    sh(f"ip route add 10.137.0.0/24 via {UP4}")
    sh(f"ip route add fd09:24ef:4179::/64 via {UP6}")
    for a in (S4, T4, DNS1, DNS2, DNS3):
        sh(f"ip addr add {a}/32 dev lo")
    sh(f"ip addr add {S6}/128 dev lo nodad")
    sysctl(fw, "ipv4/ip_forward", 1)
    sysctl(fw, "ipv6/conf/all/forwarding", 1)
    sysctl(fw, "ipv4/icmp_ratelimit", 0)
    sysctl(fw, "ipv4/icmp_msgs_per_sec", 100000)
    sysctl(fw, "ipv6/icmp/ratelimit", 0)


def server():
    uplink()
    for a in (S4, S6):
        for port in (22, 80, 443, 1024, 8080):
            tcp_server(a, port)
            udp_server(a, port)
    tcp_server(T4, 80)
    for a in (DNS1, DNS2, DNS3):
        tcp_server(a, 53)
        udp_server(a, 53)
        udp_server(a, 54)


# ---- the FirewallVM's root and its service ----

def build_root():
    return seal_root(new_root(["firewallvmd"]))


def scene_ns():
    """A namespace as this scene wants it. @return process id"""
    ns = new_ns()
    sh("ip link set lo up", ns)
    no_waiting(ns)
    return ns


class Daemon(Service):
    def __init__(self, log):
        super().__init__("firewallvm", "firewallvmd", root, fw, log)

    def children(self):
        """Process ids of all that this process and its children started."""
        parents = {}
        for d in os.listdir("/proc"):
            if d.isdigit():
                try:
                    parents[int(d)] = int(proc_status(int(d))["PPid"])
                except (OSError, KeyError):
                    pass
        found = [self.p.pid]
        for pid in found:
            found += [p for p, parent in parents.items() if parent == pid]
        return found[1:]

    def worker(self):
        return next(iter(self.children()), None)


# ---- keys ----

def status(src):
    return qdb.get("/sysqube-status/firewall/" + src)


def handled(src):
    return int(qdb.get("/qubes-firewall-handled/" + src) or 0)


def rm_tree(path):
    with qdb.lock:
        for k in [k for k in qdb.keys if k.startswith(path)]:
            del qdb.keys[k]
        qdb._fire(path)


def rm_key(path):
    with qdb.lock:
        qdb.keys.pop(path, None)
        qdb._fire(path)


def put(src, rules, policy="drop", signal_key=True):
    """As dom0 does it; rules: list, or {number: text}."""
    if not isinstance(rules, dict):
        rules = {f"{i:04d}": r for i, r in enumerate(rules)}
    base = f"/qubes-firewall/{src}"
    rm_tree(base + "/")
    if policy is not None:
        qdb.set(base + "/policy", policy)
    for n, r in rules.items():
        qdb.set(f"{base}/{n}", r)
    if signal_key:
        qdb.set(base, "")


def until(test, seconds=5.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if test():
            return True
        time.sleep(0.002)
    return False


def rules(src, lines, policy="drop"):
    """Put a list and wait until it is handled; seconds that took."""
    n = handled(src)
    put(src, lines, policy)
    t0 = time.monotonic()
    if not until(lambda: handled(src) > n):
        report(False, f"{src}: list handled", str(lines)[:200])
    return time.monotonic() - t0


def gone(src):
    base = f"/qubes-firewall/{src}"
    rm_tree(base + "/")
    rm_key(base)
    if not until(lambda: status(src) is None):
        report(False, f"{src}: status key goes with the source")


def table():
    return sh("nft list table inet sysqube-firewall", fw, check=False)


def plain(text):
    """The words of a table without its counts, in no order: sets and chains
    are listed in the order the kernel keeps them; what packets put into
    sets is left out."""
    text = re.sub(r"packets \d+ bytes \d+", "", text)
    text = re.sub(r"\n\tset (flows|rate|blocked)[46] {\n.*?\n\t}", "", text,
                  flags=re.S)
    return sorted(re.findall(r"[^\s,{}]+", text))


def counter(name):
    t = sh(f"nft list counter inet sysqube-firewall {name}", fw, check=False)
    m = re.search(r"packets (\d+)", t)
    return int(m.group(1)) if m else -1


# ---- checks ----

def start(work):
    d = Daemon(f"{work}/firewallvmd.log")
    n = d.text().count("started:")
    if not until(lambda: d.text().count("started:") > n or not d.alive(),
                 10):
        report(False, "firewallvmd starts", d.text())
    return d


def check_guard(work, a):
    report(a("tcp", S4, 80) == A4, "without the daemon the scene forwards",
           a("tcp", S4, 80))
    global qdb
    d = Daemon(f"{work}/firewallvmd.log")
    ok = until(lambda: "policy drop" in table())
    report(ok, "closed before the first key is read")
    got = a("tcp", S4, 80)
    report(got.startswith("failed"), "nothing passes then", got)
    qdb = Qdb(f"{root}/run/qubes")
    qdb.keys["/qubes-primary-dns"] = DNS1
    qdb.keys["/qubes-secondary-dns"] = DNS2
    qdb.keys["/sysqube-status/firewall/10.137.9.9"] = "applied 1"
    qdb.keys["/qubes-firewall-handled/10.137.9.9"] = "7"
    return d


def check_confined(d):
    for pid, who, uid, caps in ((d.p.pid, "monitor", 106, 1 << 12),
                                (d.worker(), "worker", 105, 0)):
        st = proc_status(pid)
        report(st["Uid"].split() == [str(uid)] * 4 and
               st["Gid"].split() == [str(uid)] * 4, f"{who}: uid {uid}",
               st["Uid"])
        report(int(st["CapEff"], 16) == caps and
               int(st["CapPrm"], 16) == caps and
               int(st["CapBnd"], 16) == 0, f"{who}: its capabilities only",
               st["CapEff"])
        report(st["Seccomp"] == "2" and st["NoNewPrivs"] == "1",
               f"{who}: under a seccomp filter")
        report(os.readlink(f"/proc/{pid}/root").endswith("/var/empty"),
               f"{who}: an empty root")
        with open(f"/proc/{pid}/smaps_rollup") as f:
            pss = re.search(r"Pss:\s+(\d+)", f.read()).group(1)
        print(f"# {who}: {pss} KiB proportional")


PROHIBITED = ("failed No route to host", "failed Permission denied")

# rules (v4 list), then probes: command, passes?
KINDS = [
    ("accept", ["action=accept"],
     [(("tcp", S4, 80), 1), (("udp", S4, 80), 1), (("ping", S4), 1),
      (("ping", S4, 13), 1)]),
    ("drop", ["action=drop"],
     [(("tcp", S4, 80), 0), (("udp", S4, 80), 0), (("ping", S4), 0)]),
    ("policy accept", [], [(("tcp", S4, 80), 1)]),
    ("dst4 host", [f"action=accept dst4={S4}/32"],
     [(("tcp", S4, 80), 1), (("tcp", T4, 80), 0)]),
    ("dst4 network with host bits", [f"action=accept dst4={T4}/31"],
     [(("tcp", S4, 80), 1), (("tcp", T4, 80), 1),
      (("tcp", DNS1, 53), 0)]),
    ("dst4 all", ["action=accept dst4=0.0.0.0/0"], [(("tcp", S4, 80), 1)]),
    ("dsthost with an address", [f"action=accept dsthost={S4}"],
     [(("tcp", S4, 80), 1), (("tcp", T4, 80), 0)]),
    ("proto tcp", ["action=accept proto=tcp"],
     [(("tcp", S4, 80), 1), (("udp", S4, 80), 0), (("ping", S4), 0)]),
    ("proto udp", ["action=accept proto=udp"],
     [(("tcp", S4, 80), 0), (("udp", S4, 80), 1), (("ping", S4), 0)]),
    ("proto icmp", ["action=accept proto=icmp"],
     [(("tcp", S4, 80), 0), (("ping", S4), 1), (("ping", S4, 13), 1)]),
    ("icmptype", ["action=accept proto=icmp icmptype=8"],
     [(("ping", S4), 1), (("ping", S4, 13), 0)]),
    ("one port", ["action=accept proto=tcp dstports=80-80"],
     [(("tcp", S4, 80), 1), (("tcp", S4, 443), 0), (("udp", S4, 80), 0)]),
    ("range of ports", ["action=accept proto=tcp dstports=80-1000"],
     [(("tcp", S4, 80), 1), (("tcp", S4, 443), 1), (("tcp", S4, 22), 0),
      (("tcp", S4, 1024), 0)]),
    ("ports without a protocol", ["action=accept dstports=443"],
     [(("tcp", S4, 443), 1), (("udp", S4, 443), 1), (("tcp", S4, 80), 0),
      (("ping", S4), 0)]),
    ("first match decides", [f"action=drop dst4={S4} proto=tcp dstports=80",
                             f"action=accept dst4={S4}",
                             f"action=drop dst4={S4} proto=udp"],
     [(("tcp", S4, 80), 0), (("tcp", S4, 443), 1), (("udp", S4, 80), 1),
      (("tcp", T4, 80), 0)]),
    ("specialtarget=dns", ["action=accept specialtarget=dns"],
     [(("udp", DNS1, 53), 1), (("tcp", DNS2, 53), 1), (("udp", DNS3, 53), 0),
      (("udp", DNS1, 54), 0), (("tcp", S4, 80), 0)]),
    ("specialtarget=dns and proto",
     ["action=accept proto=udp specialtarget=dns"],
     [(("udp", DNS1, 53), 1), (("tcp", DNS1, 53), 0)]),
    ("specialtarget=dns, dst4 and port",
     [f"action=accept dst4={DNS2} specialtarget=dns dstports=53"],
     [(("udp", DNS2, 53), 1), (("udp", DNS1, 53), 0)]),
    ("name in an accept rule never matches",
     ["action=accept dsthost=server.example proto=tcp",
      "action=accept proto=udp"],
     [(("tcp", S4, 80), 0), (("udp", S4, 80), 1)]),
    ("name in a drop rule shuts what follows",
     ["action=accept proto=udp", "action=drop dsthost=server.example",
      "action=accept"],
     [(("udp", S4, 80), 1), (("tcp", S4, 80), 0), (("ping", S4), 0)]),
    ("numbers with holes, out of order",
     {"9999": "action=drop", "0100": "action=accept proto=tcp",
      "0007": f"action=drop dst4={S4} dstports=22"},
     [(("tcp", S4, 22), 0), (("tcp", S4, 80), 1), (("udp", S4, 80), 0)]),
]

KINDS6 = [
    ("accept", ["action=accept"],
     [(("tcp", S6, 80), 1), (("udp", S6, 80), 1), (("ping", S6), 1)]),
    ("drop", ["action=drop"],
     [(("tcp", S6, 80), 0), (("udp", S6, 80), 0), (("ping", S6), 0)]),
    ("dst6", ["action=accept dst6=2001:db8:80::/64 proto=tcp dstports=80"],
     [(("tcp", S6, 80), 1), (("tcp", S6, 443), 0)]),
    ("dst6 elsewhere", ["action=accept dst6=2001:db8:81::/64"],
     [(("tcp", S6, 80), 0)]),
    ("proto icmp is ICMPv6", ["action=accept proto=icmp"],
     [(("ping", S6), 1), (("tcp", S6, 80), 0)]),
    ("icmptype 8 is no echo here", ["action=accept proto=icmp icmptype=8"],
     [(("ping", S6), 0)]),
    ("icmptype 128 is", ["action=accept proto=icmp icmptype=128"],
     [(("ping", S6), 1)]),
    ("ports, datagram in fragments", ["action=accept proto=udp dstports=80"],
     [(("udp", S6, 80, None, 5000), 1), (("udp", S6, 443, None, 5000), 0)]),
]


def check_kinds(qube, src, kinds):
    for name, lines, probes in kinds:
        policy = "accept" if name.startswith("policy") else "drop"
        rules(src, lines, policy)
        bad = []
        for cmd, passes in probes:
            if cmd[0] == "tcp" and ":" in cmd[1] and not passes:
                cmd += (None, 2.5)  # told at the second try at the latest
            got = qube(*cmd)
            want = got in (src, "pong 0", "pong 14", "pong 129")
            if want != bool(passes) or got.startswith("bug"):
                bad.append(f"{cmd}: {got}; {status(src)}")
            if not passes and cmd[0] != "ping" and got not in PROHIBITED and \
                    not got.startswith("failed Connection"):
                bad.append(f"{cmd}: not told to be prohibited: {got}")
        report(not bad, f"{src}: {name}", "; ".join(bad))


# One malformed thing each: (number, line, part of the reason)
MALFORMED = [
    ("0001", "action=accept dst4=1=2", "two '='"),
    ("0001", "action=accept  proto=tcp", "double space"),
    ("0001", "action=accept tcp", "without '='"),
    ("0001", "action=accept proto=t\u00e9p", "not printable"),
    ("0001", "action=accept color=red", "unknown key"),
    ("0001", "action=accept proto=tcp proto=tcp", "repeated key"),
    ("0001", "proto=tcp", "no action"),
    ("0001", "action=accept dst6=2001:db8::/32", "other family"),
    ("0001", "action=accept dstports=65536", "dstports is"),
    ("0001", "action=accept dstports=90-80", "reversed"),
    ("0001", "action=accept dst4=10.0.0.0/33", "dst4"),
    ("0001", "action=accept specialtarget=dns dstports=54", "port 53"),
    ("0001", "action=accept expire=+99", "expire is"),
    ("0001", "action=accept proto=icmp dstports=1", "dstports needs"),
    ("0001", "", "empty line"),
    ("1", "action=accept", "not a rule number"),
    ("00001", "action=accept", "not a rule number"),
    ("rule", "action=accept", "not a rule number"),
]


def check_malformed(a, b):
    rules(B4, ["action=accept"])
    b("open", "live", "tcp", S4, 80)
    for number, line, why in MALFORMED:
        rules(A4, {"0000": "action=accept", number: line})
        v = status(A4) or ""
        got = a("tcp", S4, 80)
        report(v.startswith(f"blocked {number}: ") and why in v and
               got.startswith("failed"),
               f"blocked with a reason: {number} {line!r}", f"{v}; {got}")
    for policy, want in ((None, "blocked policy: no policy"),
                         ("", "blocked policy: policy is accept or drop"),
                         ("ACCEPT", "blocked policy: policy is")):
        rules(A4, ["action=accept"], policy)
        report((status(A4) or "").startswith(want) and
               a("tcp", S4, 80).startswith("failed"),
               f"blocked: policy {policy!r}", status(A4))
    report(b("use", "live") == B4 and b("tcp", S4, 80) == B4,
           "the other qube notices nothing, its live connection neither")
    rules(A4, {})
    report(status(A4) == "applied 0", "an empty list is a list", status(A4))
    rules(A4, {f"{i:04d}": "action=drop" for i in range(4097)})
    report(status(A4) == "blocked 4096: too many rules",
           "4097 rules are too many", status(A4))
    rules(A4, ["action=accept"])
    report(a("tcp", S4, 80) == A4, "a good list ends the block")


def check_status(a):
    rules(A4, ["action=accept", "action=accept dsthost=x.y"])
    report(status(A4) == "applied 2, degraded 0001: name unresolved",
           "a name is told as degraded", status(A4))
    n = handled(A4)
    rules(A4, ["action=accept"])
    report(handled(A4) == n + 1 and status(A4) == "applied 1",
           "handled rises by one", f"{n} {handled(A4)} {status(A4)}")
    put(A4, ["action=drop"], signal_key=False)
    time.sleep(0.3)
    report(a("tcp", S4, 80) == A4 and handled(A4) == n + 1,
           "keys without their signal change nothing")
    n = handled(A4)
    qdb.set(f"/qubes-firewall/{A4}", "")
    until(lambda: handled(A4) > n)
    report(a("tcp", S4, 80).startswith("failed"), "the signal makes them so")
    for src in ("10.137.0.300", "10.137.5", "::ffff:zz", "x", "FD09::1"):
        qdb.set(f"/qubes-firewall/{src}/policy", "accept")
        qdb.set(f"/qubes-firewall/{src}", "")
    rules(A4, ["action=accept"])
    report("q4-" in table() and len(re.findall("chain q[46]", table())) == 1,
           "keys of something that is no address are passed over",
           table())


def check_live(a):
    rules(A4, ["action=accept"])
    rules(A6, ["action=accept"])
    for key, proto, dst in (("t", "tcp", S4), ("u", "udp", S4),
                            ("t6", "tcp", S6), ("u6", "udp", S6)):
        a("open", key, proto, dst, 443)
    a("open", "t22", "tcp", S4, 22)
    rules(A4, ["action=accept dstports=80-1000"])
    rules(A6, ["action=accept dstports=80-1000"])
    report(a("use", "t") == A4 and a("use", "u") == A4 and
           a("use", "t6") == A6 and a("use", "u6") == A6,
           "accept 80-1000: live flows to 443 go on, TCP and UDP, v4 and v6")
    report(a("use", "t22").startswith("failed"),
           "the one to 22 has ended")
    for src, keys in ((A4, ("t", "u")), (A6, ("t6", "u6"))):
        rules(src, ["action=drop dstports=1-1024", "action=accept"])
        got = [a("use", k) for k in keys]
        report(all(g.startswith("failed") for g in got),
               f"{src}: drop 1-1024 ends them", str(got))
    rules(A4, ["action=accept"])
    report(a("ping", S4) == "pong 0", "an echo passes")
    rules(A4, ["action=drop proto=icmp", "action=accept"])
    got = a("ping", S4)  # the same identifier: the same flow
    report(got.startswith("failed"), "and is ended with its flow", got)
    rules(A4, ["action=accept"])
    a("many", 500, S4, 80)
    took = rules(A4, ["action=drop"])
    report(a("use", "m0").startswith("failed") and
           a("use", "m499").startswith("failed"),
           "500 live flows end in one go", f"{took:.3f} s")
    print(f"# 500 flows: {took * 1000:.1f} ms from the signal to the "
          "handled counter")


def check_between(a, b, net):
    rules(A4, ["action=accept"])
    rules(B4, ["action=accept"])
    rules(A6, ["action=accept"])
    rules(B6, ["action=accept"])
    n = counter("to-qube")
    got = [a("tcp", B4, 80), a("ping", B4), a("ping", B6)]
    report(all(g.startswith("failed") for g in got) and
           counter("to-qube") >= n + 3,
           "qube to qube is dropped though both lists accept", str(got))
    n = counter("from-uplink")
    got = [net("ping", A4), net("tcp", A4, 80), net("ping", A6)]
    report(all(g.startswith("failed") for g in got) and
           counter("from-uplink") >= n + 3,
           "what the uplink begins is dropped, not answered", str(got))
    sh(f"ip addr add 10.137.0.77/32 dev eth0", a.ns)
    n = counter("no-list")
    got = a("tcp", S4, 80, "10.137.0.77")
    report(got == "failed timeout" and counter("no-list") > n,
           "a source without a list is dropped and counted", got)
    sh(f"ip addr add {B4}/32 dev lo", a.ns)
    rules(B4, ["action=drop"])
    got = a("udp", S4, 80, B4)
    report(got != A4 and got.startswith("failed"),
           "another qube's address has that qube's list", got)
    sh(f"ip addr del {B4}/32 dev lo", a.ns)
    got = [net("ping", UP4), a("ping", "10.137.0.1"), a("ping", UP6)]
    report(got == ["pong 0", "pong 0", "pong 129"],
           "the firewall VM itself answers an echo", str(got))
    got = net("tcp", UP4, 22)
    report(got == "failed timeout", "and nothing else", got)


def udp6(sport, dport, mark):
    """A UDP datagram without extension headers needs its checksum; so give
    a right one for the addresses of this scene."""
    body = mark.encode()
    n = 8 + len(body)
    pseudo = socket.inet_pton(socket.AF_INET6, A6) + \
        socket.inet_pton(socket.AF_INET6, S6) + \
        n.to_bytes(4, "big") + b"\0\0\0\x11"
    head = sport.to_bytes(2, "big") + dport.to_bytes(2, "big") + \
        n.to_bytes(2, "big")
    data = pseudo + head + b"\0\0" + body + b"\0" * (len(body) % 2)
    t = sum(int.from_bytes(data[i:i + 2], "big")
            for i in range(0, len(data), 2))
    while t >> 16:
        t = (t & 0xffff) + (t >> 16)
    return (head + (~t & 0xffff).to_bytes(2, "big") + body).hex()


# number, then the header's bytes behind "next header"
HOPOPTS, ROUTING, FRAGMENT, DSTOPTS, MOBILITY = 0, 43, 44, 60, 135
OPTS = "00" + "010400000000"        # length 0, PadN of 4
RH2 = "02" + "0201" + "00000000" + "20010db8" + "0" * 24
EXTHDR = [  # name, headers, heard at the port the list allows?
    ("none", [], True),
    ("hop-by-hop", [(HOPOPTS, OPTS)], True),
    ("destination options", [(DSTOPTS, OPTS)], True),
    ("both", [(HOPOPTS, OPTS), (DSTOPTS, OPTS)], True),
    ("one fragment", [(FRAGMENT, "00" + "0000" + "00000001")], True),
    ("routing", [(ROUTING, RH2)], False),
    ("options, routing", [(DSTOPTS, OPTS), (ROUTING, RH2)], False),
    ("mobility", [(MOBILITY, OPTS)], False),
    ("experimental", [(253, OPTS)], False),
]


def check_exthdr(a):
    rules(A6, ["action=accept proto=udp dstports=80"])
    a("udp", S6, 80)  # neighbours are known then
    for i, (name, headers, passes) in enumerate(EXTHDR):
        marks = [f"m{i}-80", f"m{i}-443"]
        dropped = counter("extension-header")
        for mark, port in zip(marks, (80, 443)):
            a("raw6", A6, S6, headers, 17, udp6(2000 + i, port, mark))
        time.sleep(0.1)
        got = [any(m.encode() == d for _, d in heard) for m in marks]
        report(got == [passes, False],
               f"UDP behind extension headers: {name}", str(got))
        if not passes:
            report(counter("extension-header") == dropped + 2,
                   f"{name}: dropped and counted")


def resolver(text):
    """Change the first resolver and wait until A4's list is handled anew: a
    test that went on earlier would take that for its own next list."""
    n = handled(A4)
    qdb.set("/qubes-primary-dns", text)
    if not until(lambda: handled(A4) > n):
        report(False, f"{A4}: handled anew for the resolver {text}")


def check_dns(a):
    rules(A4, ["action=accept specialtarget=dns"])
    report(a("open", "r", "udp", DNS1, 53) == A4, "the first resolver")
    resolver(DNS3)
    got = [a("udp", DNS3, 53), a("udp", DNS1, 53), a("use", "r")]
    report(got[0] == A4 and got[1].startswith("failed") and
           got[2].startswith("failed"),
           "a changed resolver is followed, the flow to the old one ends",
           str(got))
    resolver("garbage")
    report(a("udp", DNS2, 53) == A4 and
           a("udp", DNS3, 53).startswith("failed"),
           "a resolver that is no address is left out")
    resolver(DNS1)
    report(a("udp", DNS1, 53) == A4, "a good one counts again")


def check_expire(work, d, a, b):
    """Rules end at their second, without a word of dom0: once in a daemon
    that runs, once in one that was not there meanwhile."""
    soon = int(time.time()) + 3
    rules(B4, ["action=accept"])
    rules(A4, [f"action=accept expire={soon} proto=tcp",
               f"action=drop expire={soon - 1} proto=udp",
               f"action=accept expire={soon - 100} proto=icmp",
               f"action=accept dst4={S4} proto=udp",
               f"action=accept dst4={S4} proto=tcp expire={soon + 4} "
               "dstports=443"])
    rules(A6, [f"action=accept expire={soon}"])
    n = handled(A4)
    for q, key, dst, port in ((a, "e", S4, 80), (a, "long", S4, 443),
                              (a, "e6", S6, 80), (b, "e", S4, 80)):
        q("open", key, "tcp", dst, port)
    got = [a("use", "e"), a("use", "long"), a("use", "e6"), a("ping", S4),
           a("udp", S4, 80)]
    report(got[:3] == [A4, A4, A6] and got[3].startswith("failed") and
           got[4].startswith("failed"),
           "rules hold until their second, ended ones do not", str(got))
    report(until(lambda: status(A4) == "applied 2" and
                 status(A6) == "applied 0", 10),
           "their second is told", f"{status(A4)}; {status(A6)}")
    early = time.time() < soon
    got = [a("use", "e"), a("tcp", S4, 80), a("use", "e6")]
    report(not early and all(g.startswith("failed") for g in got),
           "at it their flows end and new ones are blocked", f"{early} {got}")
    report(a("udp", S4, 80) == A4 and a("use", "long") == A4 and
           b("use", "e") == B4, "what was not meant goes on")
    report(handled(A4) == n, "dom0's counter stays: it asked for nothing",
           f"{n} {handled(A4)}")
    d.end()
    while time.time() < soon + 4:
        time.sleep(0.1)
    d = start(work)
    got = [a("use", "long"), a("tcp", S4, 443), a("udp", S4, 80)]
    report(got[0].startswith("failed") and got[1].startswith("failed") and
           got[2] == A4, "what ended while the daemon was away has ended",
           str(got))
    later = int(time.time()) + 2
    rules(A4, [f"action=accept expire={later}"])
    a("open", "again", "tcp", S4, 80)
    os.kill(d.p.pid, signal.SIGKILL)
    d.p.wait(5)
    d = start(work)
    report(until(lambda: status(A4) == "applied 0", 10) and
           a("use", "again").startswith("failed"),
           "a restarted daemon knows the second again", str(status(A4)))
    gone(A6)
    rules(A4, ["action=accept"])
    return d


def check_gone(a):
    rules(A4, ["action=accept"])
    a("open", "g", "tcp", S4, 80)
    report(a("use", "g") == A4, "a live flow before its source goes")
    gone(A4)
    t = table()
    report(A4 not in t and "q4-" + A4 not in t and
           qdb.get(f"/qubes-firewall-handled/{A4}") is None,
           "a source that is gone leaves no chain, no element, no key", t)
    report(a("use", "g").startswith("failed"), "and no flow")
    rules(A4, ["action=accept"])
    report(a("tcp", S4, 80) == A4 and handled(A4) == 1,
           "and can come again")


def check_not_yet(a):
    """An address that lies behind the uplink until it is a qube's."""
    sh(f"ip addr add {LATER4}/32 dev lo")
    tcp_server(LATER4, 80)
    udp_server(LATER4, 80)
    rules(A4, ["action=accept"])
    a("open", "l", "udp", LATER4, 80)
    report(a("use", "l") == A4 and a("tcp", LATER4, 80) == A4,
           "the list decides of an address that is no qube's")
    rules(LATER4, ["action=drop"])
    n = counter("to-qube")
    got = [a("use", "l"), a("tcp", LATER4, 80)]
    report(all(g.startswith("failed") for g in got) and
           counter("to-qube") > n,
           "a source whose device is not there is a qube: flows to it end, "
           "none begins", str(got))
    gone(LATER4)
    report(a("tcp", LATER4, 80) == A4, "until it is gone")
    sh(f"ip addr del {LATER4}/32 dev lo")


def check_big(a):
    for n in (1000, 4000):
        lines = [f"action=drop dst4=198.51.{i >> 8}.{i & 255}/32 proto=tcp "
                 f"dstports={i + 1}" for i in range(n - 1)]
        n0 = handled(A4)
        put(A4, lines + ["action=accept"], signal_key=False)
        time.sleep(0.3)
        qdb.set(f"/qubes-firewall/{A4}", "")
        t0 = time.monotonic()
        until(lambda: handled(A4) > n0, 20)
        took = time.monotonic() - t0
        report(status(A4) == f"applied {n}" and a("tcp", S4, 80) == A4,
               f"{n} rules", str(status(A4)))
        print(f"# {n} rules: {took * 1000:.0f} ms from the signal (most of "
              "it reading from the test's QubesDB)")
    rules(A4, ["action=accept"])


def check_swap(a):
    """While one list replaces another, what both allow is never lost."""
    lists = [["action=accept proto=udp", "action=drop"],
             [f"action=drop dst4={T4}", "action=accept dstports=80"]]
    qdb.set(f"/sysqube-firewall/{A4}/limits", "rate=100000 burst=100000")
    rules(A4, lists[0])
    out, changes, before = [], 0, len(heard)
    t = threading.Thread(target=lambda: out.append(a("flood", S4, 80, 4)))
    t.start()
    while t.is_alive():
        rules(A4, lists[changes % 2])
        changes += 1
    n = int(out[0].split()[-1])
    report(out[0].startswith("0 lost") and changes >= 10 and n > 100 and
           len(heard) - before == n,
           f"no packet that both lists allow is lost",
           f"{out[0]}, {len(heard) - before} heard, {changes} changes")
    print(f"# {out[0]} in {changes} changes")
    rm_key(f"/sysqube-firewall/{A4}/limits")


def check_most(work, d, a):
    """More rules of all sources together than the monitor takes."""
    lines = [f"action={'drop' if i % 2 else 'accept'} dstports={i + 1}"
             for i in range(4000)]
    many = [f"10.137.1.{i}" for i in range(1, 10)]
    rules(A4, ["action=accept"])
    for ip in many:
        rules(ip, lines)

    def applied():
        return [ip for ip in many if status(ip) == "applied 4000"]

    report(applied() == many[:8] and status(many[8]).startswith("blocked"),
           "36,000 rules: the list that has no room is blocked",
           str([status(ip) for ip in many]))
    d.end()
    d = start(work)
    report(d.alive() and len(applied()) == 8 and a("tcp", S4, 80) == A4 and
           sum(status(ip).startswith("blocked kernel") for ip in many) == 1,
           "also at a start, which is one batch",
           str([status(ip) for ip in many]) + d.text()[-600:])
    for ip in many:
        gone(ip)
    return d


def check_restart(work, d, a):
    rules(A4, [f"action=accept dst4={S4}"])
    gone(B4)
    a("open", "k", "tcp", S4, 80)
    before = table()
    for what in ("monitor", "worker"):
        pid = d.p.pid if what == "monitor" else d.worker()
        os.kill(pid, signal.SIGKILL)
        d.p.wait(5)
        until(lambda: not os.path.exists(f"/proc/{pid}"))
        report("q4-" + A4 in table() and a("use", "k") == A4 and
               a("tcp", T4, 80).startswith("failed"),
               f"{what} killed: packets keep the last list")
        if what == "worker":
            report(d.p.returncode == 1, "the monitor ends with its worker")
            put(A4, [f"action=accept dst4={T4}"])  # nobody hears it
        d = start(work)
        if what == "monitor":
            report(a("use", "k") == A4 and
                   plain(table()) == plain(before),
                   "restart: the same table, the live connection goes on",
                   table())
    report(a("use", "k").startswith("failed") and a("tcp", T4, 80) == A4,
           "a list that changed meanwhile is in force, flows included")
    d.end()
    report(d.p.returncode == 0 and a("tcp", T4, 80) == A4 and
           a("tcp", S4, 80).startswith("failed"),
           "an orderly end leaves the table, too")
    gone_while_down = f"/qubes-firewall/{A4}"
    a("open", "z", "tcp", T4, 80)
    rm_tree(gone_while_down + "/")
    rm_key(gone_while_down)
    d = start(work)
    report("q4-" + A4 not in table() and status(A4) is None and
           a("use", "z").startswith("failed"),
           "a source that went meanwhile is gone, its flows and keys as well")
    rules(A4, ["action=accept"])
    return d


def check_snat(d, a):
    report(a("tcp", S4, 80) == A4, "no address translation by default")
    qdb.set("/qubes-service/sysqube-snat", "1")
    until(lambda: "masquerade" in table())
    got = [a("tcp", S4, 80), a("udp", S4, 80)]
    report(got == [UP4, UP4], "sysqube-snat: the uplink's address", str(got))
    rm_key("/qubes-service/sysqube-snat")
    until(lambda: "masquerade" not in table())
    report(a("tcp", S4, 80) == A4 and d.alive(),
           "and without the key again none")


def check_qubesdb_gone(d, a):
    with qdb.lock:
        for c in list(qdb.watches):
            c.shutdown(socket.SHUT_RDWR)
    d.p.wait(10)
    report(d.p.returncode == 1 and a("tcp", S4, 80) == A4,
           "QubesDB's end ends the daemon, not the rules")


def scene(work):
    global root, fw
    fw = scene_ns()
    a, b = Qube("a", 5, A4, A6), Qube("b", 6, B4, B6)
    net = Qube.__new__(Qube)
    net.ns, net.lock = os.getpid(), threading.Lock()
    net.p = subprocess.Popen([sys.executable, "-c", ACTOR], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    server()
    a.link()
    b.link()
    root = build_root()
    d = check_guard(work, a)
    until(lambda: "started:" in d.text(), 10)
    check_confined(d)
    report(status("10.137.9.9") is None and
           qdb.get("/qubes-firewall-handled/10.137.9.9") is None,
           "status keys of a source long gone are removed")
    check_kinds(a, A4, KINDS)
    check_kinds(a, A6, KINDS6)
    gone(A6)
    check_status(a)
    check_malformed(a, b)
    check_live(a)
    check_between(a, b, net)
    check_exthdr(a)
    check_dns(a)
    check_gone(a)
    check_not_yet(a)
    check_big(a)
    check_swap(a)
    report(d.alive(), "one process all the way")
    d = check_most(work, d, a)
    d = check_restart(work, d, a)
    d = check_expire(work, d, a, b)
    check_snat(d, a)
    check_qubesdb_gone(d, a)


def main():
    if os.geteuid() != 0:
        cannot("needs root")
    if not os.path.exists(f"{BUILD}/bin/firewallvmd"):
        cannot("firewallvmd is not built")
    for b in ("ip", "nft", "setpriv", "nsenter"):
        if not shutil.which(b, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            cannot(f"{b} is not installed")
    inside()
    work = tempfile.mkdtemp(prefix="sq30log.")
    try:
        scene(work)
    except Exception as e:  # the test's own fault is a failure, too
        report(False, f"the test itself: {type(e).__name__}: {e} at line "
               f"{e.__traceback__.tb_next.tb_lineno}")
    if failures() and os.path.exists(f"{work}/firewallvmd.log"):
        for line in open(f"{work}/firewallvmd.log", errors="replace"):
            print(f"# {line.rstrip()}")
    drop_root(root)
    shutil.rmtree(work, ignore_errors=True)
    finish()


if __name__ == "__main__":
    main()
