#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The flowtable: allowed flows go past the rules, and end all the same with
the list that allowed them, at once; devices join and leave it one by one.
Where this machine's kernel has no flowtables, all of it runs in a guest that
has them (guest.py). Scene and helpers are those of 30-firewall.py."""
import importlib.util
import os
import re
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import guest  # noqa: E402
from lib import stop_all  # noqa: E402

spec = importlib.util.spec_from_file_location(
    "firewall", os.path.join(HERE, "30-firewall.py"))
fw = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fw)
A4, A6, B4, S4, S6 = fw.A4, fw.A6, fw.B4, fw.S4, fw.S6
report, rules, until = fw.report, fw.rules, fw.until


def has_flowtables():
    ns = fw.new_ns()
    fw.sh(["nft", "add table inet t; add flowtable inet t f "
           "{ hook ingress priority 0; }"], ns, check=False)
    found = "flowtable f" in fw.sh("nft list flowtables", ns, check=False)
    stop_all()
    return found


def devices():
    m = re.search(r"flowtable offload {.*?devices = {(.*?)}", fw.table(),
                  re.S)
    return sorted(re.findall(r"\w[\w.]*", m.group(1))) if m else None


def offloaded():
    """Flows that the flowtable has."""
    with open(f"/proc/{fw.fw}/net/nf_conntrack", encoding="ascii") as f:
        return [line for line in f if "[OFFLOAD]" in line]


def seen():
    """Packets of A4 that the rules let pass."""
    m = re.search(re.escape(A4) + r" counter packets (\d+)", fw.table())
    return int(m.group(1)) if m else -1


def check_offload(a):
    rules(A4, ["action=accept"])
    rules(A6, ["action=accept"])
    for key, proto, dst in (("t", "tcp", S4), ("u", "udp", S4),
                            ("t6", "tcp", S6), ("u6", "udp", S6)):
        a("open", key, proto, dst, 443)
        for _ in range(3):
            a("use", key)
    report(sum("dport=443 " in line for line in offloaded()) == 4,
           "TCP and UDP flows of both families go to the flowtable",
           str(offloaded()))
    n = seen()
    got = [a("use", "t") for _ in range(10)]
    report(got == [A4] * 10 and seen() == n,
           "and their packets past the rules", f"{got}, {seen() - n}")
    rules(A4, ["action=drop dstports=1-442", "action=accept"])
    got = [a("use", k) for k in ("t", "u", "t6", "u6")]
    report(got == [A4, A4, A6, A6], "a list that allows them ends none",
           str(got))
    rules(A4, ["action=drop proto=udp", "action=accept"])
    got = [a("use", "u"), a("use", "t"), a("use", "t6")]
    report(got[0].startswith("failed") and got[1:] == [A4, A6],
           "one that does not ends them at once, and no other", str(got))
    for _ in range(3):
        a("use", "t")
    report(any("tcp" in line and "dport=443" in line and A4 in line
               for line in offloaded()),
           "which is offloaded again", str(offloaded()))
    rules(A4, ["action=drop"])
    rules(A6, ["action=drop"])
    got = [a("use", k) for k in ("t", "t6", "u6")]
    report(all(g.startswith("failed") for g in got),
           "drop ends the rest at once", str(got))


def check_metered(a):
    fw.qdb.set(f"/sysqube-firewall/{A4}/limits", "quota=1000000")
    rules(A4, ["action=accept"])
    a("open", "m", "tcp", S4, 443)
    for _ in range(3):
        a("use", "m")
    report(not any(A4 in line for line in offloaded()),
           "flows of a qube with a quota stay where they are counted",
           str(offloaded()))
    fw.rm_key(f"/sysqube-firewall/{A4}/limits")
    rules(A4, ["action=accept"])


def check_devices(a, b):
    want = sorted(["eth0", a.vif, b.vif])
    rules(A4, ["action=accept"])
    until(lambda: devices() == want)
    report(devices() == want, "all devices are in the flowtable",
           str(devices()))
    a("open", "d", "tcp", S4, 80)
    fw.sh(f"ip link del {b.vif}", fw.fw)
    until(lambda: devices() == sorted(["eth0", a.vif]))
    report(devices() == sorted(["eth0", a.vif]) and a("use", "d") == A4,
           "one that goes leaves it, the others' flows go on",
           str(devices()))
    b.link()
    until(lambda: devices() == want)
    rules(B4, ["action=accept"])
    report(devices() == want and b("tcp", S4, 80) == B4,
           "and one that comes again joins it", str(devices()))


def scene(work):
    fw.fw = fw.scene_ns()
    a, b = fw.Qube("a", 5, A4, A6), fw.Qube("b", 6, B4, fw.B6)
    fw.server()
    a.link()
    b.link()
    fw.root = fw.build_root()
    fw.qdb = fw.Qdb(f"{fw.root}/run/qubes")
    d = fw.start(work)
    check_devices(a, b)
    check_offload(a)
    check_metered(a)
    d.end()
    a("open", "r", "tcp", S4, 443)
    d = fw.start(work)
    report(a("use", "r") == A4 and len(devices() or []) == 3,
           "a restart ends no flow and loses no device", str(devices()))
    rules(A4, ["action=drop"])
    report(a("use", "r").startswith("failed"), "and its lists end them")
    report(d.alive(), "the daemon lives")


def main():
    if os.geteuid() != 0:
        fw.cannot("needs root")
    if not os.path.exists(f"{fw.BUILD}/bin/firewallvmd"):
        fw.cannot("firewallvmd is not built")
    if not has_flowtables():
        guest.run(__file__)
    fw.inside()
    work = tempfile.mkdtemp(prefix="sq37log.")
    try:
        scene(work)
    except Exception as e:  # the test's own fault is a failure, too
        report(False, f"the test itself: {type(e).__name__}: {e} at line "
               f"{e.__traceback__.tb_next.tb_lineno}")
    if fw.failures() and os.path.exists(f"{work}/firewallvmd.log"):
        for line in open(f"{work}/firewallvmd.log", errors="replace"):
            print(f"# {line.rstrip()}")
    fw.drop_root(fw.root)
    shutil.rmtree(work, ignore_errors=True)
    fw.finish()


if __name__ == "__main__":
    main()
