#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vifd with identities from xenstore, and init's shutdown request: the parts
a driver domain plays towards Xen's toolstack, against a small xenstore
daemon and the real kernel. Everything is in namespaces of its own."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(
    __file__))))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import (cannot, failures, finish, new_ns, procs, sh,  # noqa: E402
                 stop_all, wait_until)
from lib import ok as report  # noqa: E402
from qdb_fake import Qdb  # noqa: E402
from xenstore_fake import HOME, Xenstore  # noqa: E402


def until(condition, seconds=5):
    return wait_until(condition, seconds)


def dom0_adds(xs, domid, devid, ip, mac="00:16:3e:5e:6c:00"):
    base = "backend/vif/%d/%d/" % (domid, devid)
    for leaf, value in (("frontend-id", str(domid)), ("online", "1"),
                        ("state", "2"), ("handle", str(devid)), ("ip", ip),
                        ("mac", mac)):
        xs.set(base + leaf, value)
    return base


def check_vifd(folder, log):
    xs = Xenstore(os.path.join(folder, "xs"))
    qdb = Qdb(os.path.join(folder, "b"))
    ns = new_ns()
    qdb.set("/qubes-netvm-gateway", "10.137.0.4")
    qdb.set("/qubes-netvm-gateway6", "fd09::4")
    base = dom0_adds(xs, 7, 0, "10.137.0.7 fd09::7")
    script = ("mount -t tmpfs t /var; mkdir /var/empty; exec %s/bin/vifd "
              "--socket %s/b/qubesdb.sock" % (BUILD, folder))
    env = dict(os.environ, SYSQUBE_PLATFORM="xen",
               XENSTORED_RUNDIR=os.path.join(folder, "xs"))
    p = subprocess.Popen(["nsenter", "-t", str(ns), "-n", "unshare", "-m",
                          "--propagation", "private", "sh", "-c", script],
                         stdout=log, stderr=log, env=env)
    procs.append(p)

    def table():
        return sh("nft list table inet sysqube-vif", ns, check=False)

    report(qdb.wait("/sysqube-status/vif/7.0", lambda v: "link" in v) ==
           "waiting for its link" and xs.get(base + "hotplug-status") is None,
           "a vif without its link is not reported connected")
    sh("ip link add vif7.0 type veth peer name peer7", ns)
    sh("ip link set peer7 up", ns)
    report(until(lambda: xs.get(base + "hotplug-status") == "connected"),
           "hotplug-status says connected")
    report(qdb.wait("/sysqube-status/vif/7.0", lambda v: v[:2] == "up") ==
           "up 10.137.0.7" and "10.137.0.7" in sh("ip route", ns) and
           "fd09::7" in sh("ip -6 route", ns) and
           '"vif7.0" . 10.137.0.7' in table() and
           '"vif7.0" . fd09::7' in table(), "both addresses are in force",
           table())
    tasks = "/proc/%d/task" % p.pid
    states = []
    for t in os.listdir(tasks):
        with open(os.path.join(tasks, t, "status")) as f:
            text = f.read()
        states.append("Uid:\t101\t101" in text and "Seccomp:\t2" in text and
                      "NoNewPrivs:\t1" in text)
    report(len(states) > 1 and all(states),
           "every thread is confined (%d)" % len(states))

    bad = dom0_adds(xs, 8, 0, "10.137.0.8/24")
    sh("ip link add vif8.0 type veth peer name peer8", ns)
    sh("ip link set vif8.0 up", ns)
    other = dom0_adds(xs, 9, 1, "10.137.0.9")
    sh("ip link add vif9.1 type veth peer name peer9", ns)
    report(until(lambda: xs.get(other + "hotplug-status") == "connected") and
           xs.get(bad + "hotplug-status") == "error" and
           "vif8.0" not in table(), "a malformed list of addresses is refused")
    report(until(lambda: "UP" not in sh("ip -o link show vif8.0", ns)
                 .split("<")[1].split(">")[0].split(",")),
           "and its link is down")

    # the way dom0 takes a vif away
    xs.set(base + "online", "0")
    xs.set(base + "state", "5")
    report(until(lambda: "vif7.0" not in table()) and
           "10.137.0.7" not in sh("ip route", ns) and
           xs.get(base + "mac") is not None,
           "online=0 undoes it; the nodes stay until it is closed", table())
    sh("ip link del vif7.0", ns)
    xs.set(base + "state", "6")
    report(until(lambda: xs.get(base + "mac") is None and
                 HOME + "backend/vif/7" not in xs.nodes),
           "a closed backend's nodes are removed, the folder as well")
    report(until(lambda: qdb.get("/sysqube-status/vif/7.0") is None),
           "and its status")
    # by force: dom0 removes everything at once
    sh("ip link del vif9.1", ns)
    xs.rm("backend/vif/9")
    report(until(lambda: "vif9.1" not in table()), "removal by force")
    report(not any(path.startswith(HOME + "backend/vif/9/") and value is not
                   None and value != "connected"
                   for path, value in xs.history) and
           xs.get("backend/vif/9/1/hotplug-status") is None,
           "brings no node back", xs.history)
    report(p.poll() is None, "vifd lives")
    p.send_signal(signal.SIGTERM)
    report(p.wait(5) == 0, "and ends on SIGTERM")


def check_init(folder, log, word):
    """init takes the host's own binaries here: its root is the machine's,
    with /etc covered by an empty one that holds the table, and the console
    by a file. /dev is mounted already, so that init leaves it as it is."""
    console = os.path.join(folder, "console")
    open(console, "w").close()
    xs = Xenstore(os.path.join(folder, "xs-" + word))
    xs.set("control/shutdown", "")
    script = (
        "mount -t devtmpfs d /dev || mountpoint -q /dev || exit 9; set -e; "
        "mount --bind %s /dev/console; "
        "mount -t tmpfs t /etc; mkdir /etc/sysqube; "
        "echo 'sleeper 0 0 - /bin/sleep 100' > /etc/sysqube/services; "
        "exec %s/bin/init" % (console, BUILD))
    # PID 1 of a private PID namespace: reboot(2) then ends that namespace
    p = subprocess.Popen(
        ["unshare", "-mpniuf", "--kill-child", "--propagation", "private",
         "sh", "-c", script], stdout=subprocess.DEVNULL, stderr=log,
        env={"PATH": os.environ["PATH"], "SYSQUBE_PLATFORM": "xen",
             "XENSTORED_RUNDIR": os.path.join(folder, "xs-" + word)})
    procs.append(p)
    report(until(lambda: len(xs.watches) == 1), "init watches (%s)" % word)
    time.sleep(0.3)
    report(p.poll() is None, "an empty node at start is no request")
    if word == "":  # the kernel was faster and has emptied the node
        xs.set("control/shutdown", "")
    else:
        xs.set("control/shutdown", word)
        report(until(lambda: xs.get("control/shutdown") == ""),
               "%s is acknowledged" % word)
    try:
        code = p.wait(8)
    except subprocess.TimeoutExpired:
        code = None
        p.kill()
    # how reboot(2) ends a PID namespace (see reboot(2)): SIGHUP for a
    # restart, SIGINT for power-off and halt, which unshare hands on
    want = 128 + signal.SIGHUP if word == "reboot" else 128 + signal.SIGINT
    report(code in (want, 128 - want), "\"%s\" ends the machine so" % word,
           code)


def main():
    if os.geteuid() != 0 or shutil.which("nft") is None:
        cannot("needs root and nft")
    for name in ("vifd", "init"):
        if not os.path.exists(os.path.join(BUILD, "bin", name)):
            cannot(name + " is not built")
    if subprocess.run(["unshare", "-mpniuf", "true"]).returncode != 0:
        cannot("namespaces cannot be made here")
    # vifd's /var is covered, init's /tmp and /run are
    folder = tempfile.mkdtemp(prefix="sysqube-vifxen.")
    folder2 = tempfile.mkdtemp(prefix="sysqube-initxen.", dir="/var/tmp")
    os.chmod(folder, 0o755)
    log = open(os.path.join(folder, "log"), "w")
    try:
        check_vifd(folder, log)
        for word in ("poweroff", "reboot", "halt", ""):
            check_init(folder2, log, word)
    finally:
        stop_all()
        log.close()
        if failures():
            with open(os.path.join(folder, "log")) as f:
                print("# " + f.read().replace("\n", "\n# "))
        shutil.rmtree(folder)
        shutil.rmtree(folder2)
    finish()


main()
