# SPDX-License-Identifier: GPL-2.0-or-later
"""A qube that turns on dom0: it must lose its own worker and status only.

Kind: glue. Puts the program lab-hostile (hostile.c) into the qube untrusted
over its console, in qdbd's place, and watches dom0 and the other qubes.
"""
import base64
import gzip
import json
import os
import subprocess
import time

import internet

CHUNK = 600  # of base64 per console line
SECONDS = 5
ANSWER_LIMIT_MS = 5000  # sysqubed may not be held up longer than this
GROWTH_LIMIT_KIB = 8192


def deliver(qube, path, small):
    """Copy an executable into the qube as /hostile; its debug data would
    take the console a minute, so a copy without it is made at small."""
    subprocess.run(["strip", "-o", small, path], check=True)
    with open(small, "rb") as file:
        text = base64.b64encode(gzip.compress(file.read(), 9)).decode()
    qube.run("rm -f /h64")
    for at in range(0, len(text), CHUNK):
        qube.run(f"echo {text[at:at + CHUNK]} >>/h64")
    done = qube.run("base64 -d /h64 | gunzip >/hostile && chmod 755 /hostile "
                    "&& rm /h64; /hostile; echo usage $?")
    if "usage 2" not in done.out:
        raise RuntimeError("lab-hostile does not run: " + done.text())


def daemon(dom0):
    """(pid, resident KiB) of sysqubed."""
    words = dom0.run("ps -o pid=,rss= -C sysqubed").out.split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else (0, 0)


def trouble_others(checks):
    """What is wrong with the qubes that did nothing wrong; empty: nothing."""
    return {n: q.get("state") + " " + str(q.get("trouble"))
            for n, q in checks.status().items()
            if n in checks.QUBES and n != "untrusted"
            and (q.get("state") != "running" or not q.get("connected"))}


def one_mode(checks, mode, must_cut, before):
    results, dom0 = checks.results, checks.dom0
    token = dom0.start(f"/hostile {mode} {SECONDS}", SECONDS + 40,
                       qube="untrusted")
    time.sleep(1)
    answers = [dom0.run("sysqube --json status") for _ in range(3)]
    rule = dom0.run("sysqube firewall reset work", timeout_s=30)
    slowest = max(a.ms for a in answers)
    results.check(
        all(a.ok for a in answers) and slowest < ANSWER_LIMIT_MS and rule.ok,
        f"{mode}: meanwhile sysqubed answers (at most {slowest} ms) and "
        f"applies work's rules ({rule.ms} ms)", None,
        "\n".join(a.text() for a in (*answers, rule) if not a.ok))
    done = dom0.wait(token)
    words = done.out.split()
    sent = int(words[1]) if words[:1] == ["sent"] else 0
    results.check(
        done.ok and (not must_cut or "cut-off" in words),
        f"{mode}: {sent} bytes sent, {words[-1] if words else 'nothing'}",
        None, done.text())
    others = trouble_others(checks)
    pid, kib = daemon(dom0)
    results.check(
        not others and pid == before[0]
        and kib - before[1] < GROWTH_LIMIT_KIB,
        f"{mode}: sysqubed ({kib - before[1]:+d} KiB) and the other qubes "
        "are as before", None, f"{others}, pid {before[0]} -> {pid}, "
        f"{before[1]} -> {kib} KiB")


def check(checks):
    results, dom0, bad = checks.results, checks.dom0, checks.untrusted
    path = os.environ.get("LAB_HOSTILE", "")
    if not os.path.exists(path):
        results.not_ok("lab-hostile is built (make build/bin/lab-hostile)")
        return
    deliver(bad, path, checks.machine.path("lab-hostile"))
    before = daemon(dom0)
    bad.run("mv /usr/bin/qdbd /usr/bin/qdbd.off; killall qdbd")
    for mode, must_cut in (("silent", False), ("garbage", True),
                           ("oversize", True), ("endless", False)):
        one_mode(checks, mode, must_cut, before)
    result = checks.work.run(f"timeout 8 wget -q -O - "
                             f"http://{internet.SERVER4}/")
    results.check(internet.BODY.decode().strip() in result.out,
                  "work still fetches its page", None, result.text())
    bad.run("mv /usr/bin/qdbd.off /usr/bin/qdbd")
    begin = time.monotonic()

    def back():
        qube = checks.status()["untrusted"]
        return qube.get("connected") and (qube.get("status") or {}).get(
            "/sysqube-status/agent", "").startswith("up ")
    results.check(checks.wait_for(60, back), "the qube's honest qdbd is taken "
                  "back", time.monotonic() - begin,
                  json.dumps(checks.status()["untrusted"]))
