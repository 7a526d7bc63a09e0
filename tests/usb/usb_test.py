#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make usb-test: the USB tests, in a guest (README.md here). Kind: glue.

usb_test.py [SCENE..]; lines are TAP-like, exit status 1 when one failed."""
import os
import sys

import guest

BUILD = os.environ.get("BUILD", os.path.join(guest.TOP, "build"))
LIMIT_S = 1500
PROGRAMS = """tool/testusb tool/usbwire tool/usbperf tool/usbreset
    tool/usb_hostile tool/qdbdom0 bin/usb-broker bin/usb-probe bin/usb-export
    bin/usb-import bin/sysqube-usb bin/qdbd bin/qdb bin/sysqube-qdb""".split()
SCENES = {
    # the harness and the kernel's own USB/IP, which ours is held against
    "kernel": "WAYS='direct pair relay'\n. /matrix.sh\n",
    # the same over ours
    "ours": ". /ours.sh\nWAYS='direct ours'\n. /matrix.sh\n",
    # every way a loan ends, and a hundred rounds
    "life": ". /ours.sh\n. /life.sh\n",
    # QEMU's devices: keyboard, serial, net, card reader, sound
    "devices": ". /ours.sh\n. /devices.sh\n",
    # what a grant lets through
    "grants": ". /ours.sh\n. /grants.sh\n",
    # a keyboard and a mouse as events
    "input": "modprobe uinput\n. /ours.sh\n. /input.sh\n",
    # a reset in the qube is one of the device
    "reset": ". /ours.sh\n. /reset.sh\n",
    # a hostile qube against usb-export, a hostile USBVM against usb-import
    "hostile": ". /ours.sh\n. /hostile.sh\n",
}


class Report:
    """Counts what the guest says."""

    def __init__(self):
        self.good = self.failed = 0
        self.done = False

    def line(self, text):
        if text.startswith("ok "):
            self.good += 1
        elif text.startswith("not ok "):
            self.failed += 1
        self.done = text == "# all done" or self.done
        print(text, flush=True)


def main():
    report = Report()
    for name in sys.argv[1:] or SCENES:
        print(f"# scene {name}")
        kernel, initrd = guest.make(BUILD, PROGRAMS, SCENES[name])
        report.done = False
        try:
            took = guest.boot(kernel, initrd, LIMIT_S, report.line)
            print(f"# scene {name}: {took:.0f} s")
        except guest.GuestError as error:
            print(f"# {error}")
        if not report.done:
            report.line(f"not ok {name}: the guest broke off")
    print(f"{report.good} passed, {report.failed} failed")
    return 1 if report.failed or not report.good else 0


if __name__ == "__main__":
    sys.exit(main())
