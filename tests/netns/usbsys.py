# SPDX-License-Identifier: GPL-2.0-or-later
"""A sysfs of the tests' own, with USB devices in it as the kernel shows them,
and events repeated by the kernel in the network namespace of the test."""
import os
import shutil
import socket
import struct

NETLINK_KOBJECT_UEVENT = 15


def descriptors(vid, pid, cls, *ifaces, tail=b""):
    d = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x0210, cls, 0, 0, 64, vid,
                    pid, 0x100, 1, 2, 3, 1)
    d += bytes([9, 2, 0, 0, len(ifaces), 1, 0, 0x80, 50])
    for i, (c, s, p) in enumerate(ifaces):
        d += bytes([9, 4, i, 0, 0, c, s, p, 0])
    return d + tail


class Sysfs:
    """bus/usb/devices with relative links, as the kernel has them."""

    def __init__(self, root):
        self.root = root
        self.bus = f"{root}/bus/usb/devices"
        os.makedirs(self.bus)

    def plug(self, name, raw, bus="pci0", **texts):
        real = f"{self.root}/devices/{bus}/{name}"
        os.makedirs(real)
        with open(f"{real}/descriptors", "wb") as f:
            f.write(raw)
        for k, v in texts.items():
            with open(f"{real}/{k}", "wb") as f:
                f.write(v + b"\n")
        os.symlink(f"../../../devices/{bus}/{name}", f"{self.bus}/{name}")

    def unplug(self, name):
        real = os.path.realpath(f"{self.bus}/{name}")
        os.unlink(f"{self.bus}/{name}")
        shutil.rmtree(real)


def event(action, name, subsystem="usb"):
    """Ask the kernel to repeat an event to the listeners of this network
    namespace (it does so for CAP_SYS_ADMIN)."""
    text = (f"{action}@/devices/{name}\0ACTION={action}\0"
            f"DEVPATH=/devices/{name}\0SUBSYSTEM={subsystem}\0").encode()
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                      NETLINK_KOBJECT_UEVENT)
    s.sendto(struct.pack("=IHHII", 16 + len(text), 0x10, 1, 1, 0) + text,
             (0, 0))
    s.close()
