# SPDX-License-Identifier: GPL-2.0-or-later
"""What dom0 holds before `sysqube up` and after `sysqube down`, compared.

Kind: effect (reads dom0 through the command channel). Domains, xenstore
nodes, processes. Fed by dom0, trusted here.
"""
import re

OURS = re.compile(r"^(sysqube|qdb)")
# Empty folders that libxl itself leaves in xenstore; they name no domain. One
# of a PCI device says that it is assignable; a node below it is not let pass.
TOOLSTACK = re.compile(
    r"^/(vm|libxl|libxl/pci(/[0-9a-f]{4}(-[0-9a-f]{1,2}){3})?"
    r"|local/domain/0/(backend(/[a-z]+)?|bootloader|device-model))$")


def snapshot(dom0):
    """{domains, nodes, processes}: sets of texts."""
    domains = dom0.run("xl list").out.splitlines()[1:]
    nodes = dom0.run("xenstore-ls -f").out.splitlines()
    processes = dom0.run("ps -eo comm=").out.split()
    return {
        "domains": {line.split()[0] for line in domains if line.split()},
        "nodes": {line.split(" = ")[0].strip() for line in nodes},
        "processes": {p for p in processes if OURS.match(p)},
    }


def check(dom0, before, results):
    after = snapshot(dom0)
    results.check(after["domains"] == {"Domain-0"},
                  "no domain but dom0 is left", None, repr(after["domains"]))
    left = sorted(n for n in after["nodes"] - before["nodes"]
                  if not TOOLSTACK.match(n))
    results.check(bool(after["nodes"]) and not left,
                  "no xenstore node of ours is left", None, "\n".join(left))
    more = after["processes"] - before["processes"]
    results.check("sysqubed" in before["processes"] and not more,
                  "no process of ours is left but sysqubed", None,
                  repr(more))
    stopped = dom0.run("sysqube quit; for i in 1 2 3 4 5 6 7 8 9 10; do "
                       "pgrep -x sysqubed >/dev/null || exit 0; sleep 0.5; "
                       "done; exit 1")
    left = snapshot(dom0)["processes"]
    results.check(stopped.ok and not left,
                  "sysqubed ends, and no process of ours is left", None,
                  f"{left} {stopped.text()}")
