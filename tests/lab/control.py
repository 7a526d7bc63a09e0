# SPDX-License-Identifier: GPL-2.0-or-later
"""The harness's end of the command channel to the lab's dom0 (dom0/agent.py).

Kind: effect (one unix socket that QEMU serves). Fed by dom0, trusted here.
"""
import json
import socket
import threading
import time


class ControlError(Exception):
    """dom0 did not answer, or the channel closed."""


class Result:
    """What one command gave: rc, out, err, ms (its own time inside dom0),
    sent and done (this machine's monotonic clock); then: the Result of the
    command that followed at once, with gap_ms from the first one's end."""

    def __init__(self, reply, sent, done):
        self.rc = reply.get("rc", -1)
        self.out = reply.get("out", "")
        self.err = reply.get("err", "")
        self.ms = reply.get("ms", 0)
        self.gap_ms = reply.get("gap_ms", 0)
        self.then = (Result(reply["then"], sent, done) if "then" in reply
                     else None)
        self.sent = sent
        self.done = done

    @property
    def ok(self):
        return self.rc == 0

    def text(self):
        return (self.out + self.err).strip()


class Control:
    """One connection; run() may be called from several threads."""

    THEN_S = 10
    SLACK_S = 20  # on top of a command's own limit, for a slow emulator

    def __init__(self, path):
        self.path = path
        self.sock = None
        self.lock = threading.Lock()
        self.next_id = 1
        self.waiting = {}

    def connect(self, timeout_s, alive):
        """Wait until the agent answers. @param alive called between tries;
        raises when there is no point in waiting on."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            alive()
            try:
                if self.sock is None:
                    self.sock = socket.socket(socket.AF_UNIX)
                    # QEMU takes one client; a second one must not hang here.
                    self.sock.settimeout(3)
                    self.sock.connect(self.path)
                    self.sock.settimeout(None)
                    threading.Thread(target=self._reader, daemon=True).start()
                self.run("true", timeout_s=1, slack_s=1)
                return
            except ControlError:
                time.sleep(0.5)
            except OSError:
                self.close()
                time.sleep(0.5)
        raise ControlError("dom0 did not answer on the command channel")

    def close(self):
        if self.sock is not None:
            try:
                # Without this the reader's recv() would hold it open.
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.sock.close()
            self.sock = None

    def _reader(self):
        pending = b""
        sock = self.sock
        while True:
            try:
                data = sock.recv(65536)
            except OSError:
                data = b""
            if not data:
                break
            pending += data
            *lines, pending = pending.split(b"\n")
            for line in lines:
                self._arrived(line)
        with self.lock:
            for slot in self.waiting.values():
                slot["event"].set()
        sock.close()

    def _arrived(self, line):
        now = time.monotonic()
        try:
            reply = json.loads(line)
        except ValueError:
            return
        with self.lock:
            slot = self.waiting.get(reply.get("id"))
            if slot is not None:
                slot["reply"], slot["done"] = reply, now
                slot["event"].set()

    def start(self, command, timeout_s=30, qube=None, then=None):
        """Send a command and do not wait; hand the token to wait().
        @param then (qube, command) to run there at once afterwards"""
        with self.lock:
            number = self.next_id
            self.next_id += 1
            slot = {"event": threading.Event(), "reply": None, "done": 0}
            self.waiting[number] = slot
        request = {"id": number, "sh": command, "timeout": timeout_s}
        if qube is not None:
            request["qube"] = qube
        if then is not None:
            request["then"] = {"qube": then[0], "sh": then[1],
                               "timeout": self.THEN_S}
            timeout_s += self.THEN_S
        slot["sent"] = time.monotonic()
        slot["limit"] = timeout_s
        try:
            self.sock.sendall((json.dumps(request) + "\n").encode())
        except (OSError, AttributeError) as error:
            with self.lock:
                del self.waiting[number]
            raise ControlError(f"command channel: {error}") from error
        return number

    def running(self, number):
        """True while a started command has not ended."""
        return not self.waiting[number]["event"].is_set()

    def wait(self, number, slack_s=SLACK_S):
        slot = self.waiting[number]
        slot["event"].wait(slot["limit"] + slack_s)
        with self.lock:
            del self.waiting[number]
        if slot["reply"] is None:
            raise ControlError("no answer from dom0")
        return Result(slot["reply"], slot["sent"], slot["done"])

    def run(self, command, timeout_s=30, qube=None, slack_s=SLACK_S,
            then=None):
        """Run one shell command in dom0, or in a qube by its console."""
        return self.wait(self.start(command, timeout_s, qube, then), slack_s)
