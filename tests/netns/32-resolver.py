#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""firewallvmd's resolver process against a hostile DNS server, in a network
namespace of its own; the test plays the worker, in records."""
import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys
import threading

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(
    __file__))))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
OK, NODATA, NXDOMAIN, FAILED = range(4)
bad = 0
if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:
    print("skip - no network namespace")
    sys.exit(0)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
os.makedirs("/var/empty", exist_ok=True)
ports = []


def rr(owner, kind, ttl, data):
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def reply(d, tcp):
    """Bytes of the answer to question d, or None for silence."""
    e = d.index(0, 12) + 5
    what = d[13:13 + d[12]].decode()
    q, own, one = d[12:e], b"\xc0\x0c", bytes([192, 0, 2, 7])
    ident, flags, rrs = d[:2], 0x8180, [rr(own, 1, 300, one)]
    if what == "silent":
        return None
    if what == "lying":
        ident = bytes([d[0] ^ 1, d[1]])
    if what == "other":
        q = b"\x05wrong" + q[1 + q[0]:]
    if what == "loop":
        rrs = [rr(own, 5, 60, own)]
    if what == "nx":
        flags, rrs = 0x8183, []
    if what == "zero":
        rrs = [rr(own, 1, 0, one)]
    if what == "top":
        rrs = [rr(own, 1, 1 << 31, one)]
    if what == "huge":
        if not tcp:
            flags, rrs = 0x8380, []
        else:
            rrs = [rr(own, 1, 60, bytes([198, 51, i, 9])) for i in range(200)]
    return ident + struct.pack(">HHHHH", flags, 1, len(rrs), 0, 0) + q + \
        b"".join(rrs)


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 53))
    t = socket.socket()
    t.bind(("127.0.0.1", 53))
    t.listen(8)

    def over_tcp():
        while True:
            c = t.accept()[0]
            n = struct.unpack(">H", c.recv(2))[0]
            a = reply(c.recv(n), True)
            c.sendall(struct.pack(">H", len(a)) + a)
            c.close()

    def over_udp():
        while True:
            d, peer = s.recvfrom(4096)
            ports.append(peer[1])
            a = reply(d, False)
            if a:
                s.sendto(a, peer)
    for f in (over_udp, over_tcp):
        threading.Thread(target=f, daemon=True).start()


def request(kind, ident, serial, family, body=b""):
    sock.send((struct.pack("<IIIBBBB", kind, ident, serial, family, 0, 0, 0)
               + body).ljust(272, b"\0"))


def servers():
    request(1, 0, 0, 0, bytes([1, 4, 127, 0, 0, 1]) + bytes(46))


def answer():
    d = sock.recv(4096)
    kind, ident, serial, family, status, n, _ = struct.unpack("<IIIBBBB",
                                                              d[:16])
    return kind, ident, serial, status, n, struct.unpack("<I", d[16:20])[0]


def check(ok, text, more=""):
    global bad
    bad += not ok
    print(f"{'ok' if ok else 'not ok'} - {text} {'' if ok else more}")


udp()
sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.settimeout(30)
proc = subprocess.Popen([BUILD + "/bin/firewallvmd", "resolver"],
                        close_fds=False,
                        preexec_fn=lambda: os.dup2(theirs.fileno(), 3))
theirs.close()
sock.send(b"\0")  # no queue of answers
check(answer()[0] == 65, "the resolver says hello")
servers()
CASES = [("plain", OK, 1, 300), ("zero", OK, 1, 0), ("top", OK, 1, 0),
         ("huge", OK, 64, 60), ("nx", NXDOMAIN, 0, 0), ("loop", FAILED, 0, 0),
         ("silent", FAILED, 0, 0), ("lying", FAILED, 0, 0),
         ("other", FAILED, 0, 0)]
for i, c in enumerate(CASES):
    request(2, i, i + 50, 4, c[0].encode() + b".example.org")
got = {a[1]: a for a in (answer() for _ in CASES)}
for i, c in enumerate(CASES):
    check(got.get(i) == (66, i, i + 50, c[1], c[2], c[3]),
          f"a server that is {c[0]}", got.get(i))
check(len(set(ports)) >= len(CASES), "each question has its own port")
with open(f"/proc/{proc.pid}/task/{proc.pid}/children") as f:
    inner = int(f.read())
os.kill(inner, signal.SIGKILL)
check(answer()[0] == 68, "killed, that is told")
check(answer()[0] == 65, "it begins anew")
servers()
request(2, 3, 4, 4, b"plain.example.org")
check(answer() == (66, 3, 4, OK, 1, 300), "and answers again")
sock.close()
check(proc.wait(10) == 0, "it ends with the worker")
sys.exit(1 if bad else 0)
