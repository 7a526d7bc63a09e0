# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a function in network, process and mount namespaces of its own.

Kind: effect. The function runs as PID 1 of a new process namespace: when it
ends, for whatever reason, the kernel ends every process it started. The
machine's network and its other processes are out of reach from inside. Needs
root (or the capability to make namespaces).
"""
import ctypes
import os
import signal
import subprocess
import sys
import traceback

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


def _checked(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def die_with_parent():
    """For a child before exec: the kernel ends it when its parent ends."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _inside(function):
    die_with_parent()
    _checked(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None),
             "mount / private")
    _checked(libc.mount(b"proc", b"/proc", b"proc", 0, None), "mount /proc")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return function()


def run(function):
    """Run function() inside and return its exit status (0..255). INT, TERM
    and HUP sent to the caller reach it; inside, INT and TERM raise
    KeyboardInterrupt so that it can tidy up."""
    _checked(libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET),
             "unshare (must be root)")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        def interrupt(*_):
            raise KeyboardInterrupt
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, interrupt)
        status = 1
        try:
            status = _inside(function)
        except KeyboardInterrupt:
            print("lab: interrupted", file=sys.stderr)
        except BaseException:  # the status must reach the caller
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(status)

    def forward(number, _):
        # The terminal has already sent INT to the whole foreground group.
        if number != signal.SIGINT:
            os.kill(child, number)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, forward)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
