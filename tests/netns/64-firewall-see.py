#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the firewall shows, over the whole chain on the netns platform:
counters of qubes and rules, blocked packets with their reasons, the file of
metrics; held against packets that were really sent."""
import json
import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import (BUILD, Chain, cannot, finish, need_root,  # noqa: E402
                 ok, wait_until)

DST = "198.51.100.10"
DST6 = "2001:db8:100::10"
# rule 0 is key 0000; rule 1, a list of ports, keys 0001 to 0003
LIST = f"""\
accept {DST} tcp 80
drop {DST} tcp 8080,8082,8084
accept proto=icmp icmptype=echo-request
accept {DST6} tcp 80
"""


def need_build():
    """Programs and trees must have been built."""
    for name in ("sysqubed", "sysqube", "sysqube-qdb"):
        if not (BUILD / "bin" / name).exists():
            cannot(f"{name} is not built")
    for name in ("netvm", "firewallvm", "usbvm", "testqube"):
        if not (BUILD / "images" / name / "root/init").exists():
            cannot(f"the tree of image {name} is not built")


def probe(chain, what, qube="work", seconds=2):
    """One try. @return the probe's first word: open, refused, timeout ..."""
    result = chain.inside(qube, "/usr/bin/probe", *what.split(),
                          str(seconds * 1000))
    return (result.stdout.split() or ["nothing"])[0]


def apply(chain, qube, text):
    done = subprocess.run(
        [str(BUILD / "bin/sysqube"), "--socket",
         str(chain.run / "control.sock"), "firewall", "apply", qube, "-"],
        input=text, text=True, check=False, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=60)
    ok(done.returncode == 0, f"a list for {qube}", done.stdout)


def events(chain, *qubes):
    """All blocked packets that are told, as dicts."""
    done = chain.sysqube("--json", "firewall", "log", *qubes)
    return [json.loads(line) for line in done.stdout.splitlines()]


def told(chain, seconds=5, **want):
    """Wait for an event with these members. @return it, or None"""
    found = []

    def look():
        found[:] = [e for e in events(chain)
                    if all(e[k] == v for k, v in want.items())]
        return bool(found)

    wait_until(look, seconds, 0.2)
    return found[-1] if found else None


def test_reasons(chain):
    apply(chain, "work", LIST)
    work, other = chain.qube("work"), chain.qube("untrusted")
    for port, rule in ((8082, 1), (8084, 1)):
        probe(chain, f"tcp {DST} {port}")
        e = told(chain, source=work["address"], port=port)
        ok(e and e["reason"] == "rule" and e["number"] == rule and
           e["rule"].startswith("action=drop") and e["qube"] == "work" and
           e["destination"] == DST and e["proto"] == "tcp",
           f"port {port}: blocked by rule {rule}", str(e or events(chain)))
    probe(chain, f"tcp {DST} 443")
    e = told(chain, source=work["address"], port=443)
    ok(e and e["reason"] == "policy" and e["number"] is None,
       "what no rule means: policy", str(e or events(chain)))
    probe(chain, f"tcp {DST6} 443")
    e = told(chain, source=work["address6"], port=443)
    ok(e and e["reason"] == "policy" and e["destination"] == DST6,
       "also in IPv6", str(e or events(chain)))
    chain.inside("work", "/bin/busybox", "ping", "-c1", "-W1",
                 other["address"])
    e = told(chain, source=work["address"], destination=other["address"])
    ok(e and e["reason"] == "to-qube" and e["to"] == "untrusted" and
       e["proto"] == "icmp" and e["port"] == 8, "to another qube",
       str(e or events(chain)))
    time.sleep(1)  # the flood below has a share of its own, a small one
    chain.inside("work", "/usr/bin/send-forged", "10.137.99.1", DST, "udp",
                 "9", "1")
    e = told(chain, source="10.137.99.1")
    ok(e and e["reason"] == "spoof" and e["qube"] is None and e["port"] == 9,
       "with a forged source", str(e or events(chain)))
    text = chain.sysqube("firewall", "log", "work").stdout
    ok(f"{work['address']} (work) -> {DST} tcp 8084: rule 1: action=drop" in
       text and "untrusted" in text and "10.137.99.1" not in text,
       "the same as text, for one qube", text)
    seqs = [e["seq"] for e in events(chain)]
    ok(seqs == sorted(set(seqs)), "in order", str(seqs))


def test_follow(chain):
    log = subprocess.Popen(
        [str(BUILD / "bin/sysqube"), "--json", "--socket",
         str(chain.run / "control.sock"), "firewall", "log", "-f", "work"],
        text=True, stdout=subprocess.PIPE)
    time.sleep(1.5)
    probe(chain, f"tcp {DST} 4001")
    probe(chain, f"tcp {DST} 4002")
    time.sleep(2.5)
    log.terminate()
    lines = [json.loads(x) for x in log.communicate(timeout=10)[0].split("\n")
             if x]
    ports = [e["port"] for e in lines]
    ok(4001 in ports and 4002 in ports and
       len({e["seq"] for e in lines}) == len(lines),
       "log -f tells what comes, each once", str(ports))


def flood(chain, first, count):
    """So many blocked connections in one go, from inside."""
    code = ("import socket\n"
            f"for p in range({first},{first + count}):\n"
            " s=socket.socket(); s.setblocking(False)\n"
            " try: s.connect(('" + DST + "',p))\n"
            " except OSError: pass\n")
    chain.start_at("work", sys.executable, "-c", code).wait(30)


def test_flood(chain):
    seq = max(e["seq"] for e in events(chain))
    flood(chain, 20000, 2000)
    time.sleep(2)
    now = events(chain)
    ok(len(now) <= 32 and max(e["seq"] for e in now) - seq < 100,
       "a flood is told at a slow pace",
       f"{len(now)} {seq} {max(e['seq'] for e in now)}")
    trouble = chain.qube("sys-firewall")["trouble"]
    ok(not trouble, "and its worker is at ease", str(trouble))


def counts(chain, qube="work"):
    """Fresh counters of one qube."""
    done = chain.sysqube("--json", "firewall", "top", "--once", qube)
    return json.loads(done.stdout)["qubes"][0]


def test_counters(chain):
    before = counts(chain)
    ok(before["counted"] and len(before["rules"]) == 4 and
       before["list"] == "work" and
       all(s.startswith("applied") for s in before["status"].values()) and
       len(before["status"]) == 2, "a qube's counters, rules and lists",
       str(before))
    for port, times in ((80, 3), (8082, 2), (443, 4)):
        for _ in range(times):
            probe(chain, f"tcp {DST} {port}")
    probe(chain, f"tcp {DST6} 80")
    now = counts(chain)
    rules = [b["packets"] - a["packets"] for a, b in
             zip(before["rules"], now["rules"])]
    policy = now["policy"]["packets"] - before["policy"]["packets"]
    # a refusal may be answered by the client's second try
    ok(rules[0] == 3 and 2 <= rules[1] <= 6 and rules[2] == 0 and
       rules[3] == 1 and 4 <= policy <= 12,
       "each rule counts what it decided", f"{rules} {policy}")
    passed = now["passed_packets"] - before["passed_packets"]
    blocked = now["blocked_packets"] - before["blocked_packets"]
    ok(passed > 12 and now["passed_bytes"] > before["passed_bytes"] + 500 and
       6 <= blocked <= 20, "and the qube both ways", f"{passed} {blocked}")
    text = chain.sysqube("firewall", "list", "--counters", "work").stdout
    ok("policy: drop" in text and "work in sys-firewall" in text and
       f"action=accept dst4={DST}/32" in text, "list --counters", text)
    text = chain.sysqube("firewall", "top", "--once").stdout
    ok(re.search(r"^work +sys-firewall ", text, re.M) and
       re.search(r"^untrusted +sys-firewall ", text, re.M), "top", text)


def watched(chain):
    return "/sysqube-firewall/watch" in chain.json("keys",
                                                   "sys-firewall")["desired"]


def test_watch(chain):
    ok(wait_until(lambda: not watched(chain), 10),
       "nobody watches: the firewall is told so")
    top = subprocess.Popen(
        [str(BUILD / "bin/sysqube"), "--json", "--socket",
         str(chain.run / "control.sock"), "firewall", "top", "work"],
        text=True, stdout=subprocess.PIPE)
    ok(wait_until(lambda: watched(chain), 3), "somebody watches")
    first = json.loads(top.stdout.readline())["qubes"][0]
    for _ in range(3):
        probe(chain, f"tcp {DST} 80")
    seen = first
    for _ in range(6):
        seen = json.loads(top.stdout.readline())["qubes"][0]
        if seen["rules"][0]["packets"] > first["rules"][0]["packets"]:
            break
    ok(seen["rules"][0]["packets"] > first["rules"][0]["packets"],
       "top shows what happens meanwhile", str(seen))
    top.kill()
    top.wait()
    ok(wait_until(lambda: not watched(chain), 10),
       "a watcher that died watches no more")


def test_gone(chain):
    address = chain.qube("work")["address"]
    chain.sysqube("down", "work")

    def left():
        status = chain.json("keys", "sys-firewall")["status"]
        return [k for k in status if address in k]

    ok(wait_until(lambda: not left(), 8), "of a qube that is down no counter "
       "is left", str(left()))
    chain.sysqube("up", "work")


def test_metrics(chain):
    path = chain.run / "metrics.prom"
    wait_until(lambda: "rule_packets" in path.read_text(), 12)
    text = path.read_text()
    bad = [x for x in text.splitlines() if not re.fullmatch(
        r'# (HELP|TYPE) [a-z_]+ .+|[a-z_]+\{[a-z]+="[^"]*"(,[a-z0-9]+="[^"]*")'
        r"*\} \d+", x)]
    ok(not bad, "metrics in the form that Prometheus reads", str(bad[:3]))
    names = re.findall(r"^# TYPE (\S+)", text, re.M)
    ok(len(names) == len(set(names)) and
       'sysqube_qube_up{qube="sys-firewall",kind="firewallvm"} 1' in text and
       re.search(r'^sysqube_firewall_passed_bytes_total\{qube="untrusted",'
                 r'firewall="sys-firewall"\} \d+$', text, re.M) and
       'sysqube_firewall_list_state{qube="untrusted",firewall="sys-firewall",'
       in text and 'rule="policy"} ' in text, "with qubes, lists and rules",
       text[:2000])


def big_list(first):
    """4080 keys in both families, in 1020 rules of four ports each."""
    return "".join(f"drop udp dstports={p},{p + 2},{p + 4},{p + 6}\n".replace(
        "udp", "proto=udp") for p in range(first, first + 8 * 1020, 8))


def test_cut(chain):
    """More lists than the QubesDB of a firewall takes."""
    for qube in ("work", "untrusted"):
        apply(chain, qube, big_list(1))
    extra = "".join(f"drop proto=tcp dstports={p}\n" for p in range(1, 17))
    done = subprocess.run(
        [str(BUILD / "bin/sysqube"), "--socket",
         str(chain.run / "control.sock"), "firewall", "apply", "work", "-"],
        input=extra + big_list(1), text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    ok(done.returncode == 1, "4096 keys in both families are too many",
       f"{done.returncode} {done.stdout[-500:]}")
    ok("incomplete: " in done.stdout and "QubesDB of sys-firewall" in
       done.stdout, "what had no room is told", done.stdout)
    lists = chain.qube("work")["firewall"]
    ok(any(s.startswith("incomplete: ") for s in lists.values()) and
       "incomplete" in chain.sysqube("status").stdout, "by status as well",
       str(lists))
    chain.sysqube("firewall", "reset", "untrusted")
    ok(wait_until(lambda: all(s == "applied 4096" for s in
                              chain.qube("work")["firewall"].values()), 15),
       "with room again the list is whole", str(chain.qube("work")["firewall"]))
    chain.sysqube("firewall", "reset", "work")


def main():
    need_root()
    need_build()
    with Chain() as chain:
        done = chain.sysqube("up")
        ok(done.returncode == 0, "up", done.stderr[-600:])
        test_reasons(chain)
        test_follow(chain)
        test_flood(chain)
        test_counters(chain)
        test_watch(chain)
        test_gone(chain)
        test_metrics(chain)
        test_cut(chain)
        chain.sysqube("down")
    finish()


if __name__ == "__main__":
    main()
