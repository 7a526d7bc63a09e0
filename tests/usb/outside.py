# SPDX-License-Identifier: GPL-2.0-or-later
"""The outer ends of the guest's emulated devices: keys that are pressed, and
the far side of its serial line, which sends back what it gets (effect; fed
by the guest, whose bytes are only echoed).
"""
import json
import os
import socket
import threading


class Outside:
    """Two sockets of QEMU in @folder: its monitor and the serial line."""

    def __init__(self, folder):
        self.paths = {n: os.path.join(folder, n) for n in ("qmp", "line")}
        self.sockets = []
        for path in self.paths.values():
            if os.path.exists(path):
                os.unlink(path)

    def argv(self):
        """What QEMU is told."""
        return ["-qmp", f"unix:{self.paths['qmp']},server=on,wait=off",
                "-chardev", f"socket,id=line0,path={self.paths['line']},"
                            "server=on,wait=off"]

    def connect(self):
        """When the guest runs."""
        for name in ("qmp", "line"):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.connect(self.paths[name])
            self.sockets.append(s)
        self.monitor = self.sockets[0].makefile("rw", encoding="utf-8")
        self.monitor.readline()  # its greeting
        self.ask("qmp_capabilities")
        threading.Thread(target=self.echo, args=(self.sockets[1],),
                         daemon=True).start()

    def ask(self, command, **arguments):
        """One command; events that come before its answer are skipped."""
        self.monitor.write(json.dumps({"execute": command,
                                       "arguments": arguments}) + "\n")
        self.monitor.flush()
        for line in self.monitor:
            if "event" not in json.loads(line):
                return

    def press(self, key):
        self.ask("send-key", keys=[{"type": "qcode", "data": key}])

    @staticmethod
    def echo(line):
        try:
            while data := line.recv(4096):
                line.sendall(data)
        except OSError:
            pass

    def close(self):
        for s in self.sockets:
            s.close()
