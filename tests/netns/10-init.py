#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""init as PID 1 of a private pid, mount and net namespace, in a small root
of its own: mounts, start order, ids and capabilities of services, log lines,
restart, controlling terminal, orderly end. Touches nothing outside."""
import os
import pty
import re
import select
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
from lib import cannot, failures, finish  # noqa: E402
from lib import ok as report  # noqa: E402

SERVICES = """\
# the table of this test
first+once 0 0 - /bin/busybox sh /t/first.sh
@xen:never 0 0 all /bin/busybox false
user 107 108 net_admin,net_raw /bin/busybox sh /t/user.sh
root 0 0 setuid,kill /bin/busybox sh /t/root.sh
crash 105 105 - /bin/busybox sh /t/crash.sh
missing 105 105 - /bin/not-there
stay 104 104 - /bin/busybox sh /t/stay.sh
term+tty 0 0 - /bin/busybox sh /t/term.sh
"""
SCRIPTS = {
    "first.sh": "echo begin\nsleep 0.3\necho end\n",
    "user.sh": """
echo id $(id -u):$(id -g) groups $(id -G)
grep -E 'Cap(Eff|Bnd|Amb)' /proc/self/status
echo env $(env | sort | tr '\\n' ' ')
printf 'bad \\033[2J bytes\\n'
grep -E ' /(run|tmp|proc|sys|run/vchan) ' /proc/mounts | cut -d' ' -f2,3
cat /run/vchan/marker
(sleep 0.2; echo orphan done) &
exec sleep 1000
""",
    "root.sh": """
grep -E 'Cap(Eff|Bnd|Amb)' /proc/self/status
exec sleep 1000
""",
    "crash.sh": "echo round\nexit 3\n",
    "stay.sh": "trap '' TERM\nwhile :; do sleep 1; done\n",
    "term.sh": """
echo tty $(tty) pid $$
read line < /dev/tty && echo "got $line"
exec sleep 1000
""",
}


def make_root(root):
    for d in ("bin", "t", "dev", "proc", "sys", "run", "tmp", "etc/sysqube",
              "mnt/vchan"):
        os.makedirs(os.path.join(root, d))
    shutil.copy(shutil.which("busybox"), os.path.join(root, "bin/busybox"))
    for tool in ("sh", "sleep", "id", "grep", "env", "sort", "tr", "printf",
                 "cut", "cat", "tty"):
        os.symlink("busybox", os.path.join(root, "bin", tool))
    for name, text in SCRIPTS.items():
        with open(os.path.join(root, "t", name), "w") as f:
            f.write(text)
    with open(os.path.join(root, "etc/sysqube/services"), "w") as f:
        f.write(SERVICES)
    with open(os.path.join(root, "etc/sysqube/image"), "w") as f:
        f.write("testimage\n")
    with open(os.path.join(root, "mnt/vchan/marker"), "w") as f:
        f.write("the marker\n")
    # init is linked dynamically: its libraries under their own paths
    os.makedirs(os.path.join(root, "lib64"))
    init = os.path.join(BUILD, "bin/init")
    shutil.copy(init, os.path.join(root, "init"))
    out = subprocess.run(["ldd", init], check=True, capture_output=True,
                         text=True).stdout
    for path in re.findall(r"(/\S+) \(0x", out):
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, root + path)


START = """
set -e
mount --bind "$ROOT" "$ROOT"
mount -t tmpfs tmpfs "$ROOT/dev"
for n in null zero; do
    : > "$ROOT/dev/$n"; mount --bind /dev/$n "$ROOT/dev/$n"
done
: > "$ROOT/dev/console"; mount --bind "$TTY" "$ROOT/dev/console"
: > "$ROOT/dev/tty"; mount --bind /dev/tty "$ROOT/dev/tty"
mount -o remount,bind,ro "$ROOT"
exec env -i SYSQUBE_PLATFORM=netns "$(command -v chroot)" "$ROOT" /init
"""


class Console:
    def __init__(self, fd):
        self.fd, self.text = fd, ""

    def wait(self, pattern, timeout):
        end = time.monotonic() + timeout
        while not re.search(pattern, self.text, re.M):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                return False
            try:
                self.text += os.read(self.fd, 4096).decode("ascii", "replace")
            except OSError:  # the last writer has gone
                return bool(re.search(pattern, self.text, re.M))
            self.text = self.text.replace("\r\n", "\n")
        return True


def caps(*numbers):
    return "%016x" % sum(1 << n for n in numbers)


def check_life(con):
    report(con.wait(r"^init: info: testimage up after \d+ ms", 10),
           "says which image is up")
    report(con.wait(r"^user: id 107:108 groups 108$", 5),
           "ids and the only group of a service")
    want = caps(12, 13)
    report(con.wait(r"user: CapEff:\s+%s" % want, 5) and
           con.wait(r"user: CapBnd:\s+%s" % want, 5) and
           con.wait(r"user: CapAmb:\s+%s" % want, 5),
           "capabilities of a service that is not root")
    want = caps(5, 7)
    report(con.wait(r"root: CapEff:\s+%s" % want, 5) and
           con.wait(r"root: CapBnd:\s+%s" % want, 5),
           "capabilities of a root service are those of its line")
    report(con.wait(r"user: env PATH=\S+ PWD=/ SHLVL=1 "
                    r"SYSQUBE_PLATFORM=netns $|"
                    r"user: env PATH=\S+ (PWD=/ |SHLVL=\d |_=\S+ )*"
                    r"SYSQUBE_PLATFORM=netns ?", 5), "small environment")
    report(con.wait(r"^user: bad _\[2J bytes$", 5),
           "bytes that are not text are replaced")
    report(con.wait(r"user: /proc proc", 5) and
           con.wait(r"user: /run tmpfs", 5) and
           con.wait(r"user: /tmp tmpfs", 5), "/proc, /run and /tmp")
    report(con.wait(r"^user: the marker$", 5), "/mnt/vchan is at /run/vchan")
    report(con.wait(r"(^crash: round\n(.*\n)*){4}", 5),
           "a service that ends is started again")
    report(con.wait(r"crash: ended with code 3", 5), "its code is logged")
    report(con.wait(r"^missing: cannot start: /bin/not-there: No such file", 5),
           "a missing program is named")
    report(con.wait(r"^tty /dev/console pid \d+", 5) or
           con.wait(r"^tty \S+ pid \d+", 1), "the tty service has a terminal")
    os.write(con.fd, b"input\n")
    report(con.wait(r"^got input$", 5), "and it is its controlling terminal")
    begin, end, user = (con.text.find(s) for s in
                        ("first: begin", "first: end", "user: id"))
    report(0 <= begin < end < user, "+once ends before the next line begins")
    report(con.wait(r"^user: orphan done", 5) and
           "never" not in con.text, "only this platform's lines")
    times = con.text.count("crash: round")
    report(times < 12, "back-off slows a crashing service (%d)" % times)


def check_end(con, pid, proc):
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    report(con.wait(r"power-off asked for by signal", 3), "SIGTERM ends it")
    report(con.wait(r"^init: info: down$", 6), "everything has ended")
    try:
        code = proc.wait(5)
    except subprocess.TimeoutExpired:
        code = None
        proc.kill()
    report(code == 0, "init ends with code 0 (%s)" % code)
    took = time.monotonic() - began
    report(1.0 <= took < 4.5,
           "a service deaf to SIGTERM gets its second only (%.1f s)" % took)


def main():
    if os.geteuid() != 0 or shutil.which("busybox") is None:
        cannot("needs root and busybox")
    init = os.path.join(BUILD, "bin/init")
    if not os.path.exists(init):
        cannot("%s is not built" % init)
    if subprocess.run(["unshare", "-mpniuf", "true"]).returncode != 0:
        cannot("namespaces cannot be made here")
    root = tempfile.mkdtemp(prefix="sysqube-init.")
    os.chmod(root, 0o755)
    try:
        make_root(root)
        master, slave = pty.openpty()
        env = dict(os.environ, ROOT=root, TTY=os.ttyname(slave))
        proc = subprocess.Popen(
            ["unshare", "-mpniuf", "--kill-child", "--propagation",
             "private", "sh", "-c", START], env=env,
            stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
        os.close(slave)
        con = Console(master)
        try:
            check_life(con)
            with open("/proc/%d/task/%d/children" % (proc.pid,
                                                     proc.pid)) as f:
                pid = int(f.read().split()[0])
            with open("/proc/%d/status" % pid) as f:
                status = f.read()
            report("CapBnd:\t%s" % caps(5, 6, 7, 8, 12, 13, 21, 22) in status,
                   "PID 1 keeps no capability that nobody needs")
            check_end(con, pid, proc)
        finally:
            if proc.poll() is None:
                proc.kill()
                proc.wait()
            if failures():
                print("# console:\n# " + con.text.replace("\n", "\n# "))
    finally:
        shutil.rmtree(root)
    finish()


main()
