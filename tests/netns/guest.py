# SPDX-License-Identifier: GPL-2.0-or-later
"""One namespace test, run again under Debian's stock kernel in QEMU.

Kind: helper (effect). For tests of what this machine's kernel may lack. The
guest sees this machine's root read-only, with a layer in its own memory over
it; it has no network. Needs root, as those tests do.
"""
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import lib

INSIDE = "SYSQUBE_TEST_GUEST"
LIMIT_S = 270
MODULES = """crc32c_generic libcrc32c virtio_pci 9pnet_virtio 9p overlay
    nf_tables nft_ct nft_limit nft_connlimit nft_quota nft_log nfnetlink_log
    nft_objref nft_masq nft_nat nft_redir nft_reject nft_reject_inet
    nf_flow_table nf_flow_table_inet nft_flow_offload nf_conntrack
    nf_conntrack_netlink nft_chain_nat nft_queue nfnetlink_queue nft_fib_inet
    veth dummy""".split()
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for m in {modules}; do modprobe $m || echo "# no module $m"; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 \
  host /host
mount -t tmpfs t /over; mkdir /over/up /over/work /over/root
mount -t overlay -o lowerdir=/host,upperdir=/over/up,workdir=/over/work \
  o /over/root
cd /over/root
mount -t proc p proc; mount -t sysfs s sys; mount -t devtmpfs d dev
mount -t tmpfs t tmp; mount -t tmpfs t run
mkdir -p dev/pts dev/shm; mount -t tmpfs t dev/shm
mkdir -p .{top}; mount --bind /host{top} .{top}
ip link set lo up
echo 4096 > proc/sys/net/netfilter/nf_conntrack_buckets
chroot . /usr/bin/env -i {env} {python} {test}
echo "# guest: exit $?"
poweroff -f
"""


def usb_guest():
    """The module that makes and boots guests, of the USB tests."""
    folder = str(lib.TOP / "tests/usb")
    sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location("usb_guest",
                                                  folder + "/guest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python():
    """The system's, if it has one: it is read over a slow link."""
    own = "/usr/bin/python3"
    return own if os.access(own, os.X_OK) else sys.executable


def make(guest, folder, test):
    """@return kernel and initramfs"""
    kernel = guest.kernel_folder()
    root = os.path.join(folder, "root")
    for name in ("bin", "proc", "sys", "dev", "host", "over"):
        os.makedirs(os.path.join(root, name))
    guest.add_modules(kernel, root, MODULES)
    guest.copy("/bin/busybox", root, "/bin/busybox")
    env = {INSIDE: "1", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
           "HOME": "/root", "BUILD": os.environ.get("BUILD", "build"),
           "REQUIRE_NETNS": os.environ.get("REQUIRE_NETNS", "")}
    with open(root + "/init", "w", encoding="ascii") as file:
        file.write(INIT.format(
            modules=" ".join(MODULES), python=python(), test=test,
            top=lib.TOP,
            env=" ".join(f"{k}={v}" for k, v in env.items())))
    os.chmod(root + "/init", 0o755)
    initrd = os.path.join(folder, "initrd")
    guest.pack(root, initrd)
    return guest.kernel_image(kernel), initrd


def run(test):
    """Run the test file in a guest, hand on its result lines, and end."""
    if os.environ.get(INSIDE) == "1":
        lib.cannot("Debian's kernel lacks it, too")
    guest = usb_guest()
    folder = tempfile.mkdtemp(prefix="sysqube-guest.")
    ended = []

    def line(text):
        if re.match(r"(ok|not ok|skip) - ", text):
            print(text, flush=True)
        else:
            print("# " + text.removeprefix("# "), flush=True)
        if text.startswith("# guest: exit "):
            ended.append(int(text.split()[-1]))
    try:
        kernel, initrd = make(guest, folder, os.path.abspath(test))
        argv = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg",
                "-cpu", "max", "-m", "1024", "-smp", "1", "-nodefaults",
                "-no-reboot", "-display", "none", "-serial", "stdio",
                "-kernel", kernel, "-initrd", initrd, "-append",
                "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off "
                "tsc=reliable", "-fsdev", "local,id=host,path=/,"
                "security_model=none,readonly=on,multidevs=remap",
                "-device", "virtio-9p-pci,fsdev=host,mount_tag=host"]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as qemu:
            try:
                guest.follow(qemu, time.monotonic(), LIMIT_S, line)
            finally:
                qemu.kill()
    except guest.GuestError as error:
        lib.ok(False, "the guest runs the test to its end", str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if ended != [0]:
        lib.ok(False, "the test ends well in the guest", str(ended))
    lib.finish()
