# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's machine: QEMU with real Xen, a dom0, a NIC and an xHCI.

Kind: effect. Packs what dom0 shall hold beside its cached root, starts QEMU
inside the namespaces of sandbox.py, and ends it. QEMU's only network is the
tap of internet.py. Fed by the build folder and the maintainer.
"""
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import time

import control
import internet
import sandbox

HERE = os.path.dirname(os.path.abspath(__file__))
NIC_BDF, XHCI_BDF = "0000:00:04.0", "0000:00:05.0"
STICK_SERIAL = "ABC123"
STICK_BYTES = 32 << 20
STICK = {"driver": "usb-storage", "bus": "xhci.0", "id": "stick",
         "drive": "stickdisk", "serial": STICK_SERIAL}
BOOT_LIMIT_S = 240
# Wider CPU models break guests under emulation, see README.md.
CPU = "qemu64,+svm,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,-rdtscp"
XEN_ARGS = ("console=com1 com1=115200,8n1 dom0_mem=768M,max:768M "
            "dom0_max_vcpus=1 iommu=1 loglvl=warning guest_loglvl=warning")
DOM0_ARGS = "console=hvc0 loglevel=4"
# Links of a merged /usr in dom0: a directory entry must not replace one.
LINKED = {"bin", "sbin", "lib", "lib64"}
# The lab has its own qubes; an example that an installation brings stays out.
REPLACED = "etc/sysqube/qubes/"


class MachineError(Exception):
    """QEMU ended, or the machine did not come up."""


def dom0_folder():
    """The cached dom0 root, made now if need be."""
    done = subprocess.run([os.path.join(HERE, "dom0-root")], check=False,
                          stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise MachineError("the dom0 root could not be made")
    return done.stdout.strip()


def pack(tree, out):
    """Write the second disk: the product's tree, the lab's qubes, its agent
    and helpers, as one bare tar that dom0's initrd unpacks over the root."""
    def add_file(tar, path, name, mode):
        with open(path, "rb") as file:
            data = file.read()
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), mode
        tar.addfile(info, io.BytesIO(data))

    def keep(info):
        name = info.name.removeprefix("./")
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        if name.startswith(REPLACED) or (info.isdir() and name in LINKED):
            return None
        return info

    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
        if os.path.isdir(tree):
            for entry in sorted(os.listdir(tree)):
                path = os.path.join(tree, entry)
                if entry in LINKED:
                    for below in sorted(os.listdir(path)):
                        tar.add(os.path.join(path, below),
                                f"{entry}/{below}", filter=keep)
                else:
                    tar.add(path, entry, filter=keep)
        for name in ("init", "agent.py", "qube_console.py"):
            add_file(tar, os.path.join(HERE, "dom0", name), "lab/" + name,
                     0o755)
        for name in ("qsh", "poweroff"):
            add_file(tar, os.path.join(HERE, "dom0", name),
                     "usr/local/bin/" + name, 0o755)
        qubes = os.path.join(HERE, "qubes")
        for name in sorted(os.listdir(qubes)):
            if name.endswith(".conf"):
                add_file(tar, os.path.join(qubes, name), REPLACED + name,
                         0o644)
        extra = os.environ.get("LAB_EXTRA_TREE")
        if extra:
            tar.add(extra, "", filter=keep)


class Machine:
    def __init__(self, folder, cache, tree):
        self.folder = folder
        self.cache = cache
        self.tree = tree
        self.qemu = None
        self.control = control.Control(os.path.join(folder, "control.sock"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        for name in ("console.sock", "control.sock", "qmp.sock"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))
        pack(self.tree, self.path("product.tar"))
        with open(self.path("stick.img"), "wb") as file:
            file.truncate(STICK_BYTES)
        with open(self.path("qemu.log"), "wb") as log:
            self.qemu = subprocess.Popen(
                self._command(), cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=sandbox.die_with_parent)

    def _command(self):
        memory = os.environ.get("LAB_MEMORY_MIB", "2560")
        return [
            "qemu-system-x86_64", "-M", "q35",
            "-accel", os.environ.get("LAB_ACCEL", "tcg,thread=multi"),
            "-cpu", CPU, "-smp", "2", "-m", memory, "-display", "none",
            "-monitor", "none", "-no-reboot", "-nodefaults", "-no-user-config",
            "-kernel", f"{self.cache}/xen.elf", "-append", XEN_ARGS,
            "-initrd",
            f"{self.cache}/vmlinuz {DOM0_ARGS},{self.cache}/initrd",
            "-chardev", "socket,id=con,path=console.sock,server=on,wait=off,"
            "logfile=console.log", "-serial", "chardev:con",
            "-device", "intel-iommu,intremap=off",
            "-drive", f"file={self.cache}/dom0.ext4,if=none,id=root,"
            "format=raw,snapshot=on,file.locking=off",
            "-device", "virtio-blk-pci,drive=root,addr=7",
            "-drive", "file=product.tar,if=none,id=product,format=raw,"
            "readonly=on",
            "-device", "virtio-blk-pci,drive=product,addr=8",
            "-device", "virtio-serial-pci,addr=6",
            "-chardev", "socket,id=ctl,path=control.sock,server=on,wait=off",
            "-device", "virtserialport,chardev=ctl,name=org.sysqube.lab",
            "-device", "virtio-rng-pci,addr=9",
            "-netdev", f"tap,id=net0,ifname={internet.TAP},script=no,"
            "downscript=no",
            "-device", "e1000e,netdev=net0,addr=4,mac=52:54:00:00:00:04",
            "-device", "qemu-xhci,id=xhci,addr=5",
            "-blockdev", "driver=raw,node-name=stickdisk,file.driver=file,"
            "file.filename=stick.img",
            "-device", ",".join(f"{k}={v}" for k, v in STICK.items()),
            "-device", "usb-kbd,bus=xhci.0",
            "-qmp", "unix:qmp.sock,server=on,wait=off",
        ]

    def qmp(self, command, **arguments):
        """One command of QEMU's own control socket: a hand at the machine's
        sockets and keys."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(self.path("qmp.sock"))
            stream = sock.makefile("rw", encoding="utf-8")
            json.loads(stream.readline())  # greeting
            for name, words in (("qmp_capabilities", {}),
                                (command, arguments)):
                stream.write(json.dumps({"execute": name, "arguments": words})
                             + "\n")
                stream.flush()
                reply = json.loads(stream.readline())
                while "event" in reply:
                    reply = json.loads(stream.readline())
            if "error" in reply:
                raise MachineError(f"{command}: {reply['error']}")
            return reply["return"]

    def unplug_stick(self):
        self.qmp("device_del", id=STICK["id"])

    def plug_stick(self):
        self.qmp("device_add", **STICK)

    def press(self, *keys):
        """Press and release keys of the USB keyboard, by QEMU's names."""
        for key in keys:
            self.qmp("send-key", keys=[{"type": "qcode", "data": key}])
            time.sleep(0.2)

    def alive(self):
        """Raise when QEMU has ended."""
        if self.qemu.poll() is not None:
            with open(self.path("qemu.log"), encoding="utf-8",
                      errors="replace") as file:
                raise MachineError(f"QEMU ended with {self.qemu.returncode}: "
                                   + file.read()[-500:])

    def wait_dom0(self):
        """Until the agent in dom0 answers; returns the seconds it took."""
        start = time.monotonic()
        while not os.path.exists(self.path("control.sock")):
            self.alive()
            if time.monotonic() - start > 20:
                raise MachineError("QEMU made no control socket")
            time.sleep(0.1)
        self.control.connect(BOOT_LIMIT_S, self.alive)
        return time.monotonic() - start

    def save_logs(self):
        """Bring dom0's logs into the folder; best effort, says what failed."""
        try:
            listing = self.control.run(
                "cd /var/log && ls sysqubed.log lab-agent.log xen/guest-*.log"
                " 2>/dev/null; true", timeout_s=20).out.split()
            for name in listing:
                text = self.control.run(f"tail -c 200000 /var/log/{name}",
                                        timeout_s=20).out
                with open(self.path(os.path.basename(name)), "w",
                          encoding="utf-8") as file:
                    file.write(text)
        except (control.ControlError, OSError) as error:
            print(f"lab: logs not saved: {error}", file=sys.stderr)

    def stop(self):
        """Power off; by force when dom0 does not. Returns True when dom0 went
        by itself."""
        if self.qemu is None or self.qemu.poll() is not None:
            return False
        try:
            self.control.start("poweroff", timeout_s=30)
            self.qemu.wait(30)
            return True
        except (control.ControlError, subprocess.TimeoutExpired):
            self.qemu.kill()
            self.qemu.wait()
            return False
