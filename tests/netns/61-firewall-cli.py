#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The firewall's command over the whole chain on the netns platform: every
rule form, whole lists, profiles. What the command says is held against the
keys and the packets."""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import (BUILD, Chain, cannot, finish, need_root,  # noqa: E402
                 ok, wait_until)

DST = "198.51.100.10"
DST6 = "2001:db8:100::10"


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


def ping(chain, dst):
    """Does an echo come back?"""
    return chain.inside("work", "/bin/busybox", "ping", "-c1", "-W2",
                        dst).returncode == 0


def firewall(chain, *words, status=0, text=None):
    """A firewall command that must end so. @return CompletedProcess"""
    args = [str(BUILD / "bin/sysqube"), "--socket",
            str(chain.run / "control.sock"), "--config", str(chain.etc),
            "firewall", *words]
    done = subprocess.run(args, check=False, input=text or "", text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120)
    ok(done.returncode == status, "firewall " + " ".join(words)[:70],
       f"{done.returncode}: " + (done.stdout + done.stderr)[-500:])
    return done


def stored(chain, qube="work"):
    """The list as the command gives it back."""
    return firewall(chain, "list", "--raw", qube).stdout


def rule_keys(chain, qube="work", family="address"):
    """{number: text} of a qube's list in the firewall's keys."""
    base = f"/qubes-firewall/{chain.qube(qube)[family]}/"
    keys = chain.json("keys", "sys-firewall")["desired"]
    return {k[len(base):]: v for k, v in keys.items() if k.startswith(base)
            and k[len(base):] != "policy"}


FORMS = f"""\
action=accept dst4={DST}/32 proto=tcp dstports=80,8000-9000
action=accept proto=icmp icmptype=echo-request
action=drop dst6=2001:db8:ffff::/48 proto=udp dstports=53-53
action=accept specialtarget=dns comment=names, please
action=accept expire=4000000000 dst4=192.0.2.0/24 proto=icmp icmptype=13
action=drop dstports=1,3,5
"""


def test_forms(chain):
    firewall(chain, "apply", "work", "-", text=FORMS)
    ok(stored(chain) == FORMS, "what was applied is read back byte for byte",
       stored(chain))
    firewall(chain, "apply", "work", "-", text=stored(chain))
    ok(stored(chain) == FORMS, "and written again it is the same")
    keys = rule_keys(chain)
    ok(keys.get("0000", "").endswith("dstports=80-80") and
       keys.get("0001", "").endswith("dstports=8000-9000"),
       "a list of ports is a key for each range", str(keys))
    ok(keys.get("0002") == "action=accept proto=icmp icmptype=8" and
       "0003" not in keys, "an ICMP type by name has the family's number, and "
       "the other family's rule leaves a hole", str(keys))
    keys = rule_keys(chain, family="address6")
    ok(keys.get("0002") == "action=accept proto=icmp icmptype=128" and
       "0000" not in keys and "0003" in keys and
       [k for k in keys if "0006" <= k <= "0008"] == ["0006", "0007", "0008"],
       "so in IPv6", str(keys))
    got = [probe(chain, f"tcp {DST} {p}") for p in (80, 8080, 443)]
    ok(got[0] == got[1] == "open" and got[2] != "open",
       "the ports of the list are open and no other", str(got))
    # the uplink's IPv6 address is usable a second after its IPv4 one
    ok(ping(chain, DST) and wait_until(lambda: ping(chain, DST6), 10),
       "echo-request means both families")
    for words in (["add", "--before", "0", "work", "accept", DST, "tcp",
                   "443,80"], ["work", "add", "drop", "expire=+60"],
                  ["work", "del", "--rule-no", "0"],
                  ["del", "work", "drop", "dstports=5,3,1"]):
        firewall(chain, *words)
    lines = stored(chain).splitlines()
    ok(lines[:5] == FORMS.splitlines()[:5] and len(lines) == 6 and
       abs(int(lines[5].split("expire=")[1]) - time.time() - 60) < 30,
       "add and del work in the grammar of qvm-firewall", str(lines))
    ok(firewall(chain, "work").stdout.startswith("NO"),
       "no verb is a list, in a table")
    firewall(chain, "-r", "list", "work")


ASKED = f"""\
drop {DST} tcp 8080
accept {DST} tcp 80,8000-9000 expire=4000000000
accept {DST6} tcp 443
drop dsthost=nobody.example.org
accept
"""


def test_explain(chain):
    """What explain says is what packets find."""
    firewall(chain, "apply", "work", "-", text=ASKED)
    for host, port, want in ((DST, 80, 0), (DST, 8080, 3), (DST, 8081, 0),
                             (DST, 443, 3), (f"[{DST6}]", 443, 0),
                             (f"[{DST6}]", 80, 3)):
        firewall(chain, "explain", "work", f"{host}:{port}", status=want)
        word = probe(chain, f"tcp {host.strip('[]')} {port}")
        # an open way leads to a server or to a closed port
        ok((word in ("open", "closed")) == (want == 0),
           f"and so it is: {host} {port} {word}")
    done = firewall(chain, "explain", "-v", "work", f"{DST}:8081")
    ok("rule 1: action=accept" in done.stdout and
       "passed over: rule 0: action=drop" in done.stdout and
       "other port" in done.stdout, "with the rule, and why not the one before",
       done.stdout)
    done = firewall(chain, "explain", "work", "untrusted:80", status=3)
    ok(done.stdout.count("no Reach= line") == 2, "another qube is told",
       done.stdout)
    done = chain.sysqube("--json", "firewall", "explain", "work",
                         f"{DST}:8081", "--config", str(chain.etc))
    answer = json.loads(done.stdout)["answers"][0]
    ok(answer["verdict"] == "accept" and answer["rule"]["number"] == 1 and
       answer["list_status"].startswith("applied"), "in JSON, with what the "
       "firewall says of the list", str(answer))
    firewall(chain, "explain", "work", f"{DST}:80", "icmp", status=2)
    firewall(chain, "explain", "nobody", DST, status=1)
    firewall(chain, "reset", "work")


def test_refused(chain):
    before = (chain.etc / "qubes/work.conf").read_text()
    bad = chain.run / "bad.rules"
    bad.write_text("# a list\naction=accept\naccept 1.2.3.4 tcp 70000\n"
                   "accept colour=red\n\ninclude 9x\n")
    for words in (["apply", "work", str(bad)], ["check", str(bad)],
                  ["diff", "work", str(bad)]):
        done = firewall(chain, *words, status=1)
        ok(all(f"bad.rules:{at}: " in done.stderr for at in
               ("3:20", "4:8", "6:9")) and "0 to 65535" in done.stderr,
           "every error with file, line, column and what was expected",
           done.stderr)
    bad.write_text("action=accept\ninclude nosuch\n")
    done = firewall(chain, "apply", "work", str(bad), status=1)
    ok("bad.rules:2: there is no profile nosuch" in done.stderr,
       "an include that leads nowhere is refused", done.stderr)
    lots = "".join(f"drop dstports={i}\n" for i in range(1, 4002))
    done = firewall(chain, "apply", "work", "-", text=lots, status=1)
    ok("too long" in done.stderr, "so is a list that is too long", done.stderr)
    ok((chain.etc / "qubes/work.conf").read_text() == before,
       "nothing of that was stored")
    done = chain.sysqube("--json", "firewall", "check", str(bad))
    ok(done.returncode == 1 and
       json.loads(done.stdout)["problems"][0]["line"] == 2,
       "check speaks JSON", done.stdout)


def test_diff_edit(chain):
    firewall(chain, "apply", "work", "-", text=FORMS)
    other = chain.run / "other.rules"
    lines = FORMS.splitlines()
    other.write_text("\n".join([lines[0], "drop", *lines[2:]]) + "\n")
    done = firewall(chain, "diff", "work", str(other), status=4)
    ok(done.stdout.splitlines() == ["-   1  " + lines[1],
                                    "+   1  action=drop"],
       "diff shows what apply would change", done.stdout)
    firewall(chain, "diff", "work", "-", text=stored(chain))
    answer = json.loads(chain.sysqube("--json", "firewall", "diff", "work",
                                      str(other)).stdout)
    ok([d["op"] for d in answer["diff"]] == ["-", "+"], "also in JSON",
       str(answer))
    editor = chain.run / "editor"
    editor.write_text("#!/bin/sh\necho 'accept 192.0.2.9 tcp 22'"
                      " >>\"$1\"\n")
    editor.chmod(0o755)
    os.environ["EDITOR"] = str(editor)
    os.environ.pop("VISUAL", None)
    firewall(chain, "edit", "work")
    ok(stored(chain).splitlines()[-1] == "action=accept dst4=192.0.2.9/32 "
       "proto=tcp dstports=22-22", "edit applies what the editor left",
       stored(chain))
    editor.write_text("#!/bin/sh\necho nonsense >\"$1\"\n")
    done = firewall(chain, "edit", "work", status=1)
    kept = done.stderr.rsplit(" ", 1)[1].strip()
    ok(os.path.exists(kept) and ":1:1: " in done.stderr,
       "a wrong edit is refused with its line, and kept", done.stderr)
    os.unlink(kept)
    sock = chain.run / "control.sock"
    editor.write_text("#!/bin/sh\n"
                      f"{BUILD}/bin/sysqube --socket {sock} firewall reset "
                      "work\necho drop >>\"$1\"\n")
    done = firewall(chain, "edit", "work", status=1)
    ok("changed by someone else" in done.stderr,
       "an edit over a list that changed meanwhile is refused", done.stderr)
    os.unlink(done.stderr.rsplit(" ", 1)[1].strip())


def test_profiles(chain):
    profiles = chain.etc / "profiles"
    profiles.mkdir()
    web = profiles / "web.rules"
    web.write_text(f"# the web\naccept {DST} tcp 80\n"
                   "accept specialtarget=dns\n")
    for qube in ("work", "untrusted"):
        firewall(chain, "apply", qube, "-", text="include web\ndrop\n")
    ok(stored(chain) == "include web\naction=drop\n",
       "an include is stored as one", stored(chain))
    text = (chain.etc / "qubes/work.conf").read_text()
    ok("Include=web\nRule=action=drop" in text, "in the qube's file", text)
    rules = chain.json("firewall", "list", "work")["rules"]
    ok([r["profile"] for r in rules] == ["web", "web", None],
       "the list shows what comes from where", str(rules))
    got = [probe(chain, f"tcp {DST} {p}", q) for q in ("work", "untrusted")
           for p in (80, 8080)]
    ok(got[0] == got[2] == "open" and "open" not in (got[1], got[3]),
       "it is in force for both", str(got))
    web.write_text(f"accept {DST} tcp 80,8080\n")
    done = firewall(chain, "reload")
    ok(done.stdout.count("applied") == 4,
       "reload answers for every list that changed", done.stdout)
    got = [probe(chain, f"tcp {DST} 8080", q) for q in ("work", "untrusted")]
    ok(got == ["open", "open"], "a changed profile is in force for both",
       str(got))
    done = firewall(chain, "del", "--rule-no", "0", "work", status=1)
    ok("comes from profile web" in done.stderr,
       "a profile's rule is not deleted from one qube", done.stderr)
    firewall(chain, "add", "--before", "1", "work", "drop", "proto=udp")
    ok(stored(chain) == "include web\naction=drop proto=udp\naction=drop\n",
       "a rule goes behind an include", stored(chain))
    web.write_text(f"accept {DST}\ninclude more\n")
    (profiles / "more.rules").write_text("drop\ninclude web\n")
    done = firewall(chain, "reload", status=1)
    ok("more.rules:2: profile web includes itself" in done.stderr,
       "a loop is refused with file and line", done.stderr)
    ok(chain.sysqube("check").returncode == 1, "check finds it too")
    (profiles / "more.rules").unlink()
    done = firewall(chain, "list", "work", status=1)
    ok("web.rules:2: there is no profile more" in done.stderr,
       "so is a missing one", done.stderr)
    ok(probe(chain, f"tcp {DST} 8080") == "open",
       "the lists in force are untouched by that")
    web.write_text(f"accept {DST} tcp 80\n")
    firewall(chain, "reload", "work")
    firewall(chain, "del", "work", "include", "web")
    for qube in ("work", "untrusted"):
        firewall(chain, "reset", qube)
    web.unlink()


def test_expiry(chain):
    firewall(chain, "apply", "work", "-", text="accept expire=+4\ndrop\n")
    text = stored(chain).splitlines()[0]
    ok(rule_keys(chain).get("0000") == text, "the firewall is told the end",
       str(rule_keys(chain)))
    ok(probe(chain, f"tcp {DST} 80") == "open", "until then the rule counts")
    ok(wait_until(lambda: list(rule_keys(chain)) == ["0001"], 20),
       "an expired rule is taken out of the keys", str(rule_keys(chain)))
    ok(probe(chain, f"tcp {DST} 80") != "open", "and is out of force")
    # dom0 stands still: the end comes all the same
    firewall(chain, "apply", "work", "-", text="accept expire=+5\ndrop\n")
    was = probe(chain, f"tcp {DST} 80")
    qube = chain.qube("work")
    chain.daemon.send_signal(signal.SIGSTOP)
    ends = int(stored_expiry(chain))
    wait_until(lambda: time.time() > ends + 1, 20)
    now = subprocess.run(
        ["nsenter", "-t", str(qube["pid"]), "-m", "-n", "-p", "-r", "-w",
         "--", "/usr/bin/probe", "tcp", DST, "80", "2000"], check=False,
        text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        timeout=15).stdout
    chain.daemon.send_signal(signal.SIGCONT)
    ok(was == "open" and not now.startswith("open"),
       "and without dom0, too", f"{was}, then {now}")
    firewall(chain, "reset", "work")


def stored_expiry(chain):
    """The first expire= in the qube's file."""
    text = (chain.etc / "qubes/work.conf").read_text()
    return re.search(r"expire=(\d+)", text).group(1)


def values(chain, qube, tree):
    """The values of a tree of keys, in order."""
    keys = chain.json("keys", qube)["desired"]
    return [v for k, v in sorted(keys.items()) if k.startswith(tree + "/")]


def test_paths(chain):
    conf = chain.etc / "qubes/work.conf"
    before = conf.read_text()
    work, other = (chain.qube(q)["address"] for q in ("work", "untrusted"))
    conf.write_text(before + "Flows=200\nQuota=1G\nForward=tcp 8080 80 from "
                    "192.0.2.0/24\nReach=untrusted tcp 22\n")
    firewall(chain, "reload")
    keys = chain.json("keys", "sys-firewall")["desired"]
    ok(keys.get(f"/sysqube-firewall/{work}/limits") ==
       "flows=200 quota=1073741824", "limits reach the firewall", str(keys))
    ok(values(chain, "sys-net", "/sysqube-forward") ==
       [f"tcp 8080 {work} 80 192.0.2.0/24"], "a forward reaches the NetVM")
    ok(values(chain, "sys-firewall", "/sysqube-firewall/inbound") ==
       [f"tcp {work} 80 192.0.2.0/24"], "and the firewall")
    ok(values(chain, "sys-firewall", "/sysqube-firewall/edge")[0] ==
       f"{work} {other} tcp 22", "an edge reaches the firewall")
    firewall(chain, "add", "work", "drop", "proto=udp")
    ok("Forward=tcp 8080" in conf.read_text(),
       "a change of the rules keeps the other lines")
    third = chain.etc / "qubes/untrusted.conf"
    kept = third.read_text()
    third.write_text(kept + "\n[Firewall]\nRule=accept\n"
                     "Forward=tcp 8080 8080\nReach=sys-usb any\n")
    done = firewall(chain, "reload", status=1)
    ok("this port of sys-net leads to untrusted already" in done.stderr and
       "work.conf:" in done.stderr and "cannot be reached" in done.stderr,
       "conflicts are refused with file and line", done.stderr)
    third.write_text(kept)
    conf.write_text(before)
    firewall(chain, "reload")
    ok(not values(chain, "sys-net", "/sysqube-forward") and
       not values(chain, "sys-firewall", "/sysqube-firewall/edge"),
       "and all is gone with its lines")


def test_large(chain):
    for n in (1000, 4000):
        text = "".join(f"drop 203.0.{i >> 8}.{i & 255} tcp 1000-{1000 + i}\n"
                       for i in range(n - 1)) + "accept\n"
        begun = time.monotonic()
        done = firewall(chain, "apply", "work", "-", text=text)
        took = time.monotonic() - begun
        ok(f"applied {n}" in done.stdout, f"a list of {n} rules is in force "
           f"({took:.1f} s)", done.stdout)
        ok(len(rule_keys(chain)) == n and len(stored(chain).splitlines()) == n,
           "and whole")
    ok(probe(chain, f"tcp {DST} 80") == "open", "packets pass it")
    text = "".join(f"drop proto=udp dstports={i}\n" for i in range(4000))
    done = firewall(chain, "apply", "work", "-", text=text)
    ok(done.stdout.count("applied 4000") == 2, "4,000 in both families",
       done.stdout)
    trouble = chain.qube("sys-firewall")["trouble"]
    ok(not trouble, "within the limits of the worker", str(trouble))
    firewall(chain, "reset", "work")
    ok(wait_until(lambda: len(rule_keys(chain)) == 1, 5), "and gone again")


def main():
    need_root()
    need_build()
    with Chain() as chain:
        done = chain.sysqube("up")
        ok(done.returncode == 0, "up", done.stderr[-600:])
        test_forms(chain)
        test_explain(chain)
        test_refused(chain)
        test_diff_edit(chain)
        test_profiles(chain)
        test_paths(chain)
        test_expiry(chain)
        test_large(chain)
        chain.sysqube("down")
    finish()


if __name__ == "__main__":
    main()
