# SPDX-License-Identifier: GPL-2.0-or-later
"""A small xenstore daemon for tests: libxenstore's socket protocol with a
dictionary behind it, as domain 3 sees it. The test reads and writes the
dictionary itself, in the role of dom0; watches fire for both."""
import os
import socket
import struct
import threading

DIRECTORY, READ = 1, 2
WATCH, UNWATCH = 4, 5
WRITE, MKDIR, RM = 11, 12, 13
EVENT, ERROR = 15, 16
HDR = struct.Struct("=IIII")
HOME = "/local/domain/3/"


class Xenstore:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.nodes = {}
        self.history = []  # (path, value or None) by clients
        self.watches = []  # (connection, path as given, absolute, token)
        self.lock = threading.RLock()
        s = socket.socket(socket.AF_UNIX)
        s.bind(os.path.join(folder, "socket"))
        s.listen(4)
        threading.Thread(target=self._accept, args=(s,), daemon=True).start()

    def _accept(self, s):
        while True:
            c, _ = s.accept()
            threading.Thread(target=self._serve, args=(c,),
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
    def _abs(path):
        return path if path.startswith("/") else HOME + path

    def _serve(self, c):
        try:
            while True:
                kind, req, tx, n = HDR.unpack(self._recv(c, HDR.size))
                body = self._recv(c, n)
                with self.lock:
                    try:
                        data, changed = self._handle(c, kind, body)
                    except KeyError:
                        kind, data, changed = ERROR, b"ENOENT\0", None
                    c.sendall(HDR.pack(kind, req, tx, len(data)) + data)
                    if changed:
                        self._fire(changed)
                    if kind == WATCH:  # a new watch gives an event at once
                        given, token = body.split(b"\0")[:2]
                        self._event(c, given.decode(), token.decode())
        except (EOFError, OSError):
            with self.lock:
                self.watches = [w for w in self.watches if w[0] is not c]
            c.close()

    def _children(self, path):
        return sorted({k[len(path) + 1:].split("/")[0] for k in self.nodes
                       if k.startswith(path + "/")})

    def _handle(self, c, kind, body):
        first = body.split(b"\0")[0].decode()
        path = self._abs(first)
        if kind == READ:
            if path not in self.nodes:
                if self._children(path):
                    return b"", None
                raise KeyError
            return self.nodes[path].encode(), None
        if kind == DIRECTORY:
            names = self._children(path)
            if not names and path not in self.nodes:
                raise KeyError
            return b"".join(n.encode() + b"\0" for n in names), None
        if kind == WRITE:
            value = body[len(first) + 1:].decode()
            self.history.append((path, value))
            self.nodes[path] = value
            return b"OK\0", path
        if kind == RM:
            self.history.append((path, None))
            if not self._remove(path):
                raise KeyError
            return b"OK\0", path
        if kind == WATCH:
            token = body.split(b"\0")[1].decode()
            self.watches.append((c, first, path, token))
            return b"OK\0", None
        raise KeyError

    def _remove(self, path):
        gone = [k for k in self.nodes
                if k == path or k.startswith(path + "/")]
        for k in gone:
            del self.nodes[k]
        # an emptied parent is still there, as in the real one
        parent = path.rsplit("/", 1)[0]
        if gone and not self._children(parent):
            self.nodes.setdefault(parent, "")
        return gone

    @staticmethod
    def _event(c, path, token):
        data = path.encode() + b"\0" + token.encode() + b"\0"
        try:
            c.sendall(HDR.pack(EVENT, 0, 0, len(data)) + data)
        except OSError:
            pass

    def _fire(self, path):
        for c, given, absolute, token in list(self.watches):
            if path == absolute or path.startswith(absolute + "/"):
                self._event(c, given + path[len(absolute):], token)

    def set(self, path, value):
        with self.lock:
            self.nodes[self._abs(path)] = value
            self._fire(self._abs(path))

    def rm(self, path):
        with self.lock:
            self._remove(self._abs(path))
            self._fire(self._abs(path))

    def get(self, path):
        with self.lock:
            return self.nodes.get(self._abs(path))
