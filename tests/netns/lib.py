# SPDX-License-Identifier: GPL-2.0-or-later
"""Shared by the namespace tests: results, and a whole set of qubes.

Kind: helper (starts sysqubed on the netns platform with the example
configuration and the demo's internet, in a run folder of its own). Ends only
what it started, by process id.
"""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = TOP / os.environ.get("BUILD", "build")
REQUIRE = os.environ.get("REQUIRE_NETNS") == "1"

_failed = 0
procs = []  # what a test started; stop_all() ends them


def ok(good, text, more=""):
    """One result line. @return good"""
    global _failed
    good = bool(good)
    _failed += not good
    print(("ok - " if good else "not ok - ") + text +
          (f" ({more})" if more and not good else ""), flush=True)
    return good


def failures():
    """@return how many lines were not ok so far"""
    return _failed


def finish():
    """End the test with its exit status."""
    sys.exit(1 if _failed else 0)


def cannot(why):
    """The machine lacks what the test needs."""
    if REQUIRE:
        ok(False, why)
    else:
        print(f"skip - {why}", flush=True)
    finish()


def need_root():
    """Network namespaces with device nodes need a true root."""
    if os.geteuid():
        cannot("needs root for namespaces")
    if subprocess.run(["unshare", "-n", "true"], check=False).returncode:
        cannot("network namespaces are not allowed here")


def sh(cmd, ns=None, check=True):
    """Run words (a text is split at blanks), in the network namespace of
    process ns if given. @return its output; with check an error raises"""
    argv = cmd.split() if isinstance(cmd, str) else list(cmd)
    if ns:
        argv = ["nsenter", "-t", str(ns), "-n", *argv]
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stdout}")
    return done.stdout


def new_ns(seconds=600):
    """A network namespace that lives as long as a process of ours, at most
    so many seconds. @return the process id"""
    proc = subprocess.Popen(["unshare", "-n", "sleep", str(seconds)])
    procs.append(proc)
    mine = os.readlink("/proc/self/ns/net")
    there = wait_until(lambda: os.readlink(f"/proc/{proc.pid}/ns/net") != mine,
                       5, 0.01)
    if not there:
        raise RuntimeError("no namespace")
    return proc.pid


def stop_all():
    """End what is in procs, by process id."""
    for proc in procs:
        if proc.poll() is None:
            proc.kill()
            proc.wait()


def inside():
    """Run this test once more, in mount, network and process namespaces of
    its own, whose processes all end with it."""
    if os.environ.get("SYSQUBE_INSIDE") != "1":
        os.environ["SYSQUBE_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-m", "-n", "-p", "-f",
                              "--kill-child", "--mount-proc", sys.executable,
                              os.path.abspath(sys.argv[0])])


def wait_until(condition, seconds, step=0.05):
    """@return the first true value of condition(), or its last one"""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(step)


def alive(pid):
    """Does the process live (and is not a zombie)?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Chain:
    """sysqubed with the example's five qubes; use as a context."""

    def __init__(self):
        self.run = pathlib.Path(tempfile.mkdtemp(prefix="sq-test-",
                                                 dir="/run"))
        os.environ["SYSQUBE_RUN"] = str(self.run)
        os.environ["SYSQUBE_BUILD"] = str(BUILD)
        path = str(TOP / "sys-common/dom0/example/demo")
        loader = importlib.machinery.SourceFileLoader("demo", path)
        spec = importlib.util.spec_from_loader("demo", loader)
        self.demo = importlib.util.module_from_spec(spec)
        sys.dont_write_bytecode = True
        loader.exec_module(self.demo)
        self.demo_path = path
        self.internet = self.daemon = None

    def __enter__(self):
        demo = self.demo
        log = self.run / "internet.log"
        self.internet = demo.spawn([sys.executable, self.demo_path,
                                    "internet"], log,
                                   self.run / "internet.pid")
        demo.wait_for(self.run / "internet.ready", self.internet, log)
        demo.write_config()
        self.start_daemon()
        return self

    def __exit__(self, *_exc):
        for proc in (self.daemon, self.internet):
            if proc and proc.poll() is None:
                proc.terminate()
                try:
                    proc.wait(30)
                except subprocess.TimeoutExpired:
                    proc.kill()
                    proc.wait()
        if _failed and os.environ.get("KEEP_LOGS"):
            print(f"# logs kept in {self.run}")
        else:
            shutil.rmtree(self.run, ignore_errors=True)

    def start_daemon(self):
        """Start sysqubed and wait for its socket."""
        socket = self.run / "control.sock"
        socket.unlink(missing_ok=True)
        log = self.run / "sysqubed.log"
        self.daemon = self.demo.spawn(
            [str(BUILD / "bin/sysqubed"), "--config", str(self.etc)], log,
            self.run / "sysqubed.pid")
        self.demo.wait_for(socket, self.daemon, log)

    @property
    def etc(self):
        """The configuration folder."""
        return self.run / "etc"

    def kill_daemon(self):
        """SIGKILL, as a crash would be."""
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()

    def sysqube(self, *words, seconds=90):
        """Run the command. @return CompletedProcess with text"""
        return subprocess.run(
            [str(BUILD / "bin/sysqube"), "--socket",
             str(self.run / "control.sock"), "--config", str(self.etc),
             *words],
            check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=seconds)

    def json(self, *words):
        """Run the command with --json. @return the parsed answer"""
        return json.loads(self.sysqube("--json", *words).stdout)

    def qube(self, name):
        """The status of one qube."""
        for one in self.json("status")["qubes"]:
            if one["name"] == name:
                return one
        raise KeyError(name)

    def inside(self, name, *argv, seconds=15):
        """Run a program of the qube's image in the qube (all namespaces)."""
        return subprocess.run(
            ["nsenter", "-t", str(self.qube(name)["pid"]), "-m", "-n", "-p",
             "-r", "-w", "--", *argv], check=False, text=True,
            errors="replace", stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=seconds)

    def start_at(self, name, *argv, **kwargs):
        """Start a program of this machine in the qube's network only."""
        return subprocess.Popen(
            ["nsenter", "-t", str(self.qube(name)["pid"]), "-n", "--",
             *argv], text=True, **kwargs)

    def console_log(self, name):
        """What the qube printed."""
        path = self.run / "qubes" / name / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""
