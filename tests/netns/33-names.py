#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules by name in a whole firewallvmd, between two qubes, servers and a DNS
server that does as the test says: it answers, changes its mind, lies, is
silent. The scene is that of 30-firewall.py, everything in namespaces."""
import importlib.machinery
import importlib.util
import os
import re
import shutil
import signal
import socket
import struct
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

report, until, status, handled = (fw30.report, fw30.until, fw30.status,
                                  fw30.handled)
A4, A6, B4, S4, S6, T4, DNS1 = (fw30.A4, fw30.A6, fw30.B4, fw30.S4, fw30.S6,
                                fw30.T4, fw30.DNS1)
U4 = "203.0.113.82"
A, AAAA, CNAME = 1, 28, 5


# ---- the DNS server ----

class Dns:
    """names: "n.example" -> {A: [...], AAAA: [...]} or one of the words
    silent, nx, loop, lying, garbage, huge, refused."""

    def __init__(self, addr):
        self.names, self.ttl, self.asked = {}, 1, []
        fam = socket.AF_INET6 if ":" in addr else socket.AF_INET
        self.s = socket.socket(fam, socket.SOCK_DGRAM)
        self.s.bind((addr, 53))
        self.t = socket.socket(fam)
        self.t.bind((addr, 53))
        self.t.listen(8)
        threading.Thread(target=self._udp, daemon=True).start()
        threading.Thread(target=self._tcp, daemon=True).start()

    def _udp(self):
        while True:
            data, peer = self.s.recvfrom(4096)
            a = self._reply(data, False)
            if a:
                self.s.sendto(a, peer)

    def _tcp(self):
        while True:
            c = self.t.accept()[0]
            n = struct.unpack(">H", c.recv(2))[0]
            a = self._reply(c.recv(n), True)
            if a:
                c.sendall(struct.pack(">H", len(a)) + a)
            c.close()

    def _rr(self, owner, kind, data):
        return owner + struct.pack(">HHIH", kind, 1, self.ttl,
                                   len(data)) + data

    def _reply(self, d, tcp):
        at, labels = 12, []
        while d[at]:
            labels.append(d[at + 1:at + 1 + d[at]].decode().lower())
            at += 1 + d[at]
        name, kind = ".".join(labels), struct.unpack(">H", d[at + 1:at + 3])[0]
        self.asked.append((name, kind))
        says = self.names.get(name, "nx")
        q, own, flags, ident = d[12:at + 5], b"\xc0\x0c", 0x8180, d[:2]
        rrs = []
        if says == "silent":
            return None
        if says == "garbage":
            return d[:2] + b"\x81\x80" + b"\xff" * 40
        if says == "lying":  # an answer to another question
            ident = bytes([d[0] ^ 1, d[1]])
        if says == "nx":
            flags = 0x8183
        if says == "refused":
            flags = 0x8185
        if says == "loop":
            rrs = [self._rr(own, CNAME, own)]
        if says == "huge":
            if tcp and kind == A:
                rrs = [self._rr(own, A, bytes([198, 51, 100, i]))
                       for i in range(1, 201)]
            elif kind == A:
                flags = 0x8380  # truncated
        if isinstance(says, dict):
            for a in says.get(kind, []):
                fam = socket.AF_INET if kind == A else socket.AF_INET6
                rrs.append(self._rr(own, kind, socket.inet_pton(fam, a)))
        return ident + struct.pack(">HHHHH", flags, 1, len(rrs), 0, 0) + q + \
            b"".join(rrs)


dns = None

# A qube that asks a name and, at once, connects to what it was told.
LOOKUP = r'''
def lookup(server, name, kind, wait=2):
    q = os.urandom(2) + b"\1\0\0\1" + b"\0" * 6
    for label in name.split("."):
        q += bytes([len(label)]) + label.encode()
    q += b"\0" + struct.pack(">HH", kind, 1)
    s = socket.socket(fam(server), socket.SOCK_DGRAM)
    s.settimeout(wait)
    s.connect((server, 53))
    s.send(q)
    d = s.recv(4096)
    s.close()
    at, out = len(q), []
    for _ in range(struct.unpack(">H", d[6:8])[0]):
        n = struct.unpack(">H", d[at + 10:at + 12])[0]
        f = {4: socket.AF_INET, 16: socket.AF_INET6}.get(n)
        if f:
            out.append(socket.inet_ntop(f, d[at + 12:at + 12 + n]))
        at += 12 + n
    return out

def by_name(server, name, kind, port):
    s, t = tcp(lookup(server, name, kind)[0], port, None, 2)
    s.close()
    return t

'''
fw30.ACTOR = fw30.ACTOR.replace("def do(c):\n    w = c[0]\n", LOOKUP + """
def do(c):
    w = c[0]
    if w == "lookup":
        return lookup(*c[1:])
    if w == "byname":
        return by_name(*c[1:])
""")


# ---- helpers ----

def name_key(src, number):
    return fw30.qdb.get(f"/sysqube-status/firewall-names/{src}/{number:04d}")


def tcp(qube, dst, port=80):
    got = qube("tcp", dst, port)
    return got in (A4, A6, B4)


def sets():
    """name sets of the table -> addresses in them"""
    out = {}
    for m in re.finditer(r"set (name\.\d+) \{(.*?)\n\t\}", fw30.table(),
                         re.S):
        out[m.group(1)] = set(re.findall(
            r"([0-9a-f.:]+)(?: timeout| expires|,| \}|$)",
            (re.search(r"elements = \{(.*)\}", m.group(2), re.S) or
             [0, ""])[1], re.M))
    return out


def times(text):
    fw30.qdb.set("/sysqube-firewall/names", text)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(p) for p in f.read().split()]


def child(d, role):
    """Processes of the worker that were started with this argument."""
    found = []
    for pid in children(d.worker()):
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            if f.read().split(b"\0")[1:2] == [role.encode()]:
                found.append(pid)
    return found


# ---- checks ----

def check_accept(a):
    dns.names["s.example"] = {A: [S4], AAAA: [S6]}
    n = handled(A4)
    fw30.rules(A4, ["action=accept dsthost=s.example proto=tcp dstports=80"])
    fw30.rules(A6, ["action=accept dsthost=S.example".lower()])
    ok = until(lambda: status(A4) == "applied 1" and
               name_key(A4, 0) == f"ok {S4}" and
               name_key(A6, 0) == f"ok {S6}")
    report(ok, "a name is resolved and told",
           f"{status(A4)}; {name_key(A4, 0)}; {name_key(A6, 0)}")
    got = [a("tcp", S4, 80), a("tcp", T4, 80), a("tcp", S4, 443),
           a("tcp", S6, 443, None, 3)]  # a neighbour to be found first
    report(got[0] == A4 and got[1].startswith("failed") and
           got[2].startswith("failed") and got[3] == A6,
           "it opens its addresses, its ports, no more", str(got))
    report(handled(A4) == n + 1, "the answer is no update of dom0's")


def check_families(a):
    dns.names["four.example"] = {A: [T4]}
    fw30.rules(A6, ["action=drop dsthost=four.example", "action=accept"])
    ok = until(lambda: status(A6) == "applied 2" and name_key(A6, 0) == "ok")
    report(ok and until(lambda: tcp(a, S6)), "a v4-only name harms no v6 "
           "rule", f"{status(A6)}; {name_key(A6, 0)}")


def check_unresolved(a, b):
    dns.names["late.example"] = "nx"
    fw30.rules(B4, ["action=accept"])
    b("open", "b", "tcp", S4, 80)
    fw30.rules(A4, ["action=accept dsthost=late.example",
                    f"action=accept dst4={S4} proto=tcp dstports=443",
                    "action=drop dsthost=late.example",
                    "action=accept"])
    report(status(A4) == "applied 4, degraded 0000: name unresolved",
           "an unresolved name is told", str(status(A4)))
    report(until(lambda: name_key(A4, 2) == "unresolved"), "with its rule",
           str(name_key(A4, 2)))
    report(not tcp(a, T4), "its accept rule never matches")
    report(tcp(a, S4, 443), "the rules before its drop rule hold")
    report(not tcp(a, S4), "behind its drop rule nothing passes")
    report(b("use", "b") == B4 and tcp(b, T4), "other qubes notice nothing")
    # Not by a word of dom0: the name is there at a later question.
    dns.names["late.example"] = {A: [T4]}
    ok = until(lambda: status(A4) == "applied 4", 20)
    report(ok and tcp(a, T4) and tcp(a, S4),
           "resolved later, it opens and the list goes on behind it",
           str(status(A4)))
    fw30.rules(A4, ["action=drop dsthost=late.example", "action=accept"])
    report(until(lambda: status(A4) == "applied 2") and not tcp(a, T4) and
           tcp(a, S4), "its drop rule closes its address only")


def check_last_known(a):
    """A drop rule keeps what it knows, an accept rule does not."""
    dns.names["late.example"] = "silent"
    dns.names["s.example"] = {A: [S4]}
    fw30.rules(A4, ["action=accept dsthost=s.example proto=udp",
                    "action=drop dsthost=late.example",
                    "action=accept proto=tcp"])
    until(lambda: name_key(A4, 0) == f"ok {S4}")
    a("open", "u", "udp", S4, 80)
    report(a("use", "u") == A4, "a flow by name lives")
    dns.names["s.example"] = "silent"
    ok = until(lambda: (name_key(A4, 0) or "") == "unresolved", 30)
    report(ok, "an accept rule's addresses end when nobody answers",
           str(name_key(A4, 0)))
    got = [a("use", "u"), a("udp", S4, 80)]
    report(all(g.startswith("failed") for g in got) and
           status(A4) == "applied 3, degraded 0000: name unresolved",
           "with the flows, and that is told", f"{got} {status(A4)}")
    ok = until(lambda: name_key(A4, 1) == f"stale {T4}", 20)
    report(ok and not tcp(a, T4) and tcp(a, S4),
           "a drop rule's last known addresses stay", str(name_key(A4, 1)))


def check_change(a):
    """Another answer: new addresses open, old ones close with their flows."""
    dns.names["s.example"] = {A: [S4]}
    fw30.rules(A4, ["action=accept dsthost=s.example"])
    until(lambda: name_key(A4, 0) == f"ok {S4}", 20)
    a("open", "old", "tcp", S4, 80)
    dns.names["s.example"] = {A: [T4]}
    report(until(lambda: tcp(a, T4), 20), "a changed answer is followed")
    ok = until(lambda: name_key(A4, 0) == f"ok {T4}", 20)
    got = a("use", "old")
    report(ok and got.startswith("failed") and not tcp(a, S4),
           "what it left out closes, its flow ends",
           f"{name_key(A4, 0)} {got}")
    # A set of a drop rule: what comes to it ends at once.
    fw30.rules(A4, ["action=drop dsthost=s.example", "action=accept"])
    until(lambda: status(A4) == "applied 2")
    a("open", "new", "tcp", S4, 80)
    dns.names["s.example"] = {A: [T4, S4]}
    ok = until(lambda: not a("use", "new") == A4, 20)
    report(ok and not tcp(a, S4), "an address that comes to a drop rule "
           "ends its flows")


def check_rebinding(a):
    """A name may say whatever it likes; it opens no qube and no host that
    is none."""
    dns.names["evil.example"] = {A: [B4, "127.0.0.1", "224.0.0.1", S4]}
    fw30.rules(A4, ["action=accept dsthost=evil.example"])
    until(lambda: (name_key(A4, 0) or "").startswith("ok "), 20)
    held = set().union(*sets().values())
    report(S4 in held and "127.0.0.1" not in held and
           "224.0.0.1" not in held, "addresses of no host are left out",
           str(held))
    n = fw30.counter("to-qube")
    report(not tcp(a, B4) and fw30.counter("to-qube") > n,
           "a name opens no other qube")


def check_hostile(a):
    for word in ("loop", "lying", "garbage", "refused"):
        dns.names[f"{word}.example"] = word
        fw30.rules(A4, [f"action=accept dsthost={word}.example",
                        f"action=accept dst4={T4} proto=tcp",
                        f"action=drop dsthost={word}.example",
                        "action=accept"])
        report(tcp(a, T4) and not tcp(a, S4) and
               (name_key(A4, 0) or "unresolved") == "unresolved",
               f"a server that is {word} opens nothing",
               str(name_key(A4, 0)))
    dns.names["huge.example"] = "huge"
    fw30.rules(A4, ["action=accept dsthost=huge.example"])
    ok = until(lambda: (name_key(A4, 0) or "").startswith("ok 198.51"), 20)
    n = max(len(v) for v in sets().values())
    report(ok and n == 64, "of 200 addresses 64 are taken", str(n))


def check_many(a):
    """More names than are kept: the first work, the rest open nothing."""
    dns.names["s.example"] = {A: [S4]}
    lines = ["action=accept dsthost=s.example"]
    lines += [f"action=accept dsthost=n{i}.example" for i in range(1100)]
    fw30.rules(A4, lines + [f"action=accept dst4={T4}"])
    ok = until(lambda: name_key(A4, 0) == f"ok {S4}", 20)
    report(ok and tcp(a, S4) and tcp(a, T4) and not tcp(a, U4),
           "1101 names: those kept work, nothing else opens",
           str(status(A4)))
    fw30.rules(A4, ["action=accept dsthost=s.example"])
    report(until(lambda: status(A4) == "applied 1", 20) and tcp(a, S4),
           "a short list again")


def check_frozen(d, a):
    """All of the daemon stands still: what names opened closes by itself."""
    dns.names["s.example"] = {A: [S4]}
    fw30.rules(A4, ["action=accept dsthost=s.example"])
    until(lambda: name_key(A4, 0) == f"ok {S4}", 20)
    report(tcp(a, S4), "open before")
    pids = [d.p.pid, d.worker()]
    pids += [p for w in pids[1:] for p in children(w)]
    pids += [p for w in pids[2:] for p in children(w)]
    for p in pids:
        os.kill(p, signal.SIGSTOP)
    ok = until(lambda: not tcp(a, S4), 20)
    report(ok and len(pids) == 5, "a daemon that stands still freezes no "
           "answer", str(pids))
    for p in pids:
        os.kill(p, signal.SIGCONT)
    report(until(lambda: tcp(a, S4), 20), "and goes on with it")


def check_confined(d):
    outer = child(d, "resolver")
    inner = children(outer[0]) if outer else []
    report(len(outer) == 1 and len(inner) == 1, "the resolver is two "
           "processes", f"{outer} {inner}")
    for pid, who in ((outer[0], "outer"), (inner[0], "inner")):
        st = proc_status(pid)
        report(st["Uid"].split() == ["109"] * 4 and
               int(st["CapPrm"], 16) == 0 and st["Seccomp"] == "2" and
               st["NoNewPrivs"] == "1" and
               os.readlink(f"/proc/{pid}/root").endswith("/var/empty"),
               f"{who}: uid 109, nothing allowed, an empty root", str(st))


def check_killed(work, d, a):
    """kill -9 of each process: live flows by name go on, all converges."""
    dns.names["s.example"] = {A: [S4]}
    fw30.rules(A4, ["action=accept dsthost=s.example",
                    "action=drop dsthost=four.example",
                    f"action=accept dst4={U4}"])
    until(lambda: status(A4) == "applied 3", 20)
    a("open", "k", "tcp", S4, 80)
    inner = children(child(d, "resolver")[0])[0]
    os.kill(inner, signal.SIGKILL)
    dns.names["s.example"] = {A: [S4, T4]}
    report(until(lambda: tcp(a, T4), 20) and a("use", "k") == A4 and
           d.alive(), "inner resolver killed: names go on")
    for who in ("outer", "log", "worker", "monitor"):
        pid = {"outer": child(d, "resolver")[0], "worker": d.worker(),
               "log": child(d, "log")[0], "monitor": d.p.pid}[who]
        os.kill(pid, signal.SIGKILL)
        d.p.wait(10)
        live = a("use", "k") == A4 and tcp(a, T4)
        d = fw30.start(work)
        report(live and a("use", "k") == A4 and tcp(a, T4) and
               tcp(a, U4) and status(A4) == "applied 3",
               f"{who} killed: packets keep the list; a restart ends no "
               "flow that a name allows", f"{live} {status(A4)}")
    return d


def check_slow_start(work, d, a):
    """No server answers at the start: lists hold all the same."""
    dns.names["s.example"] = "silent"
    d.end()
    d = fw30.start(work)
    report(status(A4) == "applied 3, degraded 0000: name unresolved" and
           not tcp(a, S4) and tcp(a, U4),
           "a start without an answer: closed what that name decides",
           str(status(A4)))
    dns.names["s.example"] = {A: [S4]}
    fw30.rules(A4, ["action=accept dsthost=s.example"])
    report(until(lambda: tcp(a, S4), 30), "and open with the first one")
    return d


def check_servers(a):
    """Other resolvers: they are asked from then on."""
    other = Dns(fw30.DNS3)
    other.names["s.example"] = {A: [T4]}
    fw30.qdb.set("/qubes-primary-dns", fw30.DNS3)
    report(until(lambda: tcp(a, T4), 20) and other.asked,
           "another resolver is asked at once")
    fw30.qdb.set("/qubes-primary-dns", DNS1)


WILD = ["action=accept specialtarget=dns",
        "action=accept dsthost=*.wild.example proto=tcp"]


def has_chain():
    return "chain answers" in fw30.table()


def check_wild(a, b):
    """Answers on their way to a qube open what its rule with * means: before
    they arrive, for that qube only, for their time."""
    many = [f"198.18.0.{i}" for i in range(1, 41)]
    for i, addr in enumerate(many):
        sh(f"ip addr add {addr}/32 dev lo")
        fw30.tcp_server(addr, 80)
        dns.names[f"n{i}.wild.example"] = {A: [addr]}
    dns.names["a.wild.example"] = {A: [S4], AAAA: [S6]}
    dns.names["wild.example"] = {A: [T4]}
    dns.names["xwild.example"] = {A: [U4]}
    report(not has_chain(), "no answer waits without such a rule")
    for src in (A4, B4):
        fw30.rules(src, WILD)
    fw30.rules(A6, ["action=accept dsthost=*.wild.example"])
    report(has_chain() and status(A4) == "applied 2" and
           until(lambda: name_key(A4, 1) == "ok"),
           "a rule with * is in force",
           f"{status(A4)} {name_key(A4, 1)}")
    report(not tcp(a, S4), "nothing is open before a name was asked")
    got = [a("byname", DNS1, f"n{i}.wild.example", A, 80)
           for i in range(len(many))]
    report(got == [A4] * len(many),
           "each of 40 names opens before its answer arrives",
           str([g for g in got if g != A4][:3]))
    report(a("byname", DNS1, "A.b.Wild.example".lower(), A, 80)
           .startswith("bug"), "a name that is not there opens nothing")
    got = [a("byname", DNS1, n, A, 80) for n in ("wild.example",
                                                 "xwild.example")]
    report(all(g.startswith("failed") for g in got),
           "not the name itself, none that only ends like it", str(got))
    report(a("byname", DNS1, "a.wild.example", A, 80) == A4 and
           not tcp(b, S4), "another qube's own rule has learnt nothing of it")
    report(a("lookup", DNS1, "a.wild.example", AAAA) == [S6] and
           a("tcp", S6, 80, None, 3) == A6,
           "an answer over IPv4 opens the qube's IPv6 list")
    a("byname", DNS1, "a.wild.example", A, 80)
    a("open", "w", "tcp", S4, 80)
    report(a("use", "w") == A4, "a flow lives")
    ok = until(lambda: not tcp(a, S4), 15)
    report(ok and until(lambda: a("use", "w").startswith("failed")),
           "after its time the address closes, its flow ends")


def check_wild_hostile(d, a):
    for word in ("garbage", "loop", "refused"):
        dns.names["bad.wild.example"] = word
        got = a("lookup", DNS1, "bad.wild.example", A, 3)
        report(not str(got).startswith("failed"),
               f"an answer that is {word} reaches the qube", str(got))
    dns.names["evil.wild.example"] = {A: [B4, "127.0.0.1"]}
    a("lookup", DNS1, "evil.wild.example", A)
    report(not tcp(a, B4), "no answer opens another qube")
    dns.names["wide.wild.example"] = {A: [f"198.51.100.{i}" for i in
                                          range(1, 31)]}
    for i in range(12):
        dns.names[f"w{i}.wild.example"] = {
            A: [f"198.51.{101 + i}.{k}" for k in range(1, 31)]}
        a("lookup", DNS1, f"w{i}.wild.example", A)
    n = max(len(v) for v in sets().values())
    report(n == 256 and d.alive(), "360 addresses: 256 are kept", str(n))
    inner = children(children(d.worker())[0])[0]
    os.kill(inner, signal.SIGSTOP)
    t = threading.Thread(target=lambda: got.append(
        a("lookup", DNS1, "a.wild.example", A, 8)))
    got = []
    t.start()
    time.sleep(0.5)
    os.kill(inner, signal.SIGKILL)
    t.join()
    report(got == [[S4]], "an answer that waited for a resolver that was "
           "killed passes", str(got))
    report(until(lambda: a("byname", DNS1, "n3.wild.example", A, 80) == A4),
           "and the next ones open again")


def check_wild_gone(work, d, a):
    os.kill(d.p.pid, signal.SIGKILL)
    d.p.wait(10)
    # One that waits just then is lost: a resolver library asks again.
    report(until(lambda: a("lookup", DNS1, "n1.wild.example", A) ==
                 ["198.18.0.2"]), "without the daemon answers pass")
    d = fw30.start(work)
    report(until(has_chain) and
           a("byname", DNS1, "n5.wild.example", A, 80) == A4,
           "and with a new one they open")
    fw30.rules(A4, WILD[:1])
    fw30.rules(B4, ["action=accept"])
    report(has_chain(), "the IPv6 list still has such a rule")
    fw30.gone(A6)
    report(not has_chain() and
           a("lookup", DNS1, "n1.wild.example", A) == ["198.18.0.2"],
           "with the last such rule the chain goes, and nothing waits")
    return d


def check_gone(a):
    fw30.rules(A4, ["action=accept dsthost=s.example",
                    "action=accept dsthost=four.example"])
    until(lambda: status(A4) == "applied 2", 20)
    fw30.rules(A4, ["action=accept dsthost=s.example"])
    report(until(lambda: name_key(A4, 1) is None) and name_key(A4, 0),
           "the key of a name that left the list goes")
    fw30.gone(A4)
    fw30.gone(A6)
    report(until(lambda: not sets() and name_key(A4, 0) is None),
           "of a source that is gone no set, no key stays",
           f"{sets()} {name_key(A4, 0)}")


def scene(work):
    global dns
    fw30.fw = fw30.scene_ns()
    a = fw30.Qube("a", 5, A4, A6)
    b = fw30.Qube("b", 6, B4, fw30.B6)
    fw30.uplink()
    sh(f"ip addr add {U4}/32 dev lo")
    for addr in (S4, S6, T4, U4):
        for port in (80, 443):
            fw30.tcp_server(addr, port)
    fw30.udp_server(S4, 80)
    dns = Dns(DNS1)
    a.link()
    b.link()
    fw30.root = fw30.build_root()
    fw30.qdb = Qdb(f"{fw30.root}/run/qubes")
    fw30.qdb.keys["/qubes-primary-dns"] = DNS1
    fw30.qdb.keys["/sysqube-firewall/names"] = "floor=1 ceiling=2 grace=2"
    fw30.qdb.keys["/sysqube-status/firewall-names/10.137.9.9/0000"] = "ok"
    d = fw30.start(work)
    report(name_key("10.137.9.9", 0) is None, "an old key goes at the start")
    check_confined(d)
    check_accept(a)
    check_families(a)
    check_unresolved(a, b)
    check_last_known(a)
    check_change(a)
    check_rebinding(a)
    check_hostile(a)
    check_many(a)
    check_frozen(d, a)
    report(d.alive(), "one process all the way")
    d = check_killed(work, d, a)
    d = check_slow_start(work, d, a)
    check_servers(a)
    check_wild(a, b)
    check_wild_hostile(d, a)
    d = check_wild_gone(work, d, a)
    fw30.rules(A6, ["action=accept dsthost=s.example"])
    check_gone(a)


def main():
    if os.geteuid() != 0:
        cannot("needs root")
    if not os.path.exists(f"{fw30.BUILD}/bin/firewallvmd"):
        cannot("firewallvmd is not built")
    for b in ("ip", "nft", "setpriv", "nsenter"):
        if not shutil.which(b, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            cannot(f"{b} is not installed")
    inside()
    work = tempfile.mkdtemp(prefix="sq33log.")
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
