# SPDX-License-Identifier: GPL-2.0-or-later
"""The firewall's further checks in the lab: names, expiry without dom0,
explain and the log, extension headers, reaching in and across, and 1,000
changes under load. Kind: glue.

Each function takes the Checks of checks.py and is one step there.
"""
import json
import socket
import time

import internet

EXPIRES_AFTER_S = 8
FORWARD_PORT, INNER_PORT, CLOSED_PORT = 2222, 5001, 2223
EDGE_PORT = 5000
CHANGES = 1000
CHANGES_LIMIT_S = 420
LOAD_RATE = 20
# Every list lets the first port pass, none the second, one list in two the
# third.
BOTH, NEITHER, SOME = internet.UDP_PORTS[:3]


def listen(qube, port):
    """A TCP port in a qube that accepts and closes, again and again."""
    qube.run(f"(while :; do nc -l -p {port} </dev/null >/dev/null; done)"
             " >/dev/null 2>&1 &")


def by_name(checks):
    """Rules by name: what they open, whose they are, and wildcards."""
    results, work, net = checks.results, checks.work, internet
    to_server = f"tcp {net.SERVER4} 80 900"
    to_other = f"tcp {net.OTHER4} 80 900"
    checks.rules("accept specialtarget=dns",
                 f"accept dsthost={net.NAME} proto=tcp dstports=80-80",
                 "drop")

    def opened(words):
        return checks.wait_for(10, lambda: work.probe(words) == "open")
    begin = time.monotonic()
    results.check(opened(to_server),
                  f"'accept dsthost={net.NAME}' opens its IPv4 address",
                  time.monotonic() - begin)
    results.check(opened(f"tcp {net.SERVER6} 80 900"),
                  "and its IPv6 address")
    checks.stopped(to_other, "and not another server")
    checks.stopped(f"tcp {net.SERVER4} 8080 900", "and not another port")
    checks.rules("accept specialtarget=dns",
                 "accept dsthost=*.lab.test proto=tcp dstports=80-80", "drop")
    checks.stopped(to_other, "'accept dsthost=*.lab.test' opens nothing before "
                   "the name is asked for")
    result = work.run(f"nslookup -type=a {net.OTHER_NAME} 10.139.1.1",
                      timeout_s=40)
    results.check(net.OTHER4 in result.out and opened(to_other),
                  "and after the answer has passed, its address", None,
                  result.text())
    checks.stopped(to_server, "and no address that was not asked for")


def expiry(checks):
    """A rule ends at its second while everything of ours in dom0 stands
    still, and its live connection with it."""
    results, work, dom0, net = (checks.results, checks.work, checks.dom0,
                                internet)
    checks.rules("drop")
    checks.firewall(f"add --before 0 work accept proto=tcp "
                    f"dst4={net.SERVER4}/32 expire=+{EXPIRES_AFTER_S}")
    since = time.monotonic()
    probe = f"tcp {net.SERVER4} 80 900"
    got = work.probe(probe)
    results.check(got == "open", "before its second a rule with expire= "
                  "accepts", None, got)
    sink, begin = checks.net.sink, time.monotonic()
    work.run("(for i in $(seq 60); do echo $i; sleep 0.5; done) | "
             f"nc {net.SERVER4} {net.SINK_PORT} >/dev/null 2>&1 &")
    stop = dom0.run("kill -STOP $(pidof sysqubed) $(pidof sysqube-qdb)")
    try:
        time.sleep(max(0, since + EXPIRES_AFTER_S + 2 - time.monotonic()))
        late = time.monotonic()
        got = work.probe(probe)
        time.sleep(2)
        before, after = len(sink.since(begin)), len(sink.since(late))
    finally:
        dom0.run("kill -CONT $(pidof sysqubed) $(pidof sysqube-qdb)")
    results.check(stop.ok and got != "open", "with dom0's processes stopped, "
                  "the rule ends at its second", None, stop.text() + got)
    results.check(before >= 4 and after == 0,
                  f"and its live connection: {before} lines, none after it",
                  None, f"{before} lines in all, {after} late")


def visible(checks):
    """explain names the rule that decides; the log names what it dropped."""
    results, work, dom0, net = (checks.results, checks.work, checks.dom0,
                                internet)
    checks.rules(f"drop proto=tcp dst4={net.OTHER4}/32 dstports=8080")
    for host, port, want in ((net.OTHER4, 8080, "drop"),
                             (net.OTHER4, 80, "accept")):
        result = dom0.run(f"sysqube firewall explain work {host}:{port} tcp")
        got = work.probe(f"tcp {host} {port} 900")
        results.check(
            (want in result.out) and (got == "open") == (want == "accept"),
            f"explain says {want} for {host}:{port}, and so it is", None,
            f"rc {result.rc}: {result.text()}; probe {got}")

    def logged():
        text = dom0.run("sysqube --json firewall log work").out
        entries = [json.loads(line) for line in text.splitlines()
                   if line.startswith("{")]
        return [e for e in entries if net.OTHER4 in json.dumps(e)
                and "8080" in json.dumps(e)]
    results.check(checks.wait_for(15, logged), "sysqube firewall log shows "
                  "the blocked connection", None,
                  dom0.run("sysqube firewall log work").text())


def extension_headers(checks):
    """The real protocol counts behind IPv6 extension headers."""
    results, work, net = checks.results, checks.work, internet
    own = checks.status()["work"]["address6"]
    good, bad = internet.UDP_PORTS[2:4]
    checks.rules(f"accept proto=udp dst6={net.SERVER6}/128 dstports={good}",
                 "drop")
    seen = checks.net.listener.from_netvm
    for exts, port, passes, text in (
            ("dst", good, True, "destination options before an allowed port "
             "pass"),
            ("fragment", good, True, "so does a fragment header"),
            ("dst", bad, False, "destination options before another port do "
             "not"),
            ("fragment", bad, False, "nor does a fragment header"),
            ("routing", good, False, "a routing header never passes"),
            ("dst,dst", good, False, "nor do repeated headers")):
        begin = time.monotonic()
        sent = work.run(f"send-forged {own} {net.SERVER6} udp {port} 3 "
                        f"{exts}")
        if passes:
            arrived = checks.wait_for(5, lambda b=begin, p=port: seen(
                b, dport=p, dst=net.SERVER6))
        else:
            time.sleep(1)
            arrived = seen(begin, dport=port, dst=net.SERVER6)
        results.check(sent.ok and bool(arrived) == passes, "IPv6: " + text,
                      None, f"{sent.text()}; arrived: {arrived}")


def connects(address, port):
    try:
        with socket.create_connection((address, port), timeout=4):
            return True
    except OSError:
        return False


def inward(checks):
    """A declared port leads from the uplink to a qube, a declared edge from
    qube to qube; what is not declared stays shut, and so does it again when
    the declaration goes."""
    results, dom0, work = checks.results, checks.dom0, checks.work
    status = checks.status()
    target = status["work"]["address"]
    for port in (INNER_PORT, EDGE_PORT):
        listen(work, port)
    results.check(not connects(checks.lease4, FORWARD_PORT), "without a "
                  "declaration nothing comes in from the uplink")
    change = dom0.run(
        f"sysqube forward add work tcp {FORWARD_PORT} {INNER_PORT} && "
        f"sysqube reach add untrusted work tcp {EDGE_PORT}", timeout_s=60)
    edge = f"tcp {target} {EDGE_PORT} 900"
    try:
        results.check(
            change.ok and checks.wait_for(
                15, lambda: connects(checks.lease4, FORWARD_PORT)),
            f"Forward=: port {FORWARD_PORT} of the uplink leads to work",
            None, change.text() + dom0.run("sysqube forward list").text())
        results.check(not connects(checks.lease4, CLOSED_PORT),
                      "and no other port comes in")
        results.check(checks.wait_for(15, lambda: checks.untrusted.probe(
            edge) == "open"), f"Reach=: untrusted opens port {EDGE_PORT} of "
            "work")
        for qube, words, text in (
                (checks.untrusted, f"tcp {target} {INNER_PORT} 900",
                 "and no other port of it"),
                (work, f"tcp {status['untrusted']['address']} {EDGE_PORT} "
                 "900", "and work none of untrusted")):
            got = qube.probe(words)
            results.check(got != "open", text, None, got)
    finally:
        back = dom0.run(f"sysqube forward del work tcp {FORWARD_PORT} && "
                        "sysqube reach del untrusted work", timeout_s=60)
    shut = checks.wait_for(15, lambda: not connects(
        checks.lease4, FORWARD_PORT) and checks.untrusted.probe(
            edge) != "open")
    results.check(back.ok and shut, "without the declarations both are shut "
                  "again", None, back.text())


def moved(checks):
    """A running qube is unplugged from its netvm and plugged in again."""
    results, dom0, other = checks.results, checks.dom0, checks.untrusted
    probe = f"tcp {internet.SERVER4} 80 900"
    before = checks.status()["untrusted"]["domid"]
    off = dom0.run("sysqube netvm untrusted none", timeout_s=90)
    got = other.probe(probe)
    results.check(off.ok and got != "open", "sysqube netvm QUBE none unplugs "
                  "a running qube", None, off.text() + got)
    begin = time.monotonic()
    on = dom0.run("sysqube netvm untrusted sys-firewall", timeout_s=120)
    back = checks.wait_for(20, lambda: other.probe(probe) == "open")
    status = checks.status()["untrusted"]
    results.check(on.ok and back and status["domid"] == before, "and sysqube "
                  "netvm QUBE NETVM plugs it in again",
                  time.monotonic() - begin,
                  on.text() + json.dumps(status))


def gaps(numbers, per_round):
    """Which numbers of 0..per_round-1 are missing, as ranges, by round."""
    rounds, at = [[]], -1
    for n in numbers:
        if n < at - per_round // 2:
            rounds.append([])
        at = n
        rounds[-1].append(n)
    out = []
    for got in rounds:
        missing = sorted(set(range(per_round)) - set(got))
        ranges = []
        for n in missing:
            if ranges and n == ranges[-1][1] + 1:
                ranges[-1][1] = n
            else:
                ranges.append([n, n])
        out.append(" ".join(f"{a}-{b}" for a, b in ranges))
    return " | ".join(out)


def changes_under_load(checks):
    """1,000 changes of a list while both families send: nothing passes that
    neither list allows, nothing is lost that both allow."""
    results, dom0 = checks.results, checks.dom0
    up = dom0.run("sysqube up fw-load && sysqube netvm work fw-load",
                  timeout_s=120)
    results.check(up.ok, "a second FirewallVM starts, and work moves to it",
                  up.ms / 1000, up.text())
    try:
        load(checks)
    finally:
        back = dom0.run("sysqube netvm work sys-firewall && sysqube down "
                        "fw-load", timeout_s=120)
        results.check(back.ok, "and work moves back", back.ms / 1000,
                      back.text())


def load(checks):
    results, dom0, net = checks.results, checks.dom0, internet
    lists = {
        "a": [f"accept proto=udp dstports={BOTH}",
              f"accept proto=udp dstports={SOME}", "drop"],
        "b": [f"drop proto=udp dstports={SOME}",
              f"accept proto=udp dstports={BOTH}", "drop"]}
    for name, rules in lists.items():
        dom0.run("printf '%s\\n' " + " ".join(f"'{r}'" for r in rules)
                 + f" >/tmp/{name}.rules")
    dom0.run("sysqube firewall apply work /tmp/a.rules")
    targets = " ".join(f"{a} {p}" for a in (net.SERVER4, net.SERVER6)
                       for p in (BOTH, NEITHER, SOME))
    token = dom0.start(
        f"n=0; while [ $n -lt {CHANGES} ]; do "
        "sysqube firewall apply work /tmp/b.rules && "
        "sysqube firewall apply work /tmp/a.rules || exit 1; "
        "n=$((n+2)); done; echo $n changes", CHANGES_LIMIT_S)
    begin, rounds, sent = time.monotonic(), 0, {}
    while dom0.running(token) and time.monotonic() - begin < CHANGES_LIMIT_S:
        result = checks.work.run(f"udp-load 10 {LOAD_RATE} {targets}",
                                 timeout_s=40)
        rounds += 1
        for line in result.out.splitlines():
            words = line.split()
            if len(words) == 4 and words[1].isdigit():
                key = words[0], int(words[1])
                sent[key] = sent.get(key, 0) + int(words[2])
    done = dom0.wait(token)
    results.check(done.ok and f"{CHANGES} changes" in done.out,
                  f"{CHANGES} changes of work's list while it sends",
                  time.monotonic() - begin, done.text()[-300:])
    time.sleep(2)
    for address in (net.SERVER4, net.SERVER6):
        got = {p: len(checks.net.datagrams.numbers(address, p, begin))
               for p in (BOTH, NEITHER, SOME)}
        wanted = sent.get((address, BOTH), 0)
        results.check(
            wanted > 0 and got[BOTH] == wanted and got[NEITHER] == 0
            and 0 < got[SOME] < sent.get((address, SOME), 0),
            f"{address}: {got[BOTH]} of {wanted} that both lists allow, "
            f"{got[NEITHER]} that neither does, {got[SOME]} of what one does",
            None, f"{rounds} rounds, sent {sent}, got {got}, missing: "
            + gaps(checks.net.datagrams.numbers(address, BOTH, begin),
                   10 * LOAD_RATE)
            + dom0.run("sysqube firewall list --counters work; sysqube "
                       "firewall log work | tail -n 40").text())


STEPS = (by_name, expiry, visible, extension_headers, inward, moved,
         changes_under_load)
