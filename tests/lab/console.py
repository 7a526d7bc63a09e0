# SPDX-License-Identifier: GPL-2.0-or-later
"""Attaches the caller's terminal to the serial console of the lab's dom0.

Kind: effect (a terminal, one unix socket that QEMU serves). Without a
terminal it only waits until the machine ends or a signal comes.
"""
import os
import select
import socket
import sys
import termios
import tty

LEAVE = b"\x1d"  # Ctrl-]


def _copy(sock, machine):
    """Copy both ways until Ctrl-] or the machine ends."""
    sock.sendall(b"\n")
    while machine.qemu.poll() is None:
        for ready in select.select([0, sock], [], [], 1)[0]:
            if ready is sock:
                data = sock.recv(65536)
                if not data:
                    return
                os.write(1, data)
            else:
                data = os.read(0, 4096)
                if not data or LEAVE in data:
                    return
                sock.sendall(data)


def attach(machine):
    if not sys.stdin.isatty():
        print("lab: no terminal; `tests/lab/lab sh COMMAND` reaches dom0, "
              "TERM or INT ends the lab", flush=True)
        try:
            machine.qemu.wait()
        except KeyboardInterrupt:
            pass
        return
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(machine.path("console.sock"))
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        _copy(sock, machine)
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        sock.close()
        print("\nlab: detached, powering off", flush=True)
