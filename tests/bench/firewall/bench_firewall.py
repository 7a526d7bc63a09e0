#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench-firewall: see tests/bench/README.md for what each row means.

Everything is in namespaces of its own but one thing: the kernel has one
table of tracked flows, whose size follows the machine's memory. For the run
it gets the size it has in a FirewallVM (2,048 buckets); then its old size.
FAST=1: few rounds, to see that the benchmark works."""
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TESTS, "property"), os.path.dirname(HERE)]
from bench import Table  # noqa: E402
from scene import Scene  # noqa: E402
spec = importlib.util.spec_from_file_location(
    "firewall", os.path.join(TESTS, "netns", "30-firewall.py"))
fw = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fw)

TOOL = os.path.join(fw.BUILD, "tool/fwbench")
FAST = os.environ.get("FAST") == "1"
BUCKETS = "/proc/sys/net/netfilter/nf_conntrack_buckets"
VM_BUCKETS = 2048  # as in image-builder/recipes/firewallvm.recipe
MS = 1e6


def sources(n):
    return [[f"10.137.0.{5 + i}"] for i in range(n)]


def pids(scene):
    return f"{scene.fw},{scene.qubes},{scene.far}"


def rounds(scene, work, figure, n, *more):
    """Run fwbench; two lists of nanoseconds, ours and theirs."""
    r = subprocess.run(
        ["nsenter", "-t", str(scene.fw), "-n", TOOL, figure, "--folder",
         work, "--scene", pids(scene), "--rounds", str(3 if FAST else n),
         *more], text=True, stdout=subprocess.PIPE, check=True)
    pairs = [[int(w) for w in line.split()] for line in r.stdout.splitlines()]
    return [p[0] for p in pairs], [p[1] for p in pairs]


def by_turns(work, figure, n, *more):
    """rounds() with a second namespace, for what is not ours; in ms"""
    with Scene(sources(1)) as scene, Scene(sources(1)) as theirs:
        scene.tune()
        both = rounds(scene, work, figure, n, "--second", pids(theirs), *more)
    return [[v / MS for v in values] for values in both]


def control_plane(table, work):
    table.compare("100 qubes x 10 rules loaded",
                  *by_turns(work, "load", 15), "ms", 1 / 3)
    ours, theirs = by_turns(work, "change", 61)
    table.compare("one 10-rule qube of 100 changed", ours, theirs, "ms",
                  1 / 20)
    table.bound("the same, alone", ours, "ms", 1)
    table.compare("500 live flows cut",
                  *by_turns(work, "cut", 5, "--qubes", "1"), "ms", 1 / 50)
    for n in (1000, 4000):
        one = ["--qubes", "1", "--rules", str(n)]
        table.figure(f"one qube of {n:,} rules loaded",
                     *by_turns(work, "load", 9, *one), "ms")
        table.figure(f"its {n:,} rules changed",
                     *by_turns(work, "change", 9, *one), "ms")


def forwarding(table, work):
    with Scene(sources(1)) as one, Scene(sources(200)) as many:
        for scene in (one, many):
            scene.tune()
        for text, more in (("packet of a live flow, 200 qubes / 1",
                            ["--answered"]),
                           ("packet that asks the list, 200 qubes / 1", [])):
            ours, theirs = rounds(one, work, "forward", 301, "--second",
                                  pids(many), "--qubes", "200", *more)
            table.compare(text, ours, theirs, "ns", 1.05)


# ---- the daemon itself ----

def children(pid):
    """A process and all below it."""
    found, at = [pid], 0
    while at < len(found):
        for d in os.listdir("/proc"):
            if d.isdigit() and int(d) not in found:
                try:
                    if fw.proc_status(int(d)).get("PPid") == str(found[at]):
                        found.append(int(d))
                except OSError:
                    pass
        at += 1
    return found


def rollup(pid, field):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return int(re.search(rf"{field}:\s+(\d+)", f.read()).group(1)) / 1024


def rule_text(q, i):
    action = "drop" if i % 5 == 0 else "accept"
    proto = "udp" if i % 5 == 4 else "tcp"
    prefix = 29 if i % 5 == 0 else 32
    last = i + 101 if i % 5 == 4 else i + 1
    return (f"action={action} dst4=198.18.{q}.{i + 1}/{prefix} "
            f"proto={proto} dstports={i + 1}-{last}")


def memory(table, work):
    with Scene(sources(1)) as scene:
        fw.fw = scene.fw
        fw.root = fw.build_root()
        fw.qdb = fw.Qdb(f"{fw.root}/run/qubes")
        fw.qdb.keys["/qubes-primary-dns"] = "10.139.1.1"
        for q in range(100):
            fw.put(f"10.137.0.{5 + q}", [rule_text(q, i) for i in range(10)])
        began = time.monotonic()
        d = fw.start(work)
        fw.until(lambda: all(fw.handled(f"10.137.0.{5 + q}") > 0
                             for q in range(100)), 20)
        took = (time.monotonic() - began) * 1000
        all_of_it = children(d.p.pid)
        pss = sum(rollup(p, "Pss") for p in all_of_it)
        own = sum(rollup(p, "Private_Clean") + rollup(p, "Private_Dirty")
                  for p in all_of_it)
        d.end()
        table.bound(f"memory (PSS) of {len(all_of_it)} firewallvmd "
                    "processes", pss, "MiB", 4)
        table.figure("of it private", own, None, "MiB")
        table.figure("firewallvmd, start to all 100 handled", took, None,
                     "ms")


def inside():
    work = tempfile.mkdtemp(prefix="sqbench.")
    table = Table("firewall")
    try:
        control_plane(table, work)
        forwarding(table, work)
        memory(table, work)
    finally:
        fw.drop_root(fw.root)
        shutil.rmtree(work, ignore_errors=True)
    return table.end()


def main():
    if os.environ.get("BENCH_INSIDE") == "1":
        sys.exit(inside())
    if os.geteuid() != 0:
        sys.exit("bench-firewall: needs root for namespaces")
    os.environ["BENCH_INSIDE"] = "1"
    with open(BUCKETS, encoding="ascii") as f:
        old = f.read().strip()
    try:
        with open(BUCKETS, "w", encoding="ascii") as f:
            f.write(str(VM_BUCKETS))
        r = subprocess.run(["unshare", "-m", "-n", "-p", "-f",
                            "--kill-child", "--mount-proc", sys.executable,
                            os.path.abspath(__file__)], check=False)
    finally:
        with open(BUCKETS, "w", encoding="ascii") as f:
            f.write(old)
    sys.exit(r.returncode)


if __name__ == "__main__":
    main()
