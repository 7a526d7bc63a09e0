#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vifd and sysqube-agent against the real kernel: a backend with two vifs, a
client whose network the agent configures, and an "uplink" host. Nothing
passes before the firewall's word, forged sources are dropped and counted,
addresses behind a client work, and removal leaves nothing. Everything is in
namespaces of its own."""
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
from lib import (cannot, failures, finish, new_ns, procs, sh,  # noqa: E402
                 stop_all, wait_until)
from lib import ok as report  # noqa: E402
from qdb_fake import Qdb  # noqa: E402

CLIENT, CLIENT6 = "10.137.0.5", "fd09:24ef:4179::a89:5"
GW, GW6 = "10.137.0.4", "fd09:24ef:4179::a89:4"
BEHIND, BEHIND6 = "10.137.0.9", "fd09:24ef:4179::a89:9"
FAR, FAR6 = "192.0.2.80", "2001:db8::80"
MAC = "00:16:3e:5e:6c:05"


def until(condition, seconds=5):
    return wait_until(condition, seconds)


def daemon(ns, name, folder, log):
    """Run a daemon of ours with private, empty /run and /var."""
    script = ("mount -t tmpfs t /run; mount -t tmpfs t /var; "
              "mkdir /var/empty; exec %s/bin/%s --socket %s/qubesdb.sock"
              % (BUILD, name, folder))
    p = subprocess.Popen(
        ["nsenter", "-t", str(ns), "-n", "unshare", "-m", "--propagation",
         "private", "sh", "-c", script], stdout=log, stderr=log,
        env=dict(os.environ, SYSQUBE_PLATFORM="netns"))
    procs.append(p)
    return p


# A sender of UDP packets with any source address, and a counter of what of
# it arrives, as frames, so that no stack has a say.
SEND = r"""
import socket, struct, sys
ifname, dmac, src, dst, n = sys.argv[1:6]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((ifname, 0))
smac = s.getsockname()[4]
data = b"sysqube-test"
def csum(b):
    t = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    t = (t >> 16) + (t & 0xffff)
    return ~(t + (t >> 16)) & 0xffff
if ":" in src:
    a, b = (socket.inet_pton(socket.AF_INET6, x) for x in (src, dst))
    udp = struct.pack("!HHHH", 4000, 4001, 8 + len(data), 0) + data
    c = csum(a + b + struct.pack("!II", len(udp), 17) + udp) or 0xffff
    udp = udp[:6] + struct.pack("!H", c) + udp[8:]
    ip = struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + a + b
    kind = 0x86dd
else:
    a, b = (socket.inet_aton(x) for x in (src, dst))
    udp = struct.pack("!HHHH", 4000, 4001, 8 + len(data), 0) + data
    h = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0)
    c = csum(h + a + b)
    ip = h[:10] + struct.pack("!H", c) + a + b
    kind = 0x0800
frame = bytes.fromhex(dmac.replace(":", "")) + smac + \
    struct.pack("!H", kind) + ip + udp
for _ in range(int(n)):
    try:
        s.send(frame)
    except OSError:  # no carrier yet: what counts is what arrives
        pass
"""
SNIFF = r"""
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
s.settimeout(0.05)
print("ready", flush=True)
end, n = time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < end:
    try:
        data, where = s.recvfrom(2048)
        n += b"sysqube-test" in data and where[2] != 4
    except OSError:
        pass
print(n)
"""


def python(ns, code, *args):
    return ["nsenter", "-t", str(ns), "-n", sys.executable, "-c", code,
            *map(str, args)]


class Net:
    """Namespaces: b backend, c client, d second client, u uplink host."""

    def __init__(self, folder):
        self.folder = folder
        self.b, self.c, self.d, self.u = (new_ns() for _ in range(4))
        self.qdb = Qdb(os.path.join(folder, "b"))
        self.cdb = Qdb(os.path.join(folder, "c"))
        self.log = open(os.path.join(folder, "log"), "w")
        self.pair("vif5.0", self.c, MAC)
        self.pair("vif6.0", self.d, "00:16:3e:5e:6c:06")
        sh("ip link add up0 netns %d type veth peer name far0 netns %d"
           % (self.b, self.u))
        for ns, dev, a4, a6 in ((self.b, "up0", "192.0.2.1", "2001:db8::1"),
                                (self.u, "far0", FAR, FAR6)):
            sh("ip link set lo up", ns)
            sh("ip link set %s up" % dev, ns)
            sh("ip addr add %s/24 dev %s" % (a4, dev), ns)
            sh("ip addr add %s/64 dev %s nodad" % (a6, dev), ns)
        sh("ip route add default via 192.0.2.1", self.u)
        sh("ip -6 route add default via 2001:db8::1", self.u)
        for ns in (self.c, self.d):
            sh("ip link set eth0 up", ns)

    def pair(self, vif, ns, mac):
        sh("ip link add %s netns %d type veth peer name eth0 netns %d "
           "address %s" % (vif, self.b, ns, mac))

    def send(self, ns, dev, src, dst=FAR, n=20, dmac="fe:ff:ff:ff:ff:ff"):
        """Send; how many arrived at the uplink host (or the client)."""
        to_ns, to_dev = (self.u, "far0") if ns != self.u else (self.c, "eth0")
        sniff = subprocess.Popen(python(to_ns, SNIFF, to_dev, 0.5),
                                 stdout=subprocess.PIPE, text=True)
        sniff.stdout.readline()
        subprocess.run(python(ns, SEND, dev, dmac, src, dst, n), check=True)
        return int(sniff.communicate()[0])

    def table(self):
        return sh("nft list table inet sysqube-vif", self.b, check=False)

    def elements(self):
        out = sh("nft -j list table inet sysqube-vif", self.b, check=False)
        found = []
        for o in json.loads(out)["nftables"]:
            s = o.get("set")
            if s:
                found += [(s["name"], e if isinstance(e, str) else
                           tuple(e["concat"])) for e in s.get("elem", [])]
        return sorted(found)

    def traces(self, dev):
        """All the kernel still knows about a vif."""
        out = sh("ip -o addr show dev %s" % dev, self.b, check=False)
        out += sh("ip route show dev %s" % dev, self.b, check=False)
        out += sh("ip -6 route show dev %s" % dev, self.b, check=False)
        out += sh("ip neigh show dev %s nud all" % dev, self.b, check=False)
        return "\n".join(x for x in out.splitlines()
                         if "NOARP" not in x and "does not exist" not in x
                         and "Cannot find device" not in x)

    def sysctl(self, path, ns=None):
        return sh("cat /proc/sys/net/" + path, ns or self.b).strip()

    def ping(self, to, ns=None):
        return "1 received" in sh("ping -c 1 -W 1 " + to, ns or self.c,
                                  check=False)


def check_start(n):
    report(n.sysctl("ipv4/ip_forward") == "0" and
           n.send(n.c, "eth0", CLIENT) == 0, "nothing passes without vifd")
    n.qdb.set("/qubes-netvm-gateway", GW)
    n.qdb.set("/qubes-netvm-gateway6", GW6)
    n.qdb.set("/qubes-service/qubes-firewall", "1")
    n.qdb.set("/connected-ips", CLIENT + " 10.137.0.77")
    # left by somebody: an open link that nobody may use
    sh("ip link set vif6.0 up", n.b)
    sh("ip addr add 10.137.0.66/32 dev vif6.0", n.b)
    n.vifd = daemon(n.b, "vifd", os.path.join(n.folder, "b"), n.log)
    report(until(lambda: "chain antispoof" in n.table()),
           "the table is there at start")
    report(until(lambda: n.sysctl("ipv4/ip_forward") == "1" and
                 n.sysctl("ipv6/conf/all/forwarding") == "1"),
           "forwarding is on behind it")
    report(until(lambda: "UP" not in sh("ip -o link show vif6.0", n.b)
                 .split("<")[1].split(">")[0].split(",")) and
           "10.137.0.66" not in n.traces("vif6.0"),
           "a link nobody may use is set down and emptied")


def check_gate(n):
    st = "/sysqube-status/vif/5.0"
    n.qdb.set("/sysqube-vif/5.0", "%s %s %s" % (CLIENT, MAC, CLIENT6))
    said = n.qdb.wait(st, lambda v: v.startswith("waiting"))
    report(said is not None and "firewall rules of its IPv4" in said,
           "a vif waits for its firewall rules", said)
    report(n.elements() == [("clients4", CLIENT), ("clients4", "10.137.0.77"),
                            ("clients6", CLIENT6)],
           "no element lets it in yet", n.elements())
    report(n.send(n.c, "eth0", CLIENT) == 0, "nothing of it passes")
    # even if the link were open
    sh("ip link set vif5.0 up", n.b)
    report(n.send(n.c, "eth0", CLIENT) == 0,
           "not even with its link forced up")
    sh("ip link set vif5.0 down", n.b)
    n.qdb.set("/sysqube-status/firewall/" + CLIENT, "blocked 0001: reason")
    n.qdb.set("/sysqube-status/firewall/" + CLIENT6, "applied 1")
    time.sleep(0.2)
    report(n.qdb.get(st) == said and n.send(n.c, "eth0", CLIENT6, FAR6) == 0,
           "both families must be ready", n.qdb.get(st))
    began = time.monotonic()
    n.qdb.set("/sysqube-status/firewall/" + CLIENT, "applied 2")
    said = n.qdb.wait(st, lambda v: v.startswith("up"))
    report(said == "up " + CLIENT, "then it is connected (%.0f ms)" %
           ((time.monotonic() - began) * 1000), said)
    want = [("allowed4", ("vif5.0", CLIENT)), ("allowed6", ("vif5.0",
                                                            CLIENT6))]
    report(n.elements()[:2] == want, "its elements", n.elements())
    traces = n.traces("vif5.0")
    report(all(x in traces for x in (
        GW + "/32", GW6 + "/128", CLIENT + " proto static scope link",
        CLIENT6 + " proto static", "%s lladdr %s PERMANENT" % (CLIENT, MAC),
        "%s lladdr %s PERMANENT" % (CLIENT6, MAC))),
        "neighbours, routes and the gateway's addresses", traces)
    report("fe80" not in traces and
           "fe:ff:ff:ff:ff:ff" in sh("ip link show vif5.0", n.b),
           "the backend's MAC, no link-local address")


def check_agent(n):
    for key, value in (("mac", MAC), ("ip", CLIENT), ("ip6", CLIENT6),
                       ("gateway", GW), ("gateway6", GW6),
                       ("primary-dns", "10.139.1.1"),
                       ("secondary-dns", "10.139.1.2")):
        n.cdb.set("/qubes-" + key, value)
    n.agent = daemon(n.c, "sysqube-agent", os.path.join(n.folder, "c"), n.log)
    said = n.cdb.wait("/sysqube-status/agent", lambda v: v.startswith("up"))
    report(said == "up " + CLIENT, "the agent configures the client", said)
    fds = "/proc/%d/fd/" % n.agent.pid
    text = None
    for fd in os.listdir(fds):
        if os.readlink(fds + fd).endswith("resolv.conf"):
            with open(fds + fd) as f:
                text = f.read()
    report(text == "nameserver 10.139.1.1\nnameserver 10.139.1.2\n",
           "resolv.conf", text)
    report(until(lambda: n.ping(FAR)), "the client reaches the uplink host")
    report(until(lambda: n.ping(FAR6)), "and by IPv6")
    report(n.ping(GW) and n.ping(GW6), "and its gateway")
    with open("/proc/%d/status" % n.agent.pid) as f:
        text = f.read()
    report("Uid:\t108\t108\t108\t108" in text and
           "CapPrm:\t0000000000001000" in text and "Seccomp:\t2" in text,
           "the agent is confined")
    with open("/proc/%d/status" % n.vifd.pid) as f:
        text = f.read()
    report("Uid:\t101\t101\t101\t101" in text and
           "CapPrm:\t0000000000001000" in text and "Seccomp:\t2" in text,
           "vifd is confined")


def check_agent_changes(n):
    sh("ip link set eth0 down", n.c)
    report(until(lambda: n.ping(FAR)), "a link that went down is set up again")
    n.cdb.set("/qubes-gateway", "10.137.0.3")
    report(until(lambda: "default via 10.137.0.3" in
                 sh("ip route show", n.c) and GW not in
                 sh("ip route show", n.c) + sh("ip neigh", n.c)),
           "a new gateway replaces the old one",
           sh("ip route show", n.c) + sh("ip neigh", n.c))
    n.cdb.set("/qubes-gateway", GW)
    report(until(lambda: n.ping(FAR)), "and back")
    for key in ("ip", "gateway", "ip6", "gateway6"):
        n.cdb.set("/qubes-" + key, "")
    said = n.cdb.wait("/sysqube-status/agent", lambda v: v.startswith("down"))
    report(said == "down no address given" and
           sh("ip -o addr show dev eth0 scope global", n.c) == "" and
           sh("ip route", n.c) == "" and
           "state DOWN" in sh("ip -o link show eth0", n.c),
           "without keys nothing is left", said)
    n.cdb.set("/qubes-gateway", "not an address")
    said = n.cdb.wait("/sysqube-status/agent", lambda v: v.startswith("err"))
    report(said == "error a key is malformed", "a bad value is refused", said)
    for key, v in (("ip", CLIENT), ("gateway", GW), ("ip6", CLIENT6),
                   ("gateway6", GW6)):
        n.cdb.set("/qubes-" + key, v)
    report(until(lambda: n.ping(FAR) and n.ping(FAR6)), "and back again")


def counted(n):
    return int(n.qdb.get("/sysqube-status/spoofed") or 0)


def check_forged(n):
    report(n.send(n.c, "eth0", CLIENT) == 20 and
           n.send(n.c, "eth0", CLIENT6, FAR6) == 20,
           "its own packets pass")
    time.sleep(1.2)
    for src, dst, what in ((GW, FAR, "its gateway"),
                           ("10.137.0.6", FAR, "another client"),
                           ("8.8.8.8", FAR, "an outside host"),
                           ("127.0.0.1", FAR, "loopback"),
                           ("2001:db8::99", FAR6, "an outside IPv6 host"),
                           (GW6, FAR6, "its IPv6 gateway")):
        before = counted(n)
        got = n.send(n.c, "eth0", src, dst)
        report(got == 0, "forged source of %s does not pass" % what, got)
        report(until(lambda: counted(n) == before + 20, 3),
               "and is counted", "%d -> %d" % (before, counted(n)))
    # forged from elsewhere: a client's address, running or not (QSB-056)
    mac = json.loads(sh("ip -j link show up0", n.b))[0]["address"]
    report(n.send(n.u, "far0", "192.0.2.55", CLIENT, dmac=mac) == 20,
           "an uplink packet to the client passes the anti-spoof table")
    for src in (CLIENT, "10.137.0.77"):
        before = counted(n)
        report(n.send(n.u, "far0", src, CLIENT, dmac=mac) == 0 and
               until(lambda: counted(n) == before + 20, 3),
               "a client's address from the uplink does not (%s)" % src)


def check_behind(n):
    report(n.send(n.c, "eth0", BEHIND) == 0, "an unknown address behind it")
    n.qdb.set("/sysqube-behind/%s/0000" % CLIENT, BEHIND)
    n.qdb.set("/sysqube-behind/%s/0001" % CLIENT, BEHIND6)
    report(until(lambda: ("allowed4", ("vif5.0", BEHIND)) in n.elements() and
                 ("allowed6", ("vif5.0", BEHIND6)) in n.elements()),
           "addresses behind a client become elements")
    report(n.send(n.c, "eth0", BEHIND) == 20 and
           n.send(n.c, "eth0", BEHIND6, FAR6) == 20, "and pass")
    sh("ip addr add %s/32 dev lo" % BEHIND, n.c)
    sh("ip link set lo up", n.c)
    report(n.ping(BEHIND, n.u), "and are reached by way of the client")
    del n.qdb.keys["/sysqube-behind/%s/0000" % CLIENT]
    n.qdb.set("/sysqube-behind/%s/0001" % CLIENT, BEHIND6)
    report(until(lambda: ("allowed4", ("vif5.0", BEHIND)) not in n.elements()
                 and BEHIND not in n.traces("vif5.0")) and
           n.send(n.c, "eth0", BEHIND) == 0, "and no longer when gone")


def check_restart(n):
    os.kill(n.vifd.pid, signal.SIGKILL)
    n.vifd.wait()
    report(n.ping(FAR) and n.send(n.c, "eth0", "8.8.8.8") == 0,
           "without vifd traffic goes on, forged does not")
    sh("ip addr add 10.99.0.1/32 dev vif5.0", n.b)
    sh("ip route add 10.99.1.0/24 dev vif5.0 proto static", n.b)
    sh("ip neigh add 10.99.0.2 lladdr 02:00:00:00:00:01 nud permanent "
       "dev vif5.0", n.b)
    sh("nft add element inet sysqube-vif allowed4 { vif5.0 . 8.8.8.8 }", n.b)
    n.qdb.set("/sysqube-status/vif/5.0", "")
    n.vifd = daemon(n.b, "vifd", os.path.join(n.folder, "b"), n.log)
    n.qdb.wait("/sysqube-status/vif/5.0", lambda v: v.startswith("up"))
    report(until(lambda: "10.99" not in n.traces("vif5.0")),
           "the next life takes away what does not belong",
           n.traces("vif5.0"))
    report(n.send(n.c, "eth0", "8.8.8.8") == 0 and n.ping(FAR) and
           n.ping(FAR6), "and has its table and its vif as before")


def check_bad(n):
    n.qdb.set("/sysqube-vif/6.0", "10.137.0.6 garbage")
    time.sleep(0.2)
    report(n.qdb.get("/sysqube-status/vif/6.0") is None and n.ping(FAR),
           "a malformed identity is left out, the others go on")
    n.qdb.set("/sysqube-vif/6.0", "10.137.0.6 00:16:3e:5e:6c:06")
    n.qdb.set("/sysqube-vif/9.0", "10.137.0.9 00:16:3e:5e:6c:09")
    report(n.qdb.wait("/sysqube-status/vif/9.0", lambda v: "link" in v) ==
           "waiting for its link", "an identity without a link waits")
    n.qdb.set("/sysqube-status/firewall/10.137.0.6", "applied 0")
    report(n.qdb.wait("/sysqube-status/vif/6.0",
                      lambda v: v.startswith("up")) == "up 10.137.0.6",
           "a second client comes up")
    report(n.send(n.d, "eth0", CLIENT) == 0 and
           n.send(n.d, "eth0", "10.137.0.6") == 20,
           "and cannot take the first one's address")


def drop(n, key):
    with n.qdb.lock:
        n.qdb.keys.pop(key, None)
        n.qdb._fire(key)


def check_removal(n):
    drop(n, "/sysqube-vif/6.0")
    report(until(lambda: "vif6.0" not in n.table() and
                 n.traces("vif6.0") == "" and
                 n.qdb.get("/sysqube-status/vif/6.0") is None),
           "an identity that goes leaves nothing",
           n.table() + n.traces("vif6.0"))
    report("state DOWN" in sh("ip -o link show vif6.0", n.b),
           "and its link is down")
    report(("clients4", "10.137.0.6") not in n.elements(),
           "and is no client any more")
    sh("ip link del vif5.0", n.b)
    report(until(lambda: "vif5.0" not in n.table()) and
           n.qdb.wait("/sysqube-status/vif/5.0", lambda v: "link" in v) ==
           "waiting for its link", "a link that goes takes its elements along")
    report(CLIENT not in sh("ip route", n.b) + sh("ip neigh", n.b) and
           CLIENT6 not in sh("ip -6 route", n.b), "routes and neighbours too")
    report(until(lambda: n.cdb.get("/sysqube-status/agent") ==
                 "waiting for an interface"), "the agent waits for a link")
    n.pair("vif5.0", n.c, MAC)
    report(until(lambda: n.ping(FAR) and n.ping(FAR6)),
           "a new link of that name is connected on both sides")
    del n.qdb.keys["/sysqube-vif/9.0"]
    drop(n, "/sysqube-vif/5.0")
    del n.qdb.keys["/connected-ips"]
    n.qdb.keys.pop("/sysqube-behind/%s/0001" % CLIENT)
    n.qdb.set("/connected-ips6", "")
    report(until(lambda: n.elements() == []), "nothing is left at the end",
           n.elements())
    report(n.vifd.poll() is None and n.agent.poll() is None,
           "both daemons are still the same")
    n.vifd.send_signal(signal.SIGTERM)
    n.agent.send_signal(signal.SIGTERM)
    report(n.vifd.wait(5) == 0 and n.agent.wait(5) == 0, "and end on SIGTERM")


def main():
    if os.geteuid() != 0:
        cannot("needs root")
    for tool in ("nft", "ip", "ping", "nsenter"):
        if shutil.which(tool) is None:
            cannot("needs " + tool)
    for name in ("vifd", "sysqube-agent"):
        if not os.path.exists(os.path.join(BUILD, "bin", name)):
            cannot(name + " is not built")
    if subprocess.run(["unshare", "-mn", "true"]).returncode != 0:
        cannot("namespaces cannot be made here")
    folder = tempfile.mkdtemp(prefix="sysqube-vif.")
    n = None
    try:
        n = Net(folder)
        for check in (check_start, check_gate, check_agent,
                      check_agent_changes, check_forged, check_behind,
                      check_restart, check_bad, check_removal):
            check(n)
    finally:
        stop_all()
        if n:
            n.log.close()
            if failures():
                with open(os.path.join(folder, "log")) as f:
                    print("# " + f.read().replace("\n", "\n# "))
        shutil.rmtree(folder)
    finish()


main()
