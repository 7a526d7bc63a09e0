#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench-usb: see tests/bench/README.md for what each row means. Kind:
glue.

Everything is measured in one guest whose clock is its own count of
instructions, so that what else this machine does does not show.
FAST=1: one round."""
import collections
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TESTS, "usb"), os.path.dirname(HERE)]
import guest  # noqa: E402
import usb_test  # noqa: E402
from bench import Table, median  # noqa: E402

ROUNDS = 1 if os.environ.get("FAST") == "1" else 5
MIB = 12  # that one bulk figure moves
LIMIT_S = 1200
# One nanosecond an instruction; while all is idle, time goes on to the next
# timer.
CLOCK = ["-icount", "shift=0,sleep=off"]


class Figures:
    """`figure WAY NAME VALUE` lines of the guest."""

    def __init__(self):
        self.seen = collections.defaultdict(list)
        self.done = False

    def line(self, text):
        words = text.split()
        if words[:1] == ["figure"] and len(words) == 4:
            self.seen[words[1], words[2]].append(float(words[3]))
        else:
            self.done = text == "# all done" or self.done
            print("#", text.lstrip("# "), file=sys.stderr)

    def of(self, way, name):
        return self.seen[way, name]

    def speed(self, way, name):
        """Microseconds of 12 MiB as MiB/s."""
        return [MIB * 1e6 / us for us in self.of(way, name)]


def rows(figures):
    table = Table("usb, in a guest that counts instructions")
    for name in ("write", "read"):
        ours = figures.of("ours", name)
        for way, bar in (("relay", 1 / 1.3), ("pair", 1 / 0.8)):
            table.compare(f"12 MiB bulk {name} / {way}",
                          [us / 1e3 for us in ours],
                          [us / 1e3 for us in figures.of(way, name)], "ms",
                          bar)
        for way in ("ours", "relay", "pair", "direct"):
            table.figure(f"bulk {name}, {way}",
                         figures.speed(way, name), None, "MiB/s")
    for name, text in (("write4k", "4 KiB write"), ("read4k", "4 KiB read"),
                       ("line4k", "4 KiB to a serial line")):
        ours = figures.of("ours", name)
        for way, bar in (("relay", 0.75), ("pair", 1.3)):
            table.compare(f"{text}, p50 / {way}", ours,
                          figures.of(way, name), "us", bar)
        table.figure(f"{text}, p50 / direct", ours,
                     figures.of("direct", name), "us")
    for way in ("relay", "pair"):
        table.figure(f"processor per MiB written / {way}",
                     *per_mib(figures, way), "ms")
    for way in ("relay", "pair", "direct"):
        table.figure(f"800 ms of sound, 4 in flight / {way}",
                     [us / 1e3 for us in figures.of("ours", "iso")],
                     [us / 1e3 for us in figures.of(way, "iso")], "ms")
    table.bound("sound: packets lost", figures.of("ours", "iso.lost"), "",
                at_most=0)
    table.bound("800 ms of sound, 4 in flight",
                [us / 1e3 for us in figures.of("ours", "iso")], "ms",
                at_most=808)
    pss = [median(figures.of("ours", f"pss.{p}")) / 1024
           for p in ("usb-export", "usb-import")]
    table.bound("memory (PSS) of both processes, at rest", sum(pss), "MiB",
                at_most=2)
    return table.end()


def per_mib(figures, way):
    """Busy hundredths of a second of writing and reading, as ms per MiB."""
    return [[10 * (w + r) / (2 * MIB) for w, r in
             zip(figures.of(x, "write.busy"), figures.of(x, "read.busy"))]
            for x in ("ours", way)]


def main():
    figures = Figures()
    script = f". /ours.sh\nROUNDS={ROUNDS}\n. /bench.sh\n"
    kernel, initrd = guest.make(usb_test.BUILD, usb_test.PROGRAMS, script)
    guest.boot(kernel, initrd, LIMIT_S, figures.line,
               devices=guest.SOUND + guest.LINE, more=CLOCK)
    if not figures.done:
        sys.exit("bench-usb: the guest broke off")
    sys.exit(rows(figures))


if __name__ == "__main__":
    main()
