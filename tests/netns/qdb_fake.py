# SPDX-License-Identifier: GPL-2.0-or-later
"""A small QubesDB daemon for tests of one daemon at a time: the local socket
protocol of spec/qubesdb.md with a dictionary behind it, no vchan. The test
reads and writes the dictionary directly; watches fire for both sides."""
import os
import socket
import struct
import threading

READ, WRITE, MULTIREAD, LIST, RM, WATCH, UNWATCH = range(7)
OK, NOENT, ERROR, R_READ, R_MULTIREAD, R_LIST, R_WATCH = range(7, 14)
HDR = struct.Struct("=B64s3xI")


class Qdb:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.keys = {}
        self.history = []  # (path, value) as written by clients
        self.watches = {}  # connection -> [path]
        self.lock = threading.RLock()
        for name, mode, ro in (("qubesdb.sock", 0o660, False),
                               ("qubesdb.ro.sock", 0o666, True)):
            s = socket.socket(socket.AF_UNIX)
            path = os.path.join(folder, name)
            s.bind(path)
            os.chmod(path, mode)
            s.listen(8)
            threading.Thread(target=self._accept, args=(s, ro),
                             daemon=True).start()

    def _accept(self, s, ro):
        while True:
            c, _ = s.accept()
            threading.Thread(target=self._serve, args=(c, ro),
                             daemon=True).start()

    @staticmethod
    def _recv(c, n):
        data = b""
        while len(data) < n:
            more = c.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    @staticmethod
    def _send(c, kind, path="", data=b""):
        c.sendall(HDR.pack(kind, path.encode(), len(data)) + data)

    def _fire(self, path):
        for c, watched in list(self.watches.items()):
            if any(path == w or (w.endswith("/") and path.startswith(w))
                   for w in watched):
                try:
                    self._send(c, R_WATCH, path)
                except OSError:
                    pass

    def _serve(self, c, ro):
        self.watches[c] = []
        try:
            while True:
                kind, raw, n = HDR.unpack(self._recv(c, HDR.size))
                path = raw.split(b"\0")[0].decode()
                data = self._recv(c, n) if n else b""
                with self.lock:
                    self._handle(c, ro, kind, path, data)
        except (EOFError, OSError):
            del self.watches[c]
            c.close()

    def _handle(self, c, ro, kind, path, data):
        if ro and kind in (WRITE, RM):
            self._send(c, ERROR, path)
        elif kind == READ:
            if path in self.keys:
                self._send(c, R_READ, path, self.keys[path].encode())
            else:
                self._send(c, NOENT, path)
        elif kind == WRITE:
            self.keys[path] = data.decode()
            self.history.append((path, data.decode()))
            self._send(c, OK, path)
            self._fire(path)
        elif kind == MULTIREAD:
            for k in sorted(self.keys):
                if k.startswith(path):
                    self._send(c, R_MULTIREAD, k, self.keys[k].encode())
            self._send(c, R_MULTIREAD)
        elif kind == RM:
            gone = [k for k in self.keys if k == path or
                    (path.endswith("/") and k.startswith(path))]
            for k in gone:
                del self.keys[k]
            self.history.append((path, None))
            self._send(c, OK if gone else NOENT, path)
            if gone:
                self._fire(path)
        elif kind == WATCH:
            self.watches[c].append(path)
            self._send(c, OK, path)
        else:
            self._send(c, ERROR, path)

    def set(self, path, value):
        with self.lock:
            self.keys[path] = value
            self._fire(path)

    def rm(self, path):
        """Remove a key, or a subtree whose path ends in '/'."""
        with self.lock:
            for k in [k for k in self.keys if k == path or
                      (path.endswith("/") and k.startswith(path))]:
                del self.keys[k]
            self._fire(path)

    def get(self, path):
        with self.lock:
            return self.keys.get(path)

    def wait(self, path, predicate, seconds=10.0):
        """The value once it satisfies the predicate, else the last one."""
        import time
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            v = self.get(path)
            if v is not None and predicate(v):
                return v
            time.sleep(0.02)
        return self.get(path)
