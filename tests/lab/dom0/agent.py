# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's hand inside dom0: runs commands the harness sends.

Kind: glue. Fed by the harness over a virtio serial port that exists in the
lab only. One JSON object a line:
  in   {"id": 1, "sh": "xl list", "timeout": 30}          in dom0
       {"id": 2, "sh": "ip addr", "timeout": 30, "qube": "work"}
       {"id": 3, "sh": "sysqube ...", "timeout": 30,
        "then": {"qube": "work", "sh": "probe ...", "timeout": 9}}
  out  {"id": 1, "rc": 0, "out": "...", "err": "...", "ms": 12}
"then" runs at once when the first has ended; its answer stands in "then",
with gap_ms, the time from the first one's end to its own end.
rc -1: it did not run or did not end in time, err says why. Requests run side
by side, but those to one qube in turn.
"""
import glob
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from qube_console import ConsoleError, QubeConsole  # noqa: E402

PORT_NAME = "org.sysqube.lab"
PORT_WAIT_S = 60
LINE_BYTES_MAX = 1 << 20


def find_port():
    """Path of the virtio port named PORT_NAME, once it appears."""
    end = time.monotonic() + PORT_WAIT_S
    while time.monotonic() < end:
        for path in glob.glob("/sys/class/virtio-ports/*/name"):
            with open(path, encoding="ascii") as file:
                if file.read().strip() == PORT_NAME:
                    return "/dev/" + path.split("/")[-2]
        time.sleep(0.2)
    raise SystemExit("agent: no virtio port " + PORT_NAME)


class Agent:
    def __init__(self, fd):
        self.fd = fd
        self.out_lock = threading.Lock()
        self.qubes = {}
        self.qubes_lock = threading.Lock()

    def answer(self, reply):
        data = (json.dumps(reply) + "\n").encode()
        with self.out_lock:
            while data:
                data = data[os.write(self.fd, data):]

    def qube(self, name):
        with self.qubes_lock:
            return self.qubes.setdefault(name, QubeConsole(name))

    def run(self, request):
        timeout_s = float(request.get("timeout", 30))
        if "qube" in request:
            rc, out = self.qube(request["qube"]).run(request["sh"], timeout_s)
            return {"rc": rc, "out": out, "err": ""}
        with subprocess.Popen(
                ["bash", "-c", request["sh"]], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True) as child:
            try:
                out, err = child.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, 9)
                out, err = child.communicate()
                return {"rc": -1, "out": out.decode("utf-8", "replace"),
                        "err": "timed out\n" + err.decode("utf-8", "replace")}
        return {"rc": child.returncode,
                "out": out.decode("utf-8", "replace"),
                "err": err.decode("utf-8", "replace")}

    def timed(self, request):
        start = time.monotonic()
        try:
            reply = self.run(request)
        except (ConsoleError, OSError, subprocess.SubprocessError) as error:
            reply = {"rc": -1, "out": "", "err": str(error)}
        reply["ms"] = round((time.monotonic() - start) * 1000)
        return reply

    def serve(self, request):
        reply = self.timed(request)
        if "then" in request:
            end = time.monotonic()
            reply["then"] = self.timed(request["then"])
            reply["then"]["gap_ms"] = round((time.monotonic() - end) * 1000)
        reply["id"] = request.get("id")
        self.answer(reply)

    def loop(self):
        pending = b""
        while True:
            data = os.read(self.fd, 65536)
            if not data:  # nobody on the other end
                time.sleep(0.2)
                pending = b""
                continue
            pending += data
            *lines, pending = pending.split(b"\n")
            if len(pending) > LINE_BYTES_MAX:
                pending = b""
            for line in lines:
                try:
                    request = json.loads(line)
                except ValueError:
                    continue
                threading.Thread(target=self.serve, args=(request,),
                                 daemon=True).start()


def main():
    Agent(os.open(find_port(), os.O_RDWR | os.O_CLOEXEC)).loop()


if __name__ == "__main__":
    main()
