#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Three things say what a rule list means: the evaluator in C, the compiled
rules as the kernel executes them on packets, and the flow cut. Here they are
held against each other on random lists and packets of both families
(tests/property): with firewallvmd's monitor in the test's process, where a
list takes milliseconds, and with a whole firewallvmd fed by its keys.

Before that, faults are put in on purpose: each must be found, or the test
proves nothing. SEED=N repeats a run, PROPERTY_SECONDS=N makes it long."""
import importlib.util
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "property"))
from scene import Scene  # noqa: E402
spec = importlib.util.spec_from_file_location(
    "firewall", os.path.join(HERE, "30-firewall.py"))
fw = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fw)

TOOL = os.path.join(fw.BUILD, "tool/fwprop")
SECONDS = int(os.environ.get("PROPERTY_SECONDS", "14"))
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
DAEMON_STEPS = max(25, SECONDS)
SOURCES = [[f"10.137.0.{5 + i}", f"fd09:24ef:4179::a89:{5 + i}"]
           for i in range(3)] + [["10.137.0.99"]]


def fwprop(scene, *more):
    return subprocess.Popen(
        ["nsenter", "-t", str(scene.fw), "-n", TOOL, "--qubes",
         str(scene.qubes), "--far", str(scene.far)] + list(more), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def result(p, err, text, want=0):
    """One line of the test; what differs is told before it."""
    lines = err.strip().splitlines() or ["nothing said"]
    if p.returncode != want:
        for line in lines[:-1]:
            print(line if line.startswith("#") else "# " + line)
    fw.report(p.returncode == want, f"{text}: {lines[-1]}",
              f"exit status {p.returncode}")


def direct(text, *more, want=0):
    with Scene(SOURCES) as scene:
        scene.tune()
        p = fwprop(scene, "--seed", str(SEED), *more)
        _, err = p.communicate()
    result(p, err, text, want)


# ---- a whole firewallvmd ----

class Whole:
    """Does with keys what the engine's lines say."""

    def __init__(self, work):
        self.work = work
        self.daemon = None
        self.known = set()
        self.dns = None

    def put(self, src, policy, rules):
        self.known.add(src)
        fw.put(src, rules, policy)

    def resolvers(self, words):
        keys = ("/qubes-primary-dns", "/qubes-secondary-dns")
        with fw.qdb.lock:
            for i, k in enumerate(keys):
                if i < len(words):
                    fw.qdb.keys[k] = words[i]
                else:
                    fw.qdb.keys.pop(k, None)
            for k in keys:
                fw.qdb._fire(k)
        self.dns = words

    def start(self, blocks):
        if self.daemon:
            self.daemon.end()
        with fw.qdb.lock:
            fw.qdb.keys.clear()
        self.known.clear()
        for words, rules in blocks:
            if words[0] == "dns":
                self.resolvers(words[1:])
            else:
                self.put(words[1], words[2], rules)
        self.daemon = fw.start(self.work)
        return all((fw.status(s) or "").startswith("applied")
                   for s in self.known)

    def new_dns(self, words):
        if words == self.dns:
            return True
        before = {s: fw.handled(s) for s in self.known}
        self.resolvers(words)
        return fw.until(lambda: all(fw.handled(s) > n
                                    for s, n in before.items()), 10)

    def apply(self, words, rules):
        n = fw.handled(words[1])
        self.put(words[1], words[2], rules)
        return fw.until(lambda: fw.handled(words[1]) > n, 10) and \
            fw.status(words[1]).startswith("applied")

    def do(self, lines):
        blocks = []
        for line in lines:
            words = line.split()
            if words and words[0] in ("list", "dns", "remove", "start"):
                blocks.append((words, []))
            else:
                blocks[-1][1].append(line)
        words, rules = blocks[0]
        if words[0] == "start":
            return self.start(blocks[1:])
        if words[0] == "dns":
            return self.new_dns(words[1:])
        if words[0] == "remove":
            fw.gone(words[1])
            self.known.discard(words[1])
            return True
        return self.apply(words, rules)

    def serve(self, p):
        """Until fwprop ends."""
        lines = []
        for line in p.stdout:
            line = line.rstrip("\n")
            if line != "end":
                lines.append(line)
                continue
            ok = self.do(lines)
            if not ok:
                print("# not done: " + "; ".join(lines)[:300])
            lines = []
            p.stdin.write("ok\n" if ok else "no\n")
            p.stdin.flush()


def whole(work):
    with Scene(SOURCES) as scene:
        scene.tune()
        fw.fw = scene.fw
        fw.root = fw.build_root()
        fw.qdb = fw.Qdb(f"{fw.root}/run/qubes")
        w = Whole(work)
        p = fwprop(scene, "--seed", str(SEED), "--pipe", "--steps",
                   str(DAEMON_STEPS))
        w.serve(p)
        err = p.stderr.read()
        p.wait()
        if w.daemon:
            w.daemon.end()
    result(p, err, "a whole firewallvmd, evaluator and kernel")


def main():
    if os.geteuid() != 0:
        fw.cannot("needs root")
    if not os.path.exists(TOOL):
        fw.cannot("fwprop is not built")
    os.environ["SEED"] = str(SEED)
    fw.inside()
    print(f"# SEED={SEED} PROPERTY_SECONDS={SECONDS}")
    work = tempfile.mkdtemp(prefix="sq35log.")
    try:
        for fault, text in (("verdict", "a wrong verdict of the evaluator"),
                            ("kernel", "a rule with the other action"),
                            ("cut", "a flow that outlives its rule")):
            direct(f"{text} is found", "--mutate", fault, "--seconds", "20",
                   want=1)
        direct("evaluator, compiled rules and flow cut agree", "--seconds",
               str(SECONDS))
        whole(work)
    except Exception as e:  # the test's own fault is a failure, too
        fw.report(False, f"the test itself: {type(e).__name__}: {e}")
    fw.drop_root(fw.root)
    shutil.rmtree(work, ignore_errors=True)
    fw.finish()


if __name__ == "__main__":
    main()
