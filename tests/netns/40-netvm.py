#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""netvmd, netvm-dhcp with its hook, and the real dhcpcd and dnsmasq as a
NetVM runs them (ids, capabilities and arguments from its service table, a
read-only root with only /run writable), between an "internet" with a DHCP,
RA and DNS server and two clients. Everything is in namespaces of its own:
the test's own one is the internet."""
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

STATUS = "/sysqube-status/uplink"
DNS6 = "fd09:24ef:4179::a8b:101"
root = None
qdb = None


def in_ns(ns, code, *args):
    """Run Python in a namespace; what it prints."""
    r = subprocess.run(["nsenter", "-t", str(ns), "-n", sys.executable, "-c",
                        code, *args], stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, text=True)
    return r.stdout.strip()


TCP = """
import socket, sys
try:
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.5)
    s.settimeout(2)
    s.sendall(b"x")
    print(s.recv(200).decode())
except OSError as e:
    print("failed", e)
"""

DNS = """
import socket, struct, sys
server, name, qtype, tcp = (sys.argv[1], sys.argv[2], int(sys.argv[3]),
                            sys.argv[4] == "tcp")
q = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0)
q += b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\\0"
q += struct.pack(">HH", qtype, 1)
try:
    s = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET,
                      socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    s.settimeout(2)
    s.connect((server, 53))
    s.sendall((struct.pack(">H", len(q)) if tcp else b"") + q)
    a = s.recv(2000)
    if tcp:
        a = a[2:] or s.recv(2000)
    n = 16 if qtype == 28 else 4
    if struct.unpack(">H", a[6:8])[0] == 0:
        print("rcode", a[3] & 15)
    else:
        print(socket.inet_ntop(socket.AF_INET6 if n == 16 else
                               socket.AF_INET, a[-n:]))
except OSError as e:
    print("failed", e)
"""

UDP_SEND = """
import socket, sys
f = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(f, socket.SOCK_DGRAM)
s.settimeout(1)
s.connect((sys.argv[1], int(sys.argv[2])))
s.send(b"hello")
try:
    print(s.recv(100))
except OSError as e:
    print("failed", e)
"""


def peer_server(addr, port, family):
    """Answers each connection with the address it came from."""
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((addr, port))
    s.listen(16)

    def loop():
        while True:
            c, peer = s.accept()
            c.sendall(peer[0].encode())
            c.close()
    threading.Thread(target=loop, daemon=True).start()


# ---- the NetVM's root and services ----

def build_root():
    d = new_root(("netvmd", "netvm-dhcp", "netvm-dhcp-hook"), ["var/lib"])
    os.symlink("/run/dhcpcd-lib", os.path.join(d, "var/lib/dhcpcd"))
    for f in ("passwd", "group", "nsswitch.conf"):
        shutil.copy(f"{TOP}/image-builder/base/etc/{f}", f"{d}/etc/{f}")
    for f in ("dhcpcd.conf", "dnsmasq.conf"):
        shutil.copy(f"{TOP}/netvm/image/etc/{f}", f"{d}/etc/{f}")
    return seal_root(d)


class Daemon(Service):
    def __init__(self, ns, name, log):
        super().__init__("netvm", name, root, ns, log)

    def end(self, sig=signal.SIGTERM):
        try:
            super().end(sig)
        except subprocess.TimeoutExpired:
            # dhcpcd 9.4.1 now and then misses a signal; init does the same
            print(f"# {self.log.name} had to be killed")
            self.p.kill()
            self.p.wait()


def children_of(pid):
    out = []
    for d in os.listdir("/proc"):
        if d.isdigit():
            try:
                st = proc_status(int(d))
            except OSError:
                continue
            if st.get("PPid") == str(pid):
                out += [int(d)] + children_of(int(d))
    return out


# ---- the scene ----

def link_client(vm, client, domid, n):
    """What vifd and the guest agent do, without them."""
    vif = f"vif{domid}.0"
    sh(f"ip link add {vif} netns {vm} type veth peer name eth0 netns "
       f"{client}")
    sh(f"ip addr add 10.137.0.1/32 dev {vif}", vm)
    sh(f"ip addr add fd09:24ef:4179::a89:1/128 dev {vif} nodad", vm)
    sh(f"ip link set {vif} up", vm)
    sh(f"ip route add 10.137.0.{n}/32 dev {vif}", vm)
    sh(f"ip route add fd09:24ef:4179::a89:{n}/128 dev {vif}", vm)
    sh(f"ip addr add 10.137.0.{n}/32 dev eth0", client)
    sh(f"ip addr add fd09:24ef:4179::a89:{n}/128 dev eth0 nodad", client)
    sh("ip link set eth0 up", client)
    sh("ip route add default via 10.137.0.1 dev eth0 onlink", client)
    sh("ip route add default via fd09:24ef:4179::a89:1 dev eth0 onlink",
       client)


def sysctl(ns, path, value):
    sh(["sh", "-c", f"echo {value} > /proc/sys/net/{path}"], ns)


def internet(vm, work):
    sh("ip link set lo up")
    sh(f"ip link add up0 type veth peer name eth0 netns {vm}")
    sh("ip link set up0 address 02:00:00:00:00:01")
    sh("ip link set up0 up")
    sh("ip addr add 192.0.2.1/24 dev up0")
    sh("ip addr add 2001:db8:5::1/64 dev up0 nodad")
    sh("ip addr add 203.0.113.80/32 dev lo")
    sh("ip addr add 2001:db8:80::80/128 dev lo nodad")
    peer_server("203.0.113.80", 80, socket.AF_INET)
    peer_server("2001:db8:80::80", 80, socket.AF_INET6)
    time.sleep(1.5)  # up0's link-local address must be past its check
    log = open(f"{work}/internet.log", "w")
    return subprocess.Popen(
        ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
         "--no-resolv", "--no-hosts", "--pid-file", "--user=root",
         "--bind-interfaces", "--interface=up0",
         "--dhcp-range=192.0.2.50,192.0.2.60,1h",
         "--dhcp-option=option:dns-server,192.0.2.1",
         "--dhcp-option=option:domain-name,evil.test",
         "--no-ping", "--enable-ra", "--dhcp-range=2001:db8:5::100,2001:db8:5::1ff,slaac,64,1h",
         "--dhcp-option=option6:dns-server,[2001:db8:5::1]",
         f"--dhcp-leasefile={work}/leases",
         "--address=/server.test/203.0.113.80",
         "--address=/server.test/2001:db8:80::80"],
        stdout=log, stderr=log)


def check_confined(netvmd):
    st = proc_status(netvmd.p.pid)
    report(st["Uid"].split() == ["102"] * 4, "netvmd runs as uid 102",
           st["Uid"])
    report(int(st["CapEff"], 16) == 1 << 12 and
           int(st["CapBnd"], 16) == 0,
           "netvmd has CAP_NET_ADMIN and nothing else", st["CapEff"])
    report(st["Seccomp"] == "2" and st["NoNewPrivs"] == "1",
           "netvmd is under a seccomp filter")


def check_lease(t0):
    qdb.wait(STATUS, lambda v: v.startswith("up "), 20)
    print(f"# a lease {time.monotonic() - t0:.1f} s after dhcpcd's start")
    v = qdb.wait(STATUS, lambda v: v.startswith("up ") and "2001:" in v, 20)
    ok = re.fullmatch(r"up eth0 192\.0\.2\.[56]\d/24 gw 192\.0\.2\.1 dns "
                      r"192\.0\.2\.1,2001:db8:5::1", v or "")
    report(bool(ok), "a lease arrives and the status tells it", str(v))
    print(f"# both families {time.monotonic() - t0:.1f} s after dhcpcd's "
          "start")
    lease = v.split()[2].split("/")[0] if ok else "192.0.2.50"
    v = qdb.wait("/qubes-netvm-external-ip", lambda v: "inet6" in v, 10)
    report(f"inet {lease}/24 " in v and "inet6 2001:db8:5:" in v,
           "/qubes-netvm-external-ip holds both addresses", v)
    return lease


def check_dns(client, when=""):
    for server in ("10.139.1.1", "10.139.1.2", DNS6):
        for how in ("udp", "tcp"):
            got = in_ns(client, DNS, server, "server.test", "1", how)
            report(got == "203.0.113.80",
                   f"a name resolves through {server} by {how}{when}", got)
    got = in_ns(client, DNS, "10.139.1.1", "server.test", "28", "udp")
    report(got == "2001:db8:80::80", f"its IPv6 address as well{when}", got)


def check_tcp(client, lease, when=""):
    got = in_ns(client, TCP, "203.0.113.80", "80")
    report(got == lease, f"TCP goes out with the uplink's address{when}",
           got)
    got = in_ns(client, TCP, "2001:db8:80::80", "80")
    report(got.startswith("2001:db8:5:") and got != "2001:db8:5::1",
           f"and so does TCP over IPv6{when}", got)


def check_closed(vm, client, other, lease):
    listen = ("import socket,time\n"
              "for p in (2222, 80):\n"
              "  s=socket.create_server(('::',p),family=socket.AF_INET6,"
              "dualstack_ipv6=True); globals()[str(p)]=s\n"
              "print('x',flush=True); time.sleep(60)")
    p = subprocess.Popen(["nsenter", "-t", str(vm), "-n", sys.executable,
                          "-c", listen], stdout=subprocess.PIPE)
    p.stdout.read(1)
    me = os.getpid()
    for ns, who in ((me, "the uplink"), (client, "a client")):
        addr = lease if ns == me else "10.137.0.1"
        got = in_ns(ns, TCP, addr, "2222")
        report("failed" in got, f"TCP to NetVM from {who} is dropped", got)
    got = in_ns(client, TCP, "fd09:24ef:4179::a89:1", "2222")
    report("failed" in got, "and over IPv6 from a client", got)
    got = in_ns(client, TCP, "10.139.1.1", "80")
    report("failed" in got, "the virtual resolver has port 53 only", got)
    p.kill()
    p.wait()
    got = in_ns(me, DNS, lease, "server.test", "1", "udp")
    report("failed" in got, "the resolver does not answer the uplink", got)
    sh("ip route add 10.139.1.1/32 via " + lease)
    got = in_ns(me, DNS, "10.139.1.1", "server.test", "1", "udp")
    report("failed" in got, "not even on the virtual address", got)
    report("1 received" not in sh(f"ping -c1 -W1 {lease}", check=False),
           "an echo request from the uplink is dropped")
    report("1 received" in sh("ping -c1 -W2 10.139.1.1", client, False),
           "an echo request from a client is answered")
    report("1 received" in sh("ping -c1 -W2 fd09:24ef:4179::a89:1", client,
                              False), "over IPv6 as well")
    report("1 received" in sh("ping -c1 -W2 203.0.113.80", client, False),
           "a client pings the internet")
    sh("ip route add 10.137.0.5/32 via " + lease)
    report("1 received" not in sh("ping -c1 -W1 10.137.0.5", check=False),
           "nothing new comes in from the uplink")
    report("1 received" not in sh("ping -c1 -W1 10.137.0.6", client, False),
           "clients do not reach each other")
    report("1 received" not in sh("ping -c1 -W1 fd09:24ef:4179::a89:5",
                                  other, False), "over IPv6 neither")


ECHO = """
import socket, sys, threading
def tcp(port):
    s = socket.create_server(("::", port), family=socket.AF_INET6,
                             dualstack_ipv6=True)
    while True:
        c, peer = s.accept()
        threading.Thread(target=talk, args=(c, peer), daemon=True).start()
def talk(c, peer):
    while c.recv(100):
        c.sendall(peer[0].removeprefix("::ffff:").encode())
def udp(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", port))
    while True:
        data, peer = s.recvfrom(100)
        s.sendto(peer[0].removeprefix("::ffff:").encode(), peer)
for how, port in ((tcp, 8000), (tcp, 8001), (udp, 53)):
    threading.Thread(target=how, args=(port,), daemon=True).start()
print("x", flush=True)
sys.stdin.read()
"""


def forwards(*records):
    """As dom0 writes them."""
    qdb.rm("/sysqube-forward/")
    for i, record in enumerate(records):
        qdb.set(f"/sysqube-forward/{i:04}", record)
    qdb.set("/sysqube-forward", "")


def check_forwards(vm, client, lease):
    """Declared ports of the uplink lead to a qube, and nothing else does."""
    me = os.getpid()
    state = "/sysqube-status/forward"
    p = subprocess.Popen(["nsenter", "-t", str(client), "-n", sys.executable,
                          "-c", ECHO], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    p.stdout.read(1)
    lease6 = re.search(r"inet6 (2001:db8:5:\S+)/", sh(
        "ip -6 -o addr show dev eth0 scope global", vm)).group(1)
    report("failed" in in_ns(me, TCP, lease, "8080"),
           "an undeclared port of the uplink is closed")
    forwards("tcp 8080 10.137.0.5 8000", "udp 5353 10.137.0.5 53",
             "tcp 8080 fd09:24ef:4179::a89:5 8000",
             "tcp 8081 10.137.0.5 8001 198.51.100.0/24",
             "tcp 8082 10.137.0.5 8001 192.0.2.0/24")
    v = qdb.wait(state, lambda v: v == "applied 5")
    report(v == "applied 5", "forwards are put in force and told", v)
    got = in_ns(me, TCP, lease, "8080")
    report(got == "192.0.2.1", "TCP is forwarded with its true source", got)
    got = in_ns(me, UDP_SEND, lease, "5353")
    report("192.0.2.1" in got, "and UDP", got)
    got = in_ns(me, TCP, lease6, "8080")
    report(got.startswith("2001:db8:5:"), "and TCP over IPv6", got)
    report("failed" in in_ns(me, TCP, lease, "8081"),
           "a source outside of FROM is not")
    got = in_ns(me, TCP, lease, "8082")
    report(got == "192.0.2.1", "one inside of it is", got)
    report("failed" in in_ns(me, TCP, lease, "8000"),
           "the qube's port number is none of the uplink")
    report("failed" in in_ns(me, TCP, "10.137.0.5", "8000"),
           "nor is the qube's address reached past the translation")
    got = in_ns(client, TCP, "203.0.113.80", "80")
    report(got == lease, "the qube's own connections go on", got)
    live = socket.create_connection((lease, 8080), 2)
    live.settimeout(2)
    live.sendall(b"x")
    report(live.recv(100) == b"192.0.2.1", "a forwarded connection lives")
    forwards("tcp 8082 10.137.0.5 8001 192.0.2.0/24", "tcp 0 10.137.0.5 1",
             "tcp 8080 10.137.0.5", "udp 68 10.137.0.5 68",
             "tcp 1  10.137.0.5 1", "tcp 1 10.137.0.5 1 fd00::/8")
    v = qdb.wait(state, lambda v: v.startswith("error"))
    report(v.startswith("error 0001: expected tcp|udp UPLINKPORT"),
           "a malformed record is named", v)
    got = in_ns(me, TCP, lease, "8082")
    report(got == "192.0.2.1", "and the good ones are in force", got)
    try:
        live.sendall(b"x")
        got = live.recv(100)
    except OSError:
        got = None
    report(got is None, "a connection ends with its forward", str(got))
    live.close()
    forwards()
    v = qdb.wait(state, lambda v: v == "applied 0")
    report("failed" in in_ns(me, TCP, lease, "8082"),
           "without forwards all is closed again", v)
    p.stdin.close()
    p.wait(5)


def check_garbage(netvmd):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.connect(f"{root}/run/netvm/facts.sock")
    before = qdb.get(STATUS)
    for data in (b"", b"x", b"\0" * 64, os.urandom(148), os.urandom(4000)):
        s.send(data)
    time.sleep(0.3)
    report(netvmd.alive() and qdb.get(STATUS) == before and
           "refused" in netvmd.text(), "garbage on the socket is refused")
    st = os.stat(f"{root}/run/netvm/facts.sock")
    report(st.st_mode & 0o777 == 0o600 and st.st_uid == 0,
           "only root may send records")
    env = {"reason": "BOUND", "interface": "eth0",
           "new_ip_address": "192.0.2.55\nnameserver 6.6.6.6",
           "new_subnet_cidr": "24"}
    subprocess.run(["/usr/sbin/chroot", root, "/usr/bin/netvm-dhcp-hook"], env=env,
                   stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    with open(f"{root}/run/dnsmasq/resolv.conf") as f:
        report("6.6.6.6" not in f.read(),
               "a malformed fact does not reach the resolver")


def check_carrier(vm, client, dns, lease):
    sh("ip link set up0 down")
    v = qdb.wait(STATUS, lambda v: v.startswith("down"))
    report(v == "down no address on eth0", "a lost carrier is told", v)
    with open(f"{root}/run/dnsmasq/resolv.conf") as f:
        report(f.read() == "", "and the resolver has no server any more")
    time.sleep(0.5)
    report(dns.alive(), "dnsmasq lives with an empty list")
    sh("ip link set up0 up")
    sh("ip addr replace 2001:db8:5::1/64 dev up0 nodad")
    v = qdb.wait(STATUS, lambda v: v.startswith("up"), 30)
    report(v.startswith("up eth0 192.0.2."), "the carrier comes back", v)
    time.sleep(1)
    got = in_ns(client, DNS, "10.139.1.1", "server.test", "1", "udp")
    report(got == "203.0.113.80", "and names resolve again", got)


def check_restart(vm, netvmd, work, client, lease):
    before = qdb.get(STATUS)
    netvmd.end(signal.SIGKILL)
    got = in_ns(client, TCP, "203.0.113.80", "80")
    report(got == lease, "traffic goes on while netvmd is dead", got)
    qdb.set(STATUS, "none")
    netvmd = Daemon(vm, "netvmd", f"{work}/netvmd.log")
    v = qdb.wait(STATUS, lambda v: v == before)
    report(v == before, "a restarted netvmd knows the lease again", v)
    check_tcp(client, lease, " after it")
    return netvmd


def refused_at_once(client):
    """What a connection over IPv6 ends with, and whether without waiting."""
    got = in_ns(client, TCP, "2001:db8:80::80", "80")
    return got.startswith("failed") and "timed out" not in got, got


def check_no_ipv6(vm, client):
    """An uplink without IPv6: clients are told at once, with a route there
    and without one."""
    external = "/qubes-netvm-external-ip"
    qdb.set("/sysqube-uplink/gateway6", "")
    qdb.set("/sysqube-uplink/address6", "")
    qdb.wait(external, lambda v: "inet6" not in v)
    good, got = refused_at_once(client)
    report(good, "without IPv6 at the uplink a client is told at once", got)
    sh("ip -6 route add default via fe80::ff:fe00:1 dev eth0", vm)
    good, got = refused_at_once(client)
    report(good, "with a route as well", got)
    got = in_ns(client, TCP, "203.0.113.80", "80")
    report(got == "192.0.2.77", "IPv4 goes on", got)
    sh("ip -6 route del default via fe80::ff:fe00:1 dev eth0", vm)
    qdb.set("/sysqube-uplink/address6", "2001:db8:5::77/64")
    qdb.set("/sysqube-uplink/gateway6", "2001:db8:5::1")
    qdb.wait(external, lambda v: "inet6" in v)
    time.sleep(2)
    got = in_ns(client, TCP, "2001:db8:80::80", "80")
    report(got.startswith("2001:db8:5:"), "and IPv6 again when it is there",
           got)


def check_static(vm, netvmd, dhcp, work, client):
    qdb.set("/sysqube-uplink/address", "192.0.2.77/24")
    qdb.set("/sysqube-uplink/gateway", "192.0.2.1")
    qdb.set("/sysqube-uplink/dns", "192.0.2.1")
    qdb.set("/sysqube-uplink/address6", "2001:db8:5::77/64")
    qdb.set("/sysqube-uplink/gateway6", "2001:db8:5::1")
    qdb.set("/sysqube-uplink/mode", "static")
    v = qdb.wait(STATUS, lambda v: v.startswith("error"))
    report(v == "error mode changed from dhcp: start this NetVM again",
           "a change of mode under a running dhcpcd is told", v)
    dhcp.end()
    netvmd.end()
    os.unlink(f"{root}/run/netvm/facts")
    netvmd = Daemon(vm, "netvmd", f"{work}/netvmd.log")
    dhcp = Daemon(vm, "netvm-dhcp", f"{work}/dhcp.log")
    v = qdb.wait(STATUS, lambda v: v.startswith("up"))
    report(v == "up eth0 192.0.2.77/24 gw 192.0.2.1 dns 192.0.2.1",
           "static settings are applied", v)
    addrs = sh("ip -o addr show dev eth0 scope global", vm)
    report(sorted(re.findall(r"inet6? (\S+)", addrs)) ==
           ["192.0.2.77/24", "2001:db8:5::77/64"],
           "the interface has them and nothing else", addrs)
    routes = sh("ip route show default", vm) + \
        sh("ip -6 route show default proto static", vm)
    report(re.findall(r"via (\S+)", routes) == ["192.0.2.1",
                                                 "2001:db8:5::1"],
           "one default route a family", routes)
    time.sleep(2)
    check_dns(client, " (static)")
    check_tcp(client, "192.0.2.77", " (static)")
    report(dhcp.alive() and "mode is static" in dhcp.text(),
           "netvm-dhcp stands by")
    check_no_ipv6(vm, client)
    qdb.set("/sysqube-uplink/gateway", "198.51.100.1")
    v = qdb.wait(STATUS, lambda v: v.startswith("error"))
    report(v == "error gateway is outside the network of address",
           "a wrong setting is told in a sentence", v)
    qdb.set("/sysqube-uplink/gateway", "192.0.2.1")
    qdb.wait(STATUS, lambda v: v.startswith("up"))
    sh("ip link del eth0", vm)
    v = qdb.wait(STATUS, lambda v: v.startswith("down"))
    report(v == "down no interface", "a card that goes is told", v)
    return netvmd


def scene(work):
    global root, qdb
    vm, client, other = new_ns(), new_ns(), new_ns()
    for ns in (vm, client, other):
        sh("ip link set lo up", ns)
    root = build_root()
    qdb = Qdb(f"{root}/run/qubes")
    link_client(vm, client, 5, 5)
    link_client(vm, other, 6, 6)
    first = Daemon(vm, "netvm-prepare", f"{work}/netvmd.log")
    report(first.p.wait(10) == 0 and
           "10.139.1.1/32" in sh("ip addr show dev lo", vm) and
           "sysqube-uplink" in sh("nft list tables", vm),
           "the preparation closes the VM before anything else runs")
    dns = Daemon(vm, "dnsmasq", f"{work}/dnsmasq.log")
    netvmd = Daemon(vm, "netvmd", f"{work}/netvmd.log")
    v = qdb.wait(STATUS, lambda v: v.startswith("down"))
    report(v == "down no interface", "without a card the status says so", v)
    check_confined(netvmd)
    internet(vm, work)
    v = qdb.wait(STATUS, lambda v: "eth0" in v)
    report(v == "down no address on eth0", "a card that appears is seen", v)
    sysctl(vm, "ipv4/ip_forward", 1)
    sysctl(vm, "ipv6/conf/all/forwarding", 1)
    t0 = time.monotonic()
    dhcp = Daemon(vm, "netvm-dhcp", f"{work}/dhcp.log")
    lease = check_lease(t0)
    users = sorted(proc_status(p)["Uid"].split()[0]
                   for p in [dhcp.p.pid] + children_of(dhcp.p.pid))
    report(users.count("0") == 1 and users.count("104") >= 3,
           "dhcpcd runs as user dhcpcd beside one root process", str(users))
    st = proc_status(dns.p.pid)
    report(dns.alive() and st["Uid"].split()[0] == "103" and
           int(st["CapEff"], 16) == 1 << 10,
           "dnsmasq runs as uid 103 with CAP_NET_BIND_SERVICE")
    check_dns(client)
    check_tcp(client, lease)
    check_closed(vm, client, other, lease)
    check_forwards(vm, client, lease)
    netvmd = check_restart(vm, netvmd, work, client, lease)
    check_garbage(netvmd)
    check_carrier(vm, client, dns, lease)
    netvmd = check_static(vm, netvmd, dhcp, work,
                          client)
    report(netvmd.alive() and dns.alive(), "netvmd and dnsmasq still run")


def main():
    if os.geteuid() != 0:
        cannot("needs root")
    for b in ("netvmd", "netvm-dhcp", "netvm-dhcp-hook"):
        if not os.path.exists(f"{BUILD}/bin/{b}"):
            cannot(f"{b} is not built")
    for b in ("dhcpcd", "dnsmasq", "ip", "nft", "setpriv", "ping"):
        if not shutil.which(b, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            cannot(f"{b} is not installed")
    inside()
    work = tempfile.mkdtemp(prefix="sq40log.")
    try:
        scene(work)
    except Exception as e:  # the test's own fault is a failure, too
        report(False, f"the test itself: {type(e).__name__}: {e}")
    if failures():
        for name in ("netvmd", "dhcp", "dnsmasq", "internet"):
            if os.path.exists(f"{work}/{name}.log"):
                for line in open(f"{work}/{name}.log", errors="replace"):
                    print(f"# {name}: {line.rstrip()}")
    drop_root(root)
    shutil.rmtree(work, ignore_errors=True)
    finish()


if __name__ == "__main__":
    main()
