#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules by name over the whole chain on the netns platform: the command, the
FirewallVM, NetVM's dnsmasq and the internet's DNS server."""
import importlib.machinery
import importlib.util
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
loader = importlib.machinery.SourceFileLoader("cli", HERE +
                                              "/61-firewall-cli.py")
cli = importlib.util.module_from_spec(
    importlib.util.spec_from_loader("cli", loader))
loader.exec_module(cli)
from lib import Chain, finish, need_root, ok, wait_until  # noqa: E402

DST, DST6, NAME = cli.DST, cli.DST6, "server.test"


def lookup(chain, name, kind="a"):
    """The qube asks its resolver. @return what was said"""
    return chain.inside("work", "/bin/busybox", "nslookup", f"-type={kind}",
                        name).stdout


def show(chain):
    """What the FirewallVM says of the qube's lists."""
    keys = chain.json("keys", "sys-firewall")["status"]
    return " / ".join(v for k, v in sorted(keys.items())
                      if k.startswith("/sysqube-status/firewall/"))


def test_name(chain):
    done = cli.firewall(chain, "apply", "work", "-", text=(
        f"accept {NAME} tcp 80\naccept nobody.test tcp\n"
        f"accept {DST} tcp 8080\n"))
    ok("applied 3" in done.stdout, "a list with names is in force",
       done.stdout)
    got = wait_until(lambda: cli.probe(chain, f"tcp {DST} 80") == "open", 20)
    ok(got, "a name opens its IPv4 address")
    got = wait_until(lambda: cli.probe(chain, f"tcp {DST6} 80") == "open", 20)
    ok(got, "and its IPv6 address")
    got = [cli.probe(chain, f"tcp {DST} {p}") for p in (443, 8080)]
    ok(got[0] != "open" and got[1] == "open",
       "not another port; the rule behind an unresolved name works", str(got))
    ok(wait_until(lambda: "degraded 0001: name unresolved" in show(chain), 10),
       "the name that is not there is told", show(chain))
    keys = chain.json("keys", "sys-firewall")["status"]
    said = {k: v for k, v in keys.items() if "/firewall-names/" in k}
    ok(sorted(said.values()) == sorted([f"ok {DST}", f"ok {DST6}",
                                        "unresolved", "unresolved"]),
       "what the names stand for reaches dom0", str(said))


def test_drop(chain):
    cli.firewall(chain, "apply", "work", "-", text=(
        f"accept {DST} tcp 8080\ndrop nobody.test\naccept\n"))
    got = [cli.probe(chain, f"tcp {DST} {p}") for p in (8080, 80)]
    ok(got[0] == "open" and got[1] != "open",
       "a drop by an unresolved name shuts what is behind it only", str(got))
    cli.firewall(chain, "apply", "work", "-", text=f"drop {NAME}\naccept\n")
    ok(wait_until(lambda: "degraded" not in show(chain), 10) and
       cli.probe(chain, f"tcp {DST} 80") != "open",
       "a drop by name closes its address")


def test_wild(chain):
    done = cli.firewall(chain, "apply", "work", "-", text=(
        "accept specialtarget=dns\n"
        f"accept dsthost=*.{NAME} proto=tcp dstports=80\n"))
    ok("applied 2" in done.stdout and "degraded" not in show(chain),
       "a list with *.name is in force", done.stdout + show(chain))
    ok(cli.probe(chain, f"tcp {DST} 80") != "open", "closed at first")
    lookup(chain, NAME)
    ok(cli.probe(chain, f"tcp {DST} 80") != "open",
       "the name itself is not meant")
    said = lookup(chain, f"www.{NAME}")
    ok(DST in said and cli.probe(chain, f"tcp {DST} 80") == "open",
       "a name below it is open once it was asked", said)
    said = lookup(chain, f"www.{NAME}", "aaaa")
    ok(DST6 in said and cli.probe(chain, f"tcp {DST6} 80") == "open",
       "and its IPv6 address", said)
    done = cli.firewall(chain, "explain", "work", f"www.{NAME}:80", "tcp")
    ok("rule 1" in done.stdout, "explain knows the rule", done.stdout)
    done = cli.firewall(chain, "add", "work", "drop", f"dsthost=*.{NAME}",
                        status=1)
    ok("needs action=accept" in done.stderr, "a drop by * is refused",
       done.stderr)
    done = cli.firewall(chain, "add", "work", "accept", "dsthost=*.test",
                        status=1)
    ok("not an address" in done.stderr, "so is one label", done.stderr)


def main():
    need_root()
    cli.need_build()
    with Chain() as chain:
        done = chain.sysqube("up")
        ok(done.returncode == 0, "up", done.stderr[-600:])
        test_name(chain)
        test_drop(chain)
        test_wild(chain)
        cli.firewall(chain, "reset", "work")
        chain.sysqube("down")
    finish()


if __name__ == "__main__":
    main()
