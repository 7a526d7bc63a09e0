# SPDX-License-Identifier: GPL-2.0-or-later
"""A small virtual machine for USB: Debian's stock kernel, busybox, our
programs, QEMU's emulation (glue, effect).

Fed by the build folder and tests/usb/guest, both trusted. Everything runs in
the guest: no device, module or folder of this machine is touched, and the
guest's only network ends in QEMU.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import time

from outside import Outside

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
MODULES = """dummy_hcd libcomposite usb_f_mass_storage usb_f_ss_lb usb_f_hid
    usb_f_acm vhci-hcd usbip-host usb-storage sd_mod usbtest uinput evdev
    usbhid hid-generic xhci-pci cdc-acm snd-usb-audio ftdi_sio
    cdc_ether cdc_subset rndis_host""".split()
MEMORY_MIB = 512
# Without "rep movsb" as the way to copy, which is emulated byte by byte.
CPU = "max,erms=off,fsrm=off"
SOUND = ["-audiodev", "none,id=snd0",
         "-device", "usb-audio,bus=xhci.0,audiodev=snd0,port=1"]
LINE = ["-chardev", "null,id=null0",
        "-device", "usb-serial,bus=xhci.0,chardev=null0,always-plugged=on,port=3"]
DEVICES = [*SOUND,
           "-device", "usb-kbd,bus=xhci.0,port=2",
           "-device", "usb-serial,bus=xhci.0,chardev=line0,port=3",
           "-netdev", "user,id=net0,restrict=on",
           "-device", "usb-net,bus=xhci.0,netdev=net0,port=4",
           "-device", "usb-ccid,bus=xhci.0,port=5",
           "-device", "usb-mouse,bus=xhci.0,port=6"]


class GuestError(Exception):
    """The guest could not be made, or did not end by itself in time."""


def run(*argv):
    """Output of a command; its error ends the test."""
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise GuestError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def libraries(path):
    """The shared objects that a program loads, as absolute paths."""
    done = subprocess.run(["ldd", path], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return re.findall(r"(/\S+) \(0x", done.stdout)


def copy(source, root, target):
    """Copy a file to @target below @root."""
    out = root + target
    os.makedirs(os.path.dirname(out), exist_ok=True)
    shutil.copyfile(source, out)
    shutil.copymode(source, out)


def kernel_folder():
    """The unpacked package of Debian's stock kernel."""
    fetch = os.path.join(TOP, "image-builder", "fetch-kernel")
    return run(fetch).strip().splitlines()[-1]


def add_modules(kernel, root, modules):
    """These modules, with what they depend on."""
    release = os.listdir(kernel + "/lib/modules")[0]
    if not os.path.exists(f"{kernel}/lib/modules/{release}/modules.dep"):
        run("depmod", "-b", kernel, release)
    want = run("modprobe", "-d", kernel, "-S", release, "-a",
               "--show-depends", *modules)
    for path in set(re.findall(r"^insmod (\S+)", want, re.M)):
        copy(path, root, path[len(kernel):].replace("//", "/"))
    for name in ("modules.order", "modules.builtin"):
        copy(f"{kernel}/lib/modules/{release}/{name}", root,
             f"/lib/modules/{release}/{name}")
    run("depmod", "-b", root, release)


def kernel_image(kernel):
    return glob.glob(kernel + "/boot/vmlinuz-*")[0]


def pack(root, initrd):
    """Write the folder root as an initramfs."""
    with open(initrd, "wb") as out:
        find = subprocess.Popen(["find", ".", "-print0"], cwd=root,
                                stdout=subprocess.PIPE)
        subprocess.run(["cpio", "-0", "-o", "-H", "newc", "-R", "0:0",
                        "--quiet"], cwd=root, stdin=find.stdout, stdout=out,
                       check=True)
        find.wait()


def make(build, programs, script):
    """Make the guest's initramfs.
    @return paths of kernel and initramfs"""
    kernel = kernel_folder()
    folder = os.path.join(build, "usb-guest")
    root = os.path.join(folder, "root")
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "sbin", "proc", "sys", "dev", "tmp", "run/vchan",
                 "var/empty", "etc", "usr/bin"):
        os.makedirs(os.path.join(root, name), exist_ok=True)
    add_modules(kernel, root, MODULES)
    copy("/bin/busybox", root, "/bin/busybox")
    for name in programs:
        source = os.path.join(build, name)
        copy(source, root, "/usr/bin/" + os.path.basename(name))
        for lib in libraries(source):
            copy(os.path.realpath(lib), root, lib)
    for path in glob.glob(os.path.join(HERE, "guest", "*")):
        copy(path, root, "/" + os.path.basename(path))
    for name in ("usbip", "usbdev"):
        shutil.copytree(os.path.join(TOP, "tests/golden", name),
                        f"{root}/tests/golden/{name}")
    with open(root + "/script", "w", encoding="ascii") as file:
        file.write(script)
    initrd = os.path.join(folder, "initrd")
    pack(root, initrd)
    return kernel_image(kernel), initrd


def boot(kernel, initrd, limit_s, on_line, devices=DEVICES, more=()):
    """Boot and hand each line of the console to @on_line until power-off;
    the line "# press KEY" presses a key of the keyboard.
    @return seconds it ran; GuestError when the limit passed"""
    outside = Outside(os.path.dirname(initrd))
    argv = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg",
            "-cpu", CPU, "-m", str(MEMORY_MIB), "-smp", "1",
            "-nodefaults", "-no-reboot", "-display", "none",
            "-serial", "stdio", "-kernel", kernel, "-initrd", initrd,
            "-append", "console=ttyS0 quiet loglevel=1 panic=-1 oops=panic "
                       "mitigations=off tsc=reliable preempt=full "
                       "log_buf_len=4M",
            "-device", "qemu-xhci,id=xhci,p2=8,p3=8", *devices,
            *outside.argv(), *more]
    start = time.monotonic()
    qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, preexec_fn=nice)

    def line(text):
        if text == "# up":
            outside.connect()
        elif text.startswith("# press "):
            outside.press(text.split()[-1])
        on_line(text)

    try:
        return follow(qemu, start, limit_s, line)
    finally:
        outside.close()
        if qemu.poll() is None:
            qemu.kill()
        qemu.wait()


def nice():
    """The guest must not slow what people do on this machine."""
    os.nice(5)


def follow(qemu, start, limit_s, on_line):
    """Lines of the console until its end, or until the limit."""
    os.set_blocking(qemu.stdout.fileno(), False)
    rest = b""
    while True:
        if time.monotonic() - start > limit_s:
            raise GuestError(f"the guest did not end within {limit_s} s")
        data = qemu.stdout.read()
        if data == b"":
            return time.monotonic() - start
        if data is None:
            time.sleep(0.05)
            continue
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            on_line(line.decode("utf-8", "replace").rstrip("\r"))
            sys.stdout.flush()
