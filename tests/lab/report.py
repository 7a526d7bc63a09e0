# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts and prints the lab test's results, a line each. Kind: glue."""
import time


class Report:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.begin = time.monotonic()

    def _print(self, word, text, seconds, detail):
        took = "" if seconds is None else f" [{seconds:.1f} s]"
        print(f"{word} - {text}{took}", flush=True)
        for line in str(detail).splitlines() if detail else ():
            print(f"    {line}", flush=True)

    def ok(self, text, seconds=None, detail=None):
        self.passed += 1
        self._print("ok", text, seconds, detail)

    def not_ok(self, text, seconds=None, detail=None):
        self.failed += 1
        self._print("not ok", text, seconds, detail)

    def skip(self, text, why):
        self.skipped += 1
        self._print("skip", f"{text}: {why}", None, None)

    def take_back(self, failed, why):
        """The failures since there were so many do not count."""
        self.note(f"failures above that do not count: "
                  f"{self.failed - failed}: {why}")
        self.failed = failed

    def note(self, text):
        print(f"# {text}", flush=True)

    def check(self, good, text, seconds=None, detail=None):
        """ok or not ok; detail is printed only when it is not."""
        if good:
            self.ok(text, seconds)
        else:
            self.not_ok(text, seconds, detail)
        return good

    def timed(self, text, function):
        """Run function; ok with its time unless it raises."""
        begin = time.monotonic()
        try:
            value = function()
        except (RuntimeError, OSError) as error:
            self.not_ok(text, time.monotonic() - begin, repr(error))
            return None
        except Exception as error:
            self.not_ok(text, time.monotonic() - begin, repr(error))
            raise
        self.ok(text, time.monotonic() - begin)
        return value

    def line(self):
        return (f"{self.passed} passed, {self.failed} failed, "
                f"{self.skipped} skipped")
