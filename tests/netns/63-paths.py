#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Port forwards and qube to qube, over the whole chain on the netns platform,
with two FirewallVMs: deep behind inner behind sys-firewall behind sys-net,
work and untrusted behind sys-firewall. What is declared passes, in both
families, through every VM on the way; what is not is dropped, and a
connection ends with its line."""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import (BUILD, Chain, cannot, finish, need_root, ok,  # noqa: E402
                 sh, wait_until)

SERVER = """
import socket, sys, threading
def answer(c, peer):
    while c.recv(100):
        c.sendall(peer[0].removeprefix("::ffff:").encode() + b" ")
def tcp(port):
    s = socket.create_server(("::", port), family=socket.AF_INET6,
                             dualstack_ipv6=True)
    while True:
        threading.Thread(target=answer, args=s.accept(), daemon=True).start()
def udp(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", port))
    while True:
        data, peer = s.recvfrom(100)
        s.sendto(peer[0].removeprefix("::ffff:").encode() + b" ", peer)
for port in (7000, 7001):
    threading.Thread(target=tcp, args=(port,), daemon=True).start()
    threading.Thread(target=udp, args=(port,), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""
ASK = """
import socket, sys
kind, to, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET,
                  socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.settimeout(1.5)
try:
    s.connect((to, port))
    s.sendall(b"x")
    print(s.recv(100).decode().strip())
except OSError as e:
    print("failed", e)
"""
# Keeps one connection and asks once for each line of its input.
HOLD = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
s.settimeout(1.5)
for line in sys.stdin:
    try:
        s.sendall(b"x")
        print("alive" if s.recv(100) else "closed", flush=True)
    except OSError as e:
        print("dead", e, flush=True)
print("end", flush=True)
"""


def sysqube(chain, *words, status=0):
    """A command that must end so. @return CompletedProcess"""
    done = chain.sysqube(*words)
    ok(done.returncode == status, " ".join(words),
       done.stdout + done.stderr)
    return done


def ask(pid, kind, to, port):
    """One request from the network of a process. @return the address the
    server saw, or 'failed ...'"""
    return subprocess.run(["nsenter", "-t", str(pid), "-n", sys.executable,
                           "-c", ASK, kind, to, str(port)], check=False,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


def expect(pid, kind, to, port, want, text):
    """The answer is or becomes as wanted: an address, or None for none."""
    def good():
        got = ask(pid, kind, to, port)
        return got == want if want else got.startswith("failed")
    ok(wait_until(good, 8), text, ask(pid, kind, to, port))


class Held:
    """A connection that is kept."""

    def __init__(self, pid, to, port):
        self.proc = subprocess.Popen(
            ["nsenter", "-t", str(pid), "-n", sys.executable, "-c", HOLD, to,
             str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)

    def alive(self):
        """Does it still answer?"""
        self.proc.stdin.write("\n")
        self.proc.stdin.flush()
        return self.proc.stdout.readline().startswith("alive")

    def end(self):
        """Let it go."""
        self.proc.kill()
        self.proc.wait()


class Set:
    """The set, and what the tests need of it."""

    def __init__(self, chain):
        self.chain = chain
        self.internet = int((chain.run / "internet.pid").read_text())
        self.pid = {q["name"]: q["pid"]
                    for q in chain.json("status")["qubes"]}
        self.ip4 = {n: chain.qube(n)["address"] for n in self.pid}
        self.ip6 = {n: chain.qube(n)["address6"] for n in self.pid}
        text = chain.qube("sys-net")["status"]["/sysqube-status/uplink"]
        self.uplink4 = re.match(r"up \S+ ([\d.]+)/", text).group(1)
        found = wait_until(lambda: re.search(
            r"inet6 (\S+)/", chain.qube("sys-net")["status"].get(
                "/qubes-netvm-external-ip", "")) or self.global6(), 10)
        self.uplink6 = found.group(1)
        self.servers = []
        for name in ("work", "untrusted", "deep"):
            proc = chain.start_at(name, sys.executable, "-c", SERVER,
                                  stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
            proc.stdout.readline()
            self.servers.append(proc)

    def global6(self):
        """sys-net's IPv6 address at the uplink."""
        text = sh("ip -6 -o addr show dev eth0 scope global",
                  self.pid["sys-net"])
        return re.search(r"inet6 (\S+)/", text)

    def end(self):
        """End the servers."""
        for proc in self.servers:
            proc.stdin.close()
            proc.wait(5)


def rules_of(chain, at, table="sysqube-firewall"):
    """A table as text."""
    return sh(f"nft list table inet {table}", chain.qube(at)["pid"])


def test_forward(s, qube, port, far):
    """A port of the uplink to a qube and back. @param far: how many VMs"""
    net = s.internet
    sysqube(s.chain, "forward", "add", qube, "tcp", str(port), "7000")
    sysqube(s.chain, "forward", "add", qube, "udp", str(port), "7001")
    expect(net, "tcp", s.uplink4, port, "192.0.2.1",
           f"TCP to {qube} through {far} VMs, with its true source")
    expect(net, "udp", s.uplink4, port, "192.0.2.1", "and UDP")
    expect(net, "tcp", s.uplink6, port, "2001:db8:1::1", "and over IPv6")
    expect(net, "tcp", s.uplink4, 7000, None,
           "another port of the uplink stays closed")
    held = Held(net, s.uplink4, port)
    ok(held.alive(), "a forwarded connection lives")
    listed = sysqube(s.chain, "forward", "list").stdout
    ok(re.search(rf"sys-net +tcp +{port} +- +{qube} +7000 +applied", listed),
       "the list shows it and what the NetVM says", listed)
    sysqube(s.chain, "forward", "del", qube, "tcp", str(port))
    ok(wait_until(lambda: not held.alive(), 8), "it ends with its forward")
    held.end()
    expect(net, "tcp", s.uplink4, port, None, "and no new one comes in")
    expect(net, "udp", s.uplink4, port, "192.0.2.1", "the other stays")
    sysqube(s.chain, "forward", "del", qube, "udp", str(port))
    expect(net, "udp", s.uplink4, port, None, "until it goes, too")


def test_from(s):
    """A forward for some sources only."""
    sysqube(s.chain, "forward", "add", "work", "tcp", "8080", "7000", "from",
            "203.0.113.0/24")
    expect(s.internet, "tcp", s.uplink4, 8080, None,
           "a source outside of from= does not come in")
    sysqube(s.chain, "forward", "del", "work", "tcp", "8080")
    sysqube(s.chain, "forward", "add", "work", "tcp", "8080", "7000", "from",
            "192.0.2.0/24")
    expect(s.internet, "tcp", s.uplink4, 8080, "192.0.2.1",
           "one inside of it does")
    sysqube(s.chain, "forward", "del", "work", "tcp", "8080")
    done = sysqube(s.chain, "forward", "add", "work", "tcp", "8080",
                   status=1)
    ok("Forward=" in done.stderr, "a wrong line is refused", done.stderr)


def test_reach(s, a, b, port):
    """One qube to another, one way, one port."""
    src, dst = s.pid[a], (s.ip4[b], s.ip6[b])
    for to in dst:
        expect(src, "tcp", to, port, None, f"{a} does not reach {b} at {to}")
    sysqube(s.chain, "reach", "add", a, b, "tcp", str(port))
    expect(src, "tcp", dst[0], port, s.ip4[a], f"with its line {a} does")
    expect(src, "tcp", dst[1], port, s.ip6[a], "over IPv6 as well")
    expect(src, "udp", dst[0], port, None, "not by another protocol")
    expect(src, "tcp", dst[0], 15001 - port, None, "not at another port")
    expect(s.pid[b], "tcp", s.ip4[a], port, None, "nor the other way")
    held = Held(src, dst[0], port)
    ok(held.alive(), "a connection between them lives")
    sysqube(s.chain, "reach", "del", a, b)
    ok(wait_until(lambda: not held.alive(), 8), "and ends with the line")
    held.end()
    expect(src, "tcp", dst[0], port, None, "no new one is let through")


def test_life(s):
    """A line counts while both run."""
    sysqube(s.chain, "reach", "add", "work", "untrusted", "any")
    expect(s.pid["work"], "udp", s.ip4["untrusted"], 7000, s.ip4["work"],
           "any: UDP too")
    s.chain.sysqube("down", "untrusted")
    ok(not any(s.ip4["untrusted"] in v for k, v in s.chain.json(
        "keys", "sys-firewall")["desired"].items() if "/edge" in k),
       "the edge goes with the qube")
    sysqube(s.chain, "reach", "del", "work", "untrusted")


def main():
    need_root()
    for name in ("netvm", "firewallvm", "testqube"):
        if not (BUILD / "images" / name / "root/init").exists():
            cannot(f"the tree of image {name} is not built")
    with Chain() as chain:
        etc = chain.etc / "qubes"
        (etc / "sys-usb.conf").unlink()
        (etc / "inner.conf").write_text(
            "[Qube]\nKind=firewallvm\nImage=firewallvm\n"
            "NetVM=sys-firewall\n")
        (etc / "deep.conf").write_text(
            "[Qube]\nKind=qube\nImage=testqube\nNetVM=inner\n")
        text = (etc / "untrusted.conf").read_text()
        (etc / "untrusted.conf").write_text(text.split("[Firewall]")[0])
        done = chain.sysqube("up")
        ok(done.returncode == 0 and "warning" not in done.stderr,
           "the set comes up", done.stderr[-600:])
        s = Set(chain)
        test_forward(s, "work", 8080, 2)
        test_forward(s, "deep", 8081, 3)
        test_from(s)
        test_reach(s, "work", "untrusted", 7000)
        test_reach(s, "work", "deep", 7001)
        test_reach(s, "deep", "work", 7000)
        test_life(s)
        s.end()
        chain.sysqube("down")
    finish()


if __name__ == "__main__":
    main()
