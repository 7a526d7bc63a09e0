#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole chain on the netns platform, with the images' own trees: work and
untrusted behind sys-firewall behind sys-net, before an internet with DHCP,
names and web servers. What the orchestrator promises is tried on packets."""
import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import (BUILD, Chain, alive, cannot, finish, need_root,  # noqa: E402
                 ok, wait_until)

PAGE = "a page of the demo's internet"
DST = "198.51.100.10"
DST6 = "2001:db8:100::10"
RESOLVERS = ["10.139.1.1", "10.139.1.2", "fd09:24ef:4179::a8b:101"]
NAMES = ["sys-net", "sys-usb", "sys-firewall", "untrusted", "work"]


def need_build():
    """Programs and trees must have been built."""
    for name in ("sysqubed", "sysqube", "sysqube-qdb"):
        if not (BUILD / "bin" / name).exists():
            cannot(f"{name} is not built")
    for name in ("netvm", "firewallvm", "usbvm", "testqube"):
        if not (BUILD / "images" / name / "root/init").exists():
            cannot(f"the tree of image {name} is not built")


def probe(chain, qube, what, seconds=2):
    """One try. @return the probe's first word: open, refused, timeout ..."""
    result = chain.inside(qube, "/usr/bin/probe", *what.split(),
                          str(seconds * 1000))
    return (result.stdout.split() or ["nothing"])[0]


def fetch(chain, qube, url):
    """Does the page come?"""
    done = chain.inside(qube, "/bin/busybox", "timeout", "4",
                        "/bin/busybox", "wget", "-q", "-O", "-", url)
    return PAGE in done.stdout


def test_up(chain):
    begun = time.monotonic()
    done = chain.sysqube("up")
    took = time.monotonic() - begun
    ok(done.returncode == 0 and "warning" not in done.stderr,
       f"up brings the whole set up ({took:.1f} s)",
       done.stderr[-600:])
    status = chain.json("status")["qubes"]
    ok([q["name"] for q in status] == NAMES,
       "status lists every qube, netvms first", str(status)[:200])
    ok(all(q["state"] == "running" and q["ready"] for q in status),
       "every qube runs and serves",
       str([(q["name"], q["state"], q["waiting_for"]) for q in status]))
    ok(not any(q["trouble"] for q in status), "no worker has trouble",
       str([(q["name"], q["trouble"]) for q in status]))
    table = chain.sysqube("status").stdout
    ok(all(name in table for name in NAMES) and "192.0.2." in table,
       "the table shows them and the uplink", table)
    uids = {os.stat(f"/proc/{q['worker_pid']}").st_uid for q in status}
    ok(len(uids) == len(status) and min(uids) >= 64000,
       "each domain has a worker with a uid of its own", str(uids))


def test_traffic(chain):
    resolv = chain.inside("work", "/bin/busybox", "cat",
                          "/run/resolv.conf").stdout
    ok(re.findall(r"nameserver (\S+)", resolv) == RESOLVERS,
       "a qube knows the resolvers of both families", resolv)
    for server in RESOLVERS:
        done = chain.inside("work", "/bin/busybox", "nslookup", "server.test",
                            server)
        ok(DST in done.stdout, f"the name resolves through {server}",
           done.stdout)
    ok(fetch(chain, "work", "http://server.test/"),
       "work fetches a page by name through both VMs")
    # the uplink's IPv6 address is usable a second after its IPv4 one
    ok(wait_until(lambda: fetch(chain, "work", f"http://[{DST6}]/"), 10),
       "and over IPv6")
    log = (chain.run / "internet.log").read_text()
    seen = set(re.findall(r"^fetch (\S+) ", log, re.M))
    ok(seen and not any(s.startswith(("10.13", "fd09")) for s in seen),
       "the server sees the uplink's addresses only", str(seen))
    ok(probe(chain, "work", f"ping {DST}") == "open" or
       chain.inside("work", "/bin/busybox", "ping", "-c1", "-W2",
                    DST).returncode == 0, "an echo comes back")


def change(chain, *words):
    """A firewall command. @return seconds it took; -1 on failure"""
    begun = time.monotonic()
    done = chain.sysqube("firewall", *words)
    ok(done.returncode == 0, "firewall " + " ".join(words),
       done.stdout + done.stderr)
    return time.monotonic() - begun


def test_rules(chain):
    tcp = f"tcp {DST} "
    change(chain, "reset", "work")
    ok(probe(chain, "work", tcp + "80") == "open",
       "after reset everything is open")
    took = change(chain, "add", "--before", "0", "work", "drop")
    got = [probe(chain, "work", w) for w in
           (tcp + "80", tcp + "8080", f"tcp {DST6} 80")]
    ok("open" not in got, f"drop is in force at return ({took * 1000:.0f} ms)",
       str(got))
    change(chain, "add", "--before", "0", "work", "accept", "proto=tcp",
           f"dst4={DST}", "dstports=80-80")
    ok(probe(chain, "work", tcp + "80") == "open",
       "accept of one port lets it through")
    got = [probe(chain, "work", w) for w in
           (tcp + "8080", f"tcp {DST6} 80")]
    ok("open" not in got, "and only that port", str(got))
    ping = ("/bin/busybox", "ping", "-c1", "-W2", DST)
    ok(chain.inside("work", *ping).returncode != 0,
       "an echo is dropped without a rule for it")
    change(chain, "add", "--before", "0", "work", "accept", "proto=icmp",
           "icmptype=8")
    ok(chain.inside("work", *ping).returncode == 0,
       "and follows its rule")
    change(chain, "del", "--rule-no", "0", "work")
    ok(chain.inside("work", *ping).returncode != 0,
       "del takes it back")
    change(chain, "add", "--before", "0", "work", "accept",
           "specialtarget=dns")
    for server in RESOLVERS:
        done = chain.inside("work", "/bin/busybox", "nslookup", "server.test",
                            server)
        ok(DST in done.stdout, f"specialtarget=dns means {server}",
           done.stdout)
    change(chain, "del", "--rule-no", "0", "work")
    listed = chain.sysqube("firewall", "list", "--raw", "work").stdout
    ok(listed.splitlines() == [
        f"action=accept dst4={DST}/32 proto=tcp dstports=80-80",
        "action=drop", "action=accept"], "list shows the list", listed)
    text = (chain.etc / "qubes/work.conf").read_text()
    ok("Image=testqube" in text and text.count("Rule=") == 3,
       "the qube's file is the one store", text)
    ok(fetch(chain, "untrusted", f"http://{DST}:8080/"),
       "the other qube noticed nothing")


def test_live_flow(chain):
    change(chain, "reset", "work")
    script = (f"import socket,sys\ns=socket.create_connection(('{DST}',8080),"
              "5)\ns.settimeout(3)\nprint('connected',flush=True)\n"
              "sys.stdin.readline()\n"
              "s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
              "try:\n  print('got' if s.recv(100) else 'closed')\n"
              "except OSError as e:\n  print('cut',e)\n")
    for rule, want in ((("drop", "dstports=1-79", "proto=tcp"), "got"),
                       (("drop", "dstports=8000-9000", "proto=tcp"), "cut")):
        flow = chain.start_at("work", sys.executable, "-c", script,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        flow.stdout.readline()
        change(chain, "add", "--before", "0", "work", *rule)
        out, _ = flow.communicate("\n", timeout=15)
        ok(out.startswith(want), f"a live flow is {want} after "
           f"'{' '.join(rule)}'", out)
    change(chain, "reset", "work")


def test_bad_requests(chain):
    before = (chain.etc / "qubes/work.conf").read_text()
    done = chain.sysqube("firewall", "add", "work", "accept", "proto=tcp",
                         "dstports=70000")
    ok(done.returncode == 1 and "70000" in done.stderr,
       "a wrong rule is refused and named", done.stderr)
    done = chain.sysqube("firewall", "add", "sys-usb", "drop")
    ok(done.returncode == 1 and "no firewall would enforce" in done.stderr,
       "a rule that nobody would enforce is refused", done.stderr)
    done = chain.sysqube("firewall", "del", "--rule-no", "7", "work")
    ok(done.returncode == 1 and "no such rule" in done.stderr,
       "a rule that is not there cannot go", done.stderr)
    ok((chain.etc / "qubes/work.conf").read_text() == before,
       "the file was not touched")
    bad = chain.etc / "qubes/bad.conf"
    bad.write_text("[Qube]\nKind=qube\nImage=nosuch\nNetVM=nowhere\n"
                   "Colour=red\n")
    done = chain.sysqube("up", "work")
    ok(done.returncode != 0 and "bad.conf:5:" in done.stderr and
       "bad.conf:4:" in done.stderr and "bad.conf:3:" in done.stderr,
       "up lists every error of the configuration with its line",
       done.stderr)
    done = chain.sysqube("check")
    ok(done.returncode != 0 and "unknown key Colour" in
       done.stdout + done.stderr, "check finds them too", done.stdout)
    bad.unlink()
    ok(chain.sysqube("check").returncode == 0, "check passes without it")
    done = chain.sysqube("down", "sys-net")
    ok(done.returncode == 1 and "uses it as netvm" in done.stderr,
       "a netvm in use is not taken down", done.stderr)


def test_spoof(chain):
    before = chain.qube("sys-firewall")["spoofed"] or 0
    other = chain.qube("untrusted")["address"]
    chain.inside("work", "/usr/bin/send-forged", other, DST, "udp", "9",
                 "20")
    now = wait_until(lambda: (chain.qube("sys-firewall")["spoofed"] or 0)
                     >= before + 20, 4)
    ok(now, "packets with another's address are dropped and counted",
       str(chain.qube("sys-firewall")["spoofed"]))
    ok("forged" in chain.sysqube("status").stdout,
       "the table says so", chain.sysqube("status").stdout)
    before = chain.qube("sys-net")["spoofed"] or 0
    code = ("import socket,struct\ns=socket.socket(2,3,255)\n"
            "h=struct.pack('!BBHHHBBH4s4s',69,0,28,1,0,64,17,0,"
            f"socket.inet_aton('10.137.9.9'),socket.inet_aton('{DST}'))\n"
            "for i in range(5): s.sendto(h+b'\\0\\7\\0\\7\\0\\10\\0\\0',"
            f"('{DST}',0))\n")
    chain.start_at("sys-firewall", sys.executable, "-c", code).wait(10)
    now = wait_until(lambda: (chain.qube("sys-net")["spoofed"] or 0)
                     >= before + 5, 4)
    ok(now, "sys-net drops what no qube behind sys-firewall owns",
       str(chain.qube("sys-net")["spoofed"]))


def test_neighbours(chain):
    work = chain.qube("work")["address"]
    listener = chain.start_at(
        "work", sys.executable, "-c",
        "import socket\ns=socket.create_server(('',7777))\n"
        "print('ready',flush=True)\ns.settimeout(20)\ns.accept()\n",
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    listener.stdout.readline()
    got = probe(chain, "untrusted", f"tcp {work} 7777")
    ok(got != "open", "untrusted cannot reach work", got)
    listener.terminate()
    listener.wait()


def test_recovery(chain):
    worker = chain.qube("work")["worker_pid"]
    os.kill(worker, 9)
    back = wait_until(lambda: chain.qube("work")["connected"] and
                      chain.qube("work")["worker_pid"] != worker, 15)
    ok(back, "a dead worker is replaced and its qube connects again",
       str(chain.qube("work")["trouble"]))
    change(chain, "add", "--before", "0", "work", "drop", "proto=udp")
    change(chain, "reset", "work")

    os.kill(chain.qube("untrusted")["pid"], 9)
    gone = wait_until(lambda: chain.qube("untrusted")["state"] == "off", 5)
    ok(gone and chain.qube("untrusted")["died"] == "killed",
       "the death of a qube is seen", str(chain.qube("untrusted")["died"]))
    address = chain.qube("untrusted")["address"]
    keys = chain.json("keys", "sys-firewall")["desired"]
    ok(not any(address in path for path in keys),
       "nothing of it stays in the firewall's keys")
    vif = wait_until(lambda: not any(
        address in v for k, v in
        chain.qube("sys-firewall")["status"].items()
        if "/firewall-log/" not in k), 5)
    ok(vif, "and nothing in its status")
    ok(fetch(chain, "work", f"http://{DST}/"), "work goes on")
    ok(chain.sysqube("up", "untrusted").returncode == 0,
       "it can be started again")

    done = chain.sysqube("down", "--force", "sys-firewall")
    ok(done.returncode == 0 and not fetch(chain, "work", f"http://{DST}/"),
       "without its firewall work is cut off", done.stderr)
    done = chain.sysqube("up", "sys-firewall")
    ok(done.returncode == 0, "the firewall comes back", done.stderr)
    back = wait_until(lambda: fetch(chain, "work", f"http://{DST}/"), 10)
    ok(back, "and its running qubes are attached again")

    before = chain.qube("sys-net")["pid"]
    os.kill(before, 9)
    back = wait_until(lambda: chain.qube("sys-net")["pid"] not in
                      (None, before) and fetch(chain, "work",
                                               f"http://{DST}/"), 40)
    ok(back, "a NetVM that dies is started again by itself, and work fetches "
       "its page", str(chain.qube("sys-net")["error"]))


def test_console(chain):
    with subprocess.Popen(
            [str(BUILD / "bin/sysqube"), "--socket",
             str(chain.run / "control.sock"), "console", "work"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL) as proc:
        proc.stdin.write(b"echo con''sole-$((40+2))\n")
        proc.stdin.flush()
        text = b""
        end = time.monotonic() + 10
        while b"console-42" not in text and time.monotonic() < end:
            text += os.read(proc.stdout.fileno(), 4096)
        proc.stdin.close()
        proc.terminate()
    ok(b"console-42" in text, "the console answers", str(text[-200:]))


def processes(chain):
    """Every process of the set: (pid, what)."""
    pids = []
    for qube in chain.json("status")["qubes"]:
        pids += [p for p in (qube["pid"], qube["worker_pid"]) if p]
    for pid in list(pids):
        kids = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)],
                              check=False, stdout=subprocess.PIPE, text=True)
        pids += [int(p) for p in kids.stdout.split()]
    return pids


def left_over(chain, pids):
    """What of the set is still there."""
    found = [p for p in pids if alive(p)]
    with open("/proc/self/mounts", encoding="utf-8") as file:
        found += [line for line in file if str(chain.run) in line or
                  str(BUILD / "images") in line]
    return found


def test_down(chain):
    pids = processes(chain)
    done = chain.sysqube("down")
    ok(done.returncode == 0 and "warning" not in done.stderr,
       "down ends the set in good order", done.stderr)
    found = wait_until(lambda: not left_over(chain, pids), 5)
    ok(found and len(pids) > 10, f"none of {len(pids)} processes and no "
       "mount is left", str(left_over(chain, pids)))
    ok(all(q["state"] == "off" for q in chain.json("status")["qubes"]),
       "status says off")


def test_crash(chain):
    chain.sysqube("up", "work")
    pids = processes(chain)
    chain.kill_daemon()
    gone = wait_until(lambda: not left_over(chain, pids), 5)
    ok(gone, "when sysqubed is killed nothing is left behind",
       str(left_over(chain, pids)))
    done = chain.sysqube("status")
    ok(done.returncode == 3 and "sysqubed" in done.stderr,
       "the command says that the daemon is not there", done.stderr)
    chain.start_daemon()
    done = chain.sysqube("up", "work")
    ok(done.returncode == 0, "and all comes up again after it", done.stderr)
    ok(chain.sysqube("quit").returncode == 1, "quit is refused while qubes "
       "run")
    chain.sysqube("down")
    ok(chain.sysqube("quit").returncode == 0 and
       wait_until(lambda: chain.daemon.poll() == 0, 5) is not False,
       "quit ends the daemon when none runs")


def main():
    need_root()
    need_build()
    with Chain() as chain:
        test_up(chain)
        test_traffic(chain)
        test_rules(chain)
        test_live_flow(chain)
        test_bad_requests(chain)
        test_spoof(chain)
        test_neighbours(chain)
        test_recovery(chain)
        test_console(chain)
        test_down(chain)
        test_crash(chain)
    finish()


if __name__ == "__main__":
    main()
