#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two FirewallVMs in one chain, and a running qube that gets another netvm.

work is behind inner behind sys-firewall behind sys-net; a packet passes when
both firewalls' lists accept it. Then work moves between inner and
sys-firewall while it sends without a pause: no packet may pass that its list
of that moment does not accept, nothing of it may stay where it was."""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import (BUILD, Chain, cannot, finish, need_root, ok,  # noqa: E402
                 sh, wait_until)

DST = "198.51.100.10"
DST6 = "2001:db8:100::10"
FLOOD = f"""
import socket, time
socks = []
for family, to in ((socket.AF_INET, "{DST}"), (socket.AF_INET6, "{DST6}")):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setblocking(False)
    socks.append((s, to))
print("ready", flush=True)
end = time.monotonic() + 60
port = 20000
while time.monotonic() < end:
    for s, to in socks:
        try:
            s.sendto(b"x", (to, port))
        except OSError:
            pass
    port = 20000 + (port - 19999) % 1000
    time.sleep(0.0005)
"""


def firewall(chain, *words, status=0, text=None):
    done = subprocess.run(
        [str(BUILD / "bin/sysqube"), "--socket",
         str(chain.run / "control.sock"), "firewall", *words],
        check=False, input=text, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=60)
    ok(done.returncode == status, "firewall " + " ".join(words),
       done.stdout + done.stderr)
    return done


def open_ports(chain, qube="work"):
    """Which of the two ports answer, as "80/4 8080/4 80/6 8080/6"."""
    got = []
    for what, to in (("4", DST), ("6", DST6)):
        for port in ("80", "8080"):
            done = chain.inside(qube, "/usr/bin/probe", "tcp", to, port,
                                "1000")
            if done.stdout.split()[:1] == ["open"]:
                got.append(f"{port}/{what}")
    return " ".join(got)


def expect(chain, want, text, qube="work"):
    # IPv6 of the uplink is usable a moment after IPv4
    wait_until(lambda: open_ports(chain, qube) == want, 10)
    got = open_ports(chain, qube)
    ok(got == want, text, f"{got}, expected {want}")


def netvm(chain, name, to, status=0):
    done = chain.sysqube("netvm", name, to)
    ok(done.returncode == status and "warning" not in done.stderr,
       f"netvm {name} {to}", done.stdout + done.stderr)
    return done


def addresses(chain, name="work"):
    qube = chain.qube(name)
    return [qube[k] for k in ("address", "address6") if qube[k]]


def traces(chain, at, name="work"):
    """What a VM still knows of a qube: keys, status, kernel."""
    found = []
    told = chain.json("keys", at)
    for ip in addresses(chain, name):
        for part in ("desired", "status"):
            found += [k for k, v in told[part].items()
                      if ip in (k + " " + v).replace("/", " ").split()
                      and not k.startswith("/connected-ips")
                      and "/firewall-log/" not in k]
        pid = chain.qube(at)["pid"]
        for table in ("sysqube-firewall", "sysqube-vif"):
            text = sh(f"nft list table inet {table}", pid, check=False)
            if re.search(rf"(?<![0-9a-f:.]){re.escape(ip)}(?![0-9a-f:.])",
                         text):
                found.append(f"{ip} in {table}")
    return found


def gone(chain, text, at, name="work"):
    """In a moment nothing is left, at the latest."""
    ok(wait_until(lambda: not traces(chain, at, name), 5), text,
       str(traces(chain, at, name)))


def test_two(chain):
    """Both lists count, whichever forbids."""
    done = chain.sysqube("up")
    ok(done.returncode == 0 and "warning" not in done.stderr,
       "a chain with two firewallvms comes up", done.stderr[-600:])
    expect(chain, "80/4 8080/4 80/6 8080/6", "all passes through both")
    firewall(chain, "apply", "work", "-", text="accept proto=tcp dstports=80\ndrop\n")
    expect(chain, "80/4 80/6", "the inner list counts")
    firewall(chain, "apply", "work", "-", text="accept\n")
    firewall(chain, "apply", "inner", "-", text="accept proto=tcp dstports=8080\ndrop\n")
    expect(chain, "8080/4 8080/6", "the outer one, which is inner's, as well")
    told = chain.qube("sys-firewall")["status"]
    ok(all(f"/sysqube-status/firewall/{ip}" in told
           for ip in addresses(chain)),
       "the outer firewall reports the qube behind the inner one", str(told))
    expect(chain, "80/4 8080/4 80/6 8080/6", "a qube beside it is not meant",
           "untrusted")
    firewall(chain, "reload", "inner")
    firewall(chain, "reset", "inner")


def flood(chain):
    proc = chain.start_at("work", sys.executable, "-c", FLOOD,
                          stdout=subprocess.PIPE)
    proc.stdout.readline()
    return proc


def counted(pid):
    """Packets of the flood that reached the internet, rule by rule."""
    text = sh("nft list table inet sq-count", pid)
    return [int(n) for n in re.findall(r"counter packets (\d+)", text)]


def count_at(pid):
    sh(["nft", """table inet sq-count {
    chain in {
        type filter hook prerouting priority -300;
        udp dport 20000-20499 counter
        udp dport 20500-20999 counter
    }
}"""], pid)


def test_move(chain):
    """Moves under load: only the lower half of the ports is allowed in the
    list of now; older lists allowed the upper half, too."""
    internet = int((chain.run / "internet.pid").read_text())
    expect(chain, "80/4 8080/4 80/6 8080/6", "before the move all passes")
    netvm(chain, "work", "sys-firewall")
    expect(chain, "80/4 8080/4 80/6 8080/6", "and after it")
    gone(chain, "nothing of it is left in the old netvm", "inner")
    netvm(chain, "work", "inner")
    # both have had an open list of work; now one that is half closed
    conf = chain.etc / "qubes/work.conf"
    firewall(chain, "apply", "work", "-",
             text="accept proto=udp dstports=20000-20499\naccept proto=tcp dstports=80\ndrop\n")
    proc = flood(chain)
    count_at(internet)
    for i in range(6):
        before = counted(internet)[0]
        netvm(chain, "work", ("sys-firewall", "inner")[i % 2])
        wait_until(lambda: counted(internet)[0] > before + 100, 10)
    good, bad = counted(internet)
    ok(bad == 0 and good > 600, f"under load no packet passed that the list "
       f"forbids ({good} that it allows did)", f"{bad} did")
    # from half open to closed, in the same moment as the netvm
    conf.write_text(re.sub(r"(?m)^Rule=action=accept dstports=20000.*\n|"
                           r"^Rule=action=accept proto=udp.*\n", "",
                           conf.read_text()).replace("NetVM=inner",
                                                     "NetVM=sys-firewall"))
    sh("nft flush chain inet sq-count in", internet)
    sh("nft add rule inet sq-count in udp dport 20000-20999 counter",
       internet)
    firewall(chain, "reload", "work")
    before = counted(internet)[0]
    ok(wait_until(lambda: chain.qube("work")["ready"], 10),
       "a NetVM= that was edited by hand is followed at reload")
    ok(wait_until(lambda: open_ports(chain) == "80/4 80/6", 10),
       "with the new list", open_ports(chain))
    ok(counted(internet)[0] == before, "and no packet under the older one",
       str(counted(internet)))
    proc.kill()
    proc.wait()
    sh("nft delete table inet sq-count", internet)


def test_edges(chain):
    """To nowhere and back, to one that does not run, to a wrong one."""
    netvm(chain, "work", "none")
    ok(open_ports(chain) == "", "without a netvm nothing passes")
    gone(chain, "and nothing is left", "sys-firewall")
    done = netvm(chain, "work", "nosuch", status=1)
    ok("there is no such qube" in done.stderr and "NetVM=none" in
       (chain.etc / "qubes/work.conf").read_text(),
       "a wrong name is refused and the file kept", done.stderr)
    chain.sysqube("down", "inner")
    netvm(chain, "work", "inner")
    expect(chain, "80/4 80/6", "a netvm that does not run is started for it")


def test_whole(chain):
    """A firewall moves with all that is behind it."""
    (chain.etc / "qubes/outer2.conf").write_text(
        "[Qube]\nKind=firewallvm\nLabel=green\nImage=firewallvm\n"
        "NetVM=sys-net\nIPv6=no\n")
    firewall(chain, "apply", "inner", "-", text="accept proto=tcp dstports=80\ndrop\n")
    netvm(chain, "inner", "outer2")
    ok(wait_until(lambda: chain.qube("work")["ready"], 10),
       "what is behind it is plugged in again, as its addresses changed")
    expect(chain, "80/4", "a firewall moves to one without IPv6")
    for name in ("inner", "work"):
        gone(chain, f"nothing of {name} is left in the old one",
             "sys-firewall", name)
    netvm(chain, "inner", "sys-firewall")
    expect(chain, "80/4 80/6", "and back")


def main():
    need_root()
    for name in ("netvm", "firewallvm", "testqube"):
        if not (BUILD / "images" / name / "root/init").exists():
            cannot(f"the tree of image {name} is not built")
    with Chain() as chain:
        (chain.etc / "qubes/sys-usb.conf").unlink()
        (chain.etc / "qubes/inner.conf").write_text(
            "[Qube]\nKind=firewallvm\nLabel=green\nImage=firewallvm\n"
            "NetVM=sys-firewall\n")
        conf = chain.etc / "qubes/work.conf"
        conf.write_text(conf.read_text().replace("NetVM=sys-firewall",
                                                 "NetVM=inner"))
        firewall(chain, "reset", "work")
        test_two(chain)
        test_move(chain)
        test_edges(chain)
        test_whole(chain)
        chain.sysqube("down")
    finish()


if __name__ == "__main__":
    main()
