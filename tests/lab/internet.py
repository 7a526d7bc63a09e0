# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's internet: what stands at the other end of NetVM's NIC.

Kind: effect. Lives in the network namespace that sandbox.py made, so nothing
of it touches the machine's own network: a tap that QEMU's NIC hangs on,
dnsmasq for DHCPv4, router advertisements, DHCPv6 and the name server.test,
two servers' addresses on lo, an HTTP server on each, and a listener that
keeps every packet that leaves NetVM. Fed by NetVM (a test guest).

The addresses are those reserved for documentation.
"""
import collections
import http.server
import ipaddress
import os
import signal
import socket
import struct
import subprocess
import threading
import time

import sandbox

TAP = "uplink0"
GATEWAY4, GATEWAY6 = "192.0.2.1", "2001:db8:1::1"
LAN4, LAN6 = "192.0.2.0/24", "2001:db8:1::/64"
NAME = "server.test"
SERVER4, SERVER6 = "198.51.100.10", "2001:db8:100::10"
OTHER_NAME = "other.lab.test"
OTHER4, OTHER6 = "198.51.100.11", "2001:db8:100::11"
PORTS = (80, 8080)
SINK_PORT = 9000
# Datagrams to these are kept by their numbers (udp-load).
UDP_PORTS = (7001, 7002, 7003, 7004)
BODY = b"a page of the lab's internet\n"

Packet = collections.namedtuple(
    "Packet", "at out src dst proto sport dport")
Fetch = collections.namedtuple("Fetch", "at client server port path")

PROTO_ICMP, PROTO_TCP, PROTO_UDP, PROTO_ICMP6 = 1, 6, 17, 58
EXT_HOP, EXT_ROUTING, EXT_FRAGMENT, EXT_DST = 0, 43, 44, 60


def behind_extensions(proto, body):
    """(protocol, bytes) behind the extension headers of an IPv6 packet."""
    while (proto in (EXT_HOP, EXT_ROUTING, EXT_FRAGMENT, EXT_DST)
           and len(body) >= 8):
        size = 8 if proto == EXT_FRAGMENT else 8 * (body[1] + 1)
        proto, body = body[0], body[size:]
    return proto, body


def parse_frame(frame):
    """(src, dst, proto, sport, dport) of an Ethernet frame with IP, or None.
    For ICMP the type stands in sport; IPv6 extension headers are skipped."""
    if len(frame) < 34:
        return None
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == 0x0800:
        head = (frame[14] & 15) * 4
        proto, src, dst = frame[23], frame[26:30], frame[30:34]
        body = frame[14 + head:]
    elif kind == 0x86dd and len(frame) >= 54:
        src, dst = frame[22:38], frame[38:54]
        proto, body = behind_extensions(frame[20], frame[54:])
    else:
        return None
    sport = dport = 0
    if proto in (PROTO_TCP, PROTO_UDP) and len(body) >= 4:
        sport, dport = struct.unpack_from("!HH", body)
    elif proto in (PROTO_ICMP, PROTO_ICMP6) and body:
        sport = body[0]
    return (str(ipaddress.ip_address(src)), str(ipaddress.ip_address(dst)),
            proto, sport, dport)


class Listener:
    """Keeps all packets seen at the tap, and a capture file for people."""

    PACKETS_MAX = 200000

    def __init__(self, capture_path):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                  socket.htons(3))
        self.sock.bind((TAP, 0))
        self.packets = collections.deque(maxlen=self.PACKETS_MAX)
        self.capture = open(capture_path, "wb")  # closed with the process
        self.capture.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0,
                                       65535, 1))
        threading.Thread(target=self._loop, daemon=True).start()

    def _loop(self):
        while True:
            try:
                frame, address = self.sock.recvfrom(65535)
            except OSError:  # the tap is down until QEMU opens it
                time.sleep(0.2)
                continue
            now, wall = time.monotonic(), time.time()
            self.capture.write(struct.pack(
                "<IIII", int(wall), int(wall % 1 * 1e6), len(frame),
                len(frame)) + frame)
            self.capture.flush()
            fields = parse_frame(frame)
            if fields:
                self.packets.append(Packet(now, address[2] == 4, *fields))

    def from_netvm(self, since, **want):
        """Packets that came from NetVM since then and match all of want."""
        return [p for p in list(self.packets) if not p.out and p.at >= since
                and all(getattr(p, k) == v for k, v in want.items())]


class HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, port, fetches):
        self.address_family = (socket.AF_INET6 if ":" in address
                               else socket.AF_INET)
        self.fetches = fetches
        super().__init__((address, port), HttpHandler)


class HttpHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server.server_address
        self.server.fetches.append(Fetch(
            time.monotonic(), self.client_address[0], server[0], server[1],
            self.path))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        """Quiet: the fetches are kept in the list."""


class Sink:
    """A TCP port that notes when each line arrives, for live connections."""

    def __init__(self, address, port):
        self.lines = []
        self.sock = socket.create_server((address, port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            peer, _ = self.sock.accept()
            threading.Thread(target=self._read, args=(peer,),
                             daemon=True).start()

    def _read(self, peer):
        with peer:
            try:
                while data := peer.recv(4096):
                    self.lines += [time.monotonic()] * data.count(b"\n")
            except OSError:
                pass  # reset by the other end: nothing more arrives

    def since(self, begin):
        return [at for at in list(self.lines) if at >= begin]


class UdpSink:
    """UDP ports that keep the numbers of what arrives: {(address, port):
    [(at, number)]}."""

    def __init__(self, addresses, ports):
        self.arrived = {}
        for address in addresses:
            for port in ports:
                sock = socket.socket(
                    socket.AF_INET6 if ":" in address else socket.AF_INET,
                    socket.SOCK_DGRAM)
                sock.bind((address, port))
                kept = self.arrived[address, port] = []
                threading.Thread(target=self._read, args=(sock, kept),
                                 daemon=True).start()

    @staticmethod
    def _read(sock, kept):
        while True:
            data = sock.recv(64)
            if data.isdigit():
                kept.append((time.monotonic(), int(data)))

    def numbers(self, address, port, since):
        return [n for at, n in list(self.arrived[address, port])
                if at >= since]


class Internet:
    def __init__(self, folder):
        self.folder = folder
        self.fetches = []
        self.listener = None
        self.sink = None
        self.datagrams = None
        self.dnsmasq = None

    def start(self):
        self._addresses()
        self.listener = Listener(os.path.join(self.folder, "uplink.pcap"))
        for address in (SERVER4, SERVER6, OTHER4, OTHER6):
            for port in PORTS:
                server = HttpServer(address, port, self.fetches)
                threading.Thread(target=server.serve_forever,
                                 daemon=True).start()
        self.sink = Sink(SERVER4, SINK_PORT)
        self.datagrams = UdpSink((SERVER4, SERVER6), UDP_PORTS)
        self._dnsmasq()

    @staticmethod
    def _addresses():
        def ip(*words):
            subprocess.run(["ip", *words], check=True)
        ip("tuntap", "add", "dev", TAP, "mode", "tap")
        ip("link", "set", TAP, "addrgenmode", "none")
        for address in (SERVER4 + "/32", OTHER4 + "/32",
                        SERVER6 + "/128", OTHER6 + "/128"):
            ip("address", "add", address, "dev", "lo")
        for address in (GATEWAY4 + "/24", GATEWAY6 + "/64", "fe80::1/64"):
            extra = ["nodad"] if ":" in address else []
            ip("address", "add", address, "dev", TAP, *extra)
        ip("link", "set", TAP, "up")

    def _dnsmasq(self):
        lines = [
            "no-daemon", "no-resolv", "no-hosts", "no-ping", "user=root",
            "bind-dynamic", f"interface={TAP}", "except-interface=lo",
            "pid-file=", "log-dhcp", "log-queries", "dhcp-authoritative",
            f"dhcp-leasefile={self.folder}/leases",
            "dhcp-range=192.0.2.100,192.0.2.150,255.255.255.0,1h",
            f"dhcp-option=option:router,{GATEWAY4}",
            f"dhcp-option=option:dns-server,{GATEWAY4}",
            "enable-ra", "ra-param=%s,5,600" % TAP,
            "dhcp-range=2001:db8:1::100,2001:db8:1::1ff,slaac,64,1h",
            f"dhcp-option=option6:dns-server,[{GATEWAY6}]",
            "local=/test/", f"host-record={NAME},{SERVER4},{SERVER6}",
            f"host-record={OTHER_NAME},{OTHER4},{OTHER6}",
        ]
        conf = os.path.join(self.folder, "dnsmasq.conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        with open(os.path.join(self.folder, "dnsmasq.log"), "wb") as log:
            self.dnsmasq = subprocess.Popen(
                ["dnsmasq", "--conf-file=" + conf], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=sandbox.die_with_parent)
        time.sleep(0.5)
        if self.dnsmasq.poll() is not None:
            with open(os.path.join(self.folder, "dnsmasq.log"),
                      encoding="utf-8") as file:
                raise RuntimeError("dnsmasq ended: " + file.read())

    def log(self):
        with open(os.path.join(self.folder, "dnsmasq.log"),
                  encoding="utf-8", errors="replace") as file:
            return file.read()

    def leases(self):
        """Addresses given out by DHCPv4, from the lease file."""
        try:
            with open(os.path.join(self.folder, "leases"),
                      encoding="ascii") as file:
                rows = [line.split() for line in file]
        except FileNotFoundError:
            return []
        return [row[2] for row in rows if len(row) >= 4 and "." in row[2]]

    def fetched(self, since, **want):
        return [f for f in list(self.fetches) if f.at >= since
                and all(getattr(f, k) == v for k, v in want.items())]

    def stop(self):
        if self.dnsmasq is not None and self.dnsmasq.poll() is None:
            self.dnsmasq.send_signal(signal.SIGTERM)
            self.dnsmasq.wait(5)
