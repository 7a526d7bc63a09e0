#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rule lists in, the whole ruleset out: each tests/golden/firewall/NAME.rules
is given to firewallvmd as keys, and what the kernel then lists must be
NAME.nft, byte for byte. 01-empty.nft is the whole table; the others show
what is not as it is there: blocks (chains, sets) that are new or changed,
and "-" with the name of one that is missing. UPDATE_GOLDEN=1 writes the .nft
files instead: read the difference before it is committed.

A .rules file: `source IP` begins a source, then `KEY VALUE` lines as below
/qubes-firewall/IP/; `key PATH VALUE` sets any other key; # comments."""
import glob
import importlib.util
import os
import re
import shutil
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location(
    "firewall", os.path.join(HERE, "30-firewall.py"))
fw = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fw)
GOLDEN = os.path.join(fw.TOP, "tests/golden/firewall")
empty = ""  # the listing of the first case
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"


def read_case(path):
    sources, keys, lines = {}, {}, None
    with open(path) as f:
        for line in f:
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            word, _, rest = line.partition(" ")
            if word == "source":
                lines = sources.setdefault(rest, {})
            elif word == "key":
                k, _, v = rest.partition(" ")
                keys[k] = v
            else:
                lines[word] = rest
    return sources, keys


def blocks(text):
    """{"chain x": its text}, in the order of the listing."""
    return {m.group(1): m.group(0) for m in
            re.finditer(r"^\t(\w+ \S+) {\n.*?^\t}\n", text, re.M | re.S)}


def apart(text, base):
    """What of a listing is not in the base's."""
    mine, theirs = blocks(text), blocks(base)
    return "".join(b for n, b in mine.items() if theirs.get(n) != b) + \
        "".join(f"- {n}\n" for n in theirs if n not in mine)


def run_case(path, work):
    global empty
    sources, keys = read_case(path)
    keys.setdefault("/qubes-primary-dns", "10.139.1.1")
    keys.setdefault("/qubes-secondary-dns", "10.139.1.2")
    with fw.qdb.lock:
        fw.qdb.keys.clear()
        fw.qdb.keys.update(keys)
    for ip, lines in sources.items():
        fw.put(ip, {k: v for k, v in lines.items() if k != "policy"},
               lines.get("policy"))
    d = fw.start(work)
    out = "".join(f"# {ip}: {fw.status(ip)}\n" for ip in sources)
    listed = fw.sh("nft -n list table inet sysqube-firewall", fw.fw)
    # Whether there is a flowtable is the kernel's affair.
    listed = re.sub(r"\tflowtable [^}]*}[^}]*}?\n\n|[^\n]*flow add @offload\n", "",
                    listed)
    out += apart(listed, empty) if empty else listed
    empty = empty or listed
    d.end()
    want = path[:-len(".rules")] + ".nft"
    name = os.path.basename(path)
    if UPDATE:
        with open(want, "w") as f:
            f.write(out)
    try:
        with open(want) as f:
            known = f.read()
    except OSError:
        known = ""
    if out != known:
        for line in out.splitlines():
            print("# got: " + line)
    fw.report(out == known, f"{name} gives {os.path.basename(want)}")


def main():
    if os.geteuid() != 0:
        fw.cannot("needs root")
    if not os.path.exists(f"{fw.BUILD}/bin/firewallvmd"):
        fw.cannot("firewallvmd is not built")
    if not shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin:/bin"):
        fw.cannot("nft is not installed")
    fw.inside()
    work = tempfile.mkdtemp(prefix="sq31log.")
    try:
        fw.fw = fw.scene_ns()
        fw.root = fw.build_root()
        fw.qdb = fw.Qdb(f"{fw.root}/run/qubes")
        cases = sorted(glob.glob(f"{GOLDEN}/*.rules"))
        fw.report(len(cases) >= 10, f"{len(cases)} lists to compile")
        for path in cases:
            run_case(path, work)
    except Exception as e:  # the test's own fault is a failure, too
        fw.report(False, f"the test itself: {type(e).__name__}: {e}")
    fw.drop_root(fw.root)
    shutil.rmtree(work, ignore_errors=True)
    fw.finish()


if __name__ == "__main__":
    main()
