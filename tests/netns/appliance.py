# SPDX-License-Identifier: GPL-2.0-or-later
"""One appliance's services as its init starts them, for the namespace tests
of single daemons: ids, capabilities and arguments from the service table of
the image, a read-only root with only /run writable.

Kind: helper. Ends only what it started, by process id.
"""
import os
import shutil
import signal
import subprocess
import tempfile

from lib import BUILD, TOP, sh


def new_root(programs, folders=()):
    """A folder like an image's root, with these programs of ours; whoever
    wants more in it adds that, then calls seal_root(). @return its path"""
    root = tempfile.mkdtemp(prefix="sq-root.")
    for path in ("usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "etc", "proc",
                 "dev", "run", "tmp", "var/empty", *folders):
        os.makedirs(os.path.join(root, path))
    for path in ("lib", "lib64"):
        os.symlink("usr/" + path, os.path.join(root, path))
    for name in programs:
        shutil.copy(f"{BUILD}/bin/{name}", f"{root}/usr/bin/{name}")
    # Not in the image: what init does before it starts a service.
    shutil.copy(shutil.which("setpriv"), f"{root}/usr/bin/setpriv")
    os.chmod(root, 0o755)
    return root


def seal_root(root):
    """Mount what a root needs and make it read-only. @return root"""
    sh(["mount", "--bind", root, root])
    for path in ("usr/lib", "usr/lib64", "usr/sbin", "dev"):
        sh(["mount", "--bind", "/" + path, f"{root}/{path}"])
    sh(["mount", "--rbind", "/proc", f"{root}/proc"])
    sh(["mount", "-t", "tmpfs", "-o", "mode=0755", "run", f"{root}/run"])
    sh(["mount", "-o", "remount,ro,bind", root])
    return root


def drop_root(root):
    """Unmount and remove a root; None is fine."""
    if root:
        sh(["umount", "-R", root], check=False)
        sh(["umount", "-l", root], check=False)
        shutil.rmtree(root, ignore_errors=True)


def service(image, name):
    """A line of an image's service table: (uid, gid, setpriv's capability
    words, arguments)."""
    with open(f"{TOP}/{image}/image/etc/sysqube/services",
              encoding="ascii") as table:
        for line in table:
            words = line.split()
            if words and words[0].startswith("@"):
                words = words[1:]
            if words and words[0].split("+")[0] == name:
                caps = ",".join("+" + c for c in words[3].split(","))
                return words[1], words[2], "-all," + caps, words[4:]
    raise KeyError(name)


def proc_status(pid):
    """/proc/PID/status as a dictionary."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status
                    if ":\t" in line)


class Service:
    """A running service of an image in a root and a network namespace."""

    def __init__(self, image, name, root, ns, log):
        uid, gid, caps, argv = service(image, name)
        pre = ["nsenter", "-t", str(ns), "-n", "/usr/sbin/chroot", root,
               "/usr/bin/setpriv", "--reuid", uid, "--regid", gid,
               "--clear-groups", "--bounding-set=" + caps]
        if uid != "0":
            pre += ["--inh-caps=" + caps, "--ambient-caps=" + caps]
        self.log = open(log, "a+", encoding="utf-8", errors="replace")
        self.p = subprocess.Popen(pre + ["--"] + argv,
                                  stdin=subprocess.DEVNULL,
                                  stdout=self.log, stderr=self.log,
                                  env={"SYSQUBE_PLATFORM": "netns"})

    def alive(self):
        return self.p.poll() is None

    def end(self, sig=signal.SIGTERM):
        """Send a signal and wait; raises if it does not end."""
        if self.alive():
            self.p.send_signal(sig)
        self.p.wait(10)

    def text(self):
        """All that it has printed."""
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return log.read()
