# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs shell commands in a qube over its Xen console, from dom0.

Kind: effect (xenstore, a pty). Fed by the qube, which is only a test guest:
its output is taken as text, searched for a mark and bounded. xenconsoled
holds the pty's master; the slave's name stands in xenstore. The guest must
give a root shell on its console, as the lab's testqube image does.
"""
import os
import re
import select
import shlex
import subprocess
import sys
import termios
import threading
import time
import tty

OUTPUT_BYTES_MAX = 1 << 20
XENSTORE_TIMEOUT_S = 20


class ConsoleError(Exception):
    """The qube has no console, or did not answer in time."""


def xenstore(verb, path):
    """One xenstore-<verb>; returns its output lines, [] when there is none."""
    done = subprocess.run([f"xenstore-{verb}", path], capture_output=True,
                          text=True, timeout=XENSTORE_TIMEOUT_S, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def domid_of(name):
    """The domain id of the running domain NAME, or None."""
    for domid in xenstore("list", "/local/domain"):
        if xenstore("read", f"/local/domain/{domid}/name") == [name]:
            return int(domid)
    return None


class QubeConsole:
    """A shell on one qube's console; run() takes one command at a time."""

    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()
        self.fd = -1
        self.domid = None
        self.unread = b""
        self.count = 0

    def _same(self):
        """Whether the domain opened last still runs under its name."""
        return self.fd >= 0 and xenstore(
            "read", f"/local/domain/{self.domid}/name") == [self.name]

    def _open(self):
        if self._same():
            return
        domid = domid_of(self.name)
        if domid is None:
            raise ConsoleError(f"no domain named {self.name}")
        self.close()
        path = xenstore("read", f"/local/domain/{domid}/console/tty")
        if not path:
            raise ConsoleError(f"{self.name} has no console tty")
        self.fd = os.open(path[0], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK
                          | os.O_CLOEXEC)
        tty.setraw(self.fd, termios.TCSANOW)
        self.domid = domid

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1
        self.domid = None

    def _drain(self):
        self.unread = b""
        while select.select([self.fd], [], [], 0)[0]:
            if not os.read(self.fd, 65536):
                break

    def _write(self, data, end):
        while data:
            left = end - time.monotonic()
            if left <= 0:
                raise ConsoleError(f"{self.name} takes no console input")
            if select.select([], [self.fd], [], left)[1]:
                data = data[os.write(self.fd, data[:512]):]

    def _until(self, mark, end):
        """Read up to '<mark> <status>'; the typed line cannot match, for the
        mark is quoted apart there."""
        text, self.unread = self.unread, b""
        pattern = re.compile(mark.encode() + rb" (\d+)\r?\n")
        while True:
            found = pattern.search(text)
            if found:
                self.unread = text[found.end():]
                return text[:found.start()], int(found.group(1))
            left = end - time.monotonic()
            if left <= 0 or len(text) > OUTPUT_BYTES_MAX:
                raise ConsoleError(f"{self.name}: no end mark; last output: "
                                   + repr(text[-300:]))
            if select.select([self.fd], [], [], left)[0]:
                text += os.read(self.fd, 65536)

    def run(self, command, timeout_s):
        """Run one line of shell; returns (status, output text)."""
        with self.lock:
            end = time.monotonic() + timeout_s
            self._open()
            self._drain()
            self.count += 1
            tag = f"{os.getpid()}.{self.count}"
            line = (f'echo "@b""{tag}" 0; eval {shlex.quote(command)}; '
                    f'echo "@e""{tag}" $?\n')
            self._write(line.encode(), end)
            try:
                self._until(f"@b{tag}", end)
                out, status = self._until(f"@e{tag}", end)
            except ConsoleError:
                os.write(self.fd, b"\x03\n")  # free the shell for the next
                raise
            return status, out.decode("utf-8", "replace").replace("\r", "")


def main(argv):
    if len(argv) < 3:
        print("usage: qsh NAME COMMAND...", file=sys.stderr)
        return 2
    try:
        status, out = QubeConsole(argv[1]).run(" ".join(argv[2:]), 60)
    except ConsoleError as error:
        print(f"qsh: {error}", file=sys.stderr)
        return 1
    sys.stdout.write(out)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv))
