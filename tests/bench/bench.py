# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of a benchmark: one a figure, ours beside theirs, both measured in
the same run, medians of repeated rounds. Kind: helper, no effects but its
output.

    table = Table("firewall")
    table.compare("one qube changed", ours, theirs, "ms", ratio=1 / 20)
    table.bound("memory", pss, "MiB", at_most=4)
    table.figure("apply of 4,000 rules", ours, theirs, "ms")
    sys.exit(table.end())
"""
import os
import statistics

FORMAT = "{:<44} {:>11} {:>11} {:>8} {:>10}  {}"


def number(value):
    """Four digits that matter."""
    if value is None:
        return "-"
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


class Table:
    """Prints each row as it comes. `theirs` may be None in a figure."""

    def __init__(self, name):
        self.short = 0
        load = os.getloadavg()[0]
        print(f"# {name}: {os.cpu_count()} processors, kernel "
              f"{os.uname().release}, load {load:.1f} at the start")
        print(FORMAT.format("name", "ours", "theirs", "ratio", "bar", ""))

    def _row(self, name, ours, theirs, unit, bar, state):
        ratio = ours / theirs if theirs else None
        ours_text = f"{number(ours)} {unit}"
        theirs_text = f"{number(theirs)} {unit}" if theirs else "-"
        print(FORMAT.format(name, ours_text, theirs_text, number(ratio), bar,
                            state), flush=True)

    def compare(self, name, ours, theirs, unit, ratio):
        """ours / theirs must be at most ratio. Lists give their medians."""
        ours, theirs = median(ours), median(theirs)
        good = ours <= theirs * ratio
        self.short += not good
        self._row(name, ours, theirs, unit, f"x {number(ratio)}",
                  "ok" if good else "short")

    def bound(self, name, ours, unit, at_most):
        """ours must be at most a value."""
        ours = median(ours)
        good = ours <= at_most
        self.short += not good
        self._row(name, ours, None, unit, f"{number(at_most)} {unit}",
                  "ok" if good else "short")

    def figure(self, name, ours, theirs, unit):
        """No bar: for the record."""
        self._row(name, median(ours), median(theirs), unit, "-", "figure")

    def end(self):
        """@return the exit status: 1 when a row is short"""
        print(f"# {self.short} short" if self.short else "# every bar held")
        return 1 if self.short else 0


def median(value):
    """Of a list; a number is itself."""
    if isinstance(value, (list, tuple)):
        return statistics.median(value)
    return value
