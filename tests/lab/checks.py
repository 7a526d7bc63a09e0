# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab test shows, in order. Kind: glue.

Each check has a control that would fail if the check could not see the
difference: a packet that must not arrive is held against one that does.
Fed by dom0's commands and by what the lab's internet saw.
"""
import functools
import ipaddress
import json
import os
import re
import time

import checks_firewall
import checks_usb
import hostile
import internet
import teardown

QUBES = ("sys-net", "sys-firewall", "sys-usb", "work", "untrusted")
UP_LIMIT_S = 240
READY_LIMIT_S = 90
# One SYN only: the kernel's first repetition comes after 1000 ms.
PROBE_MS = 900
# Where no time is measured, an emulator under load gets more.
PATIENT_MS = 3000
IN_FORCE_LIMIT_MS = 1000
# QEMU's emulation of SVM now and then breaks a PVH guest (README.md, traps).
# No program in a guest can cause this, and a kernel that fails by itself
# says so on its console.
EMULATOR_FAULT = r"d\d+v\d+ Triple fault"
EMULATOR_FAULTS_MAX = 3


class Qube:
    """Commands inside one qube, by its console."""

    def __init__(self, channel, name):
        self.channel = channel
        self.name = name

    def run(self, command, timeout_s=20):
        return self.channel.run(command, timeout_s, qube=self.name)

    def probe(self, words):
        """probe's answer: its first word (open, closed, reply, none, error),
        or what went wrong with the console."""
        result = self.run("probe " + words)
        return first_word(result)


# What probe says when the firewall stopped it: nothing came back, or a refusal
# did ("error" is an ICMP one). Which of them is the firewall's choice; that
# nothing reached the server is looked at on the server's side.
STOPPED = ("none", "closed", "error")


def target_of(words):
    """{dst, dport} of a probe's words, as the listener's packets have them."""
    kind, address, *rest = words.split()
    return ({"dst": address, "dport": int(rest[0]), "proto": 6}
            if kind == "tcp" else {"dst": address})


def first_word(result):
    if result.rc < 0:
        return "console: " + result.err.strip()
    for line in reversed(result.out.split("\n")):
        if re.match(r"(open|closed|reply|none|error)\b", line):
            return line.split()[0]
    return "unreadable: " + repr(result.out[-200:])


class Checks:
    QUBES = QUBES

    def __init__(self, lab, results):
        self.net = lab.internet
        self.machine = lab.machine
        self.dom0 = lab.machine.control
        self.results = results
        self.work = Qube(self.dom0, "work")
        self.untrusted = Qube(self.dom0, "untrusted")
        self.before = None
        self.lease4 = None
        self.faults = 0  # of the emulator, that are over

    # ---- helpers ----

    def status(self):
        """{name: qube} as sysqubed reports it."""
        result = self.dom0.run("sysqube --json status")
        if not result.ok:
            raise RuntimeError("sysqube status: " + result.text())
        return {q["name"]: q for q in json.loads(result.out)["qubes"]}

    def key(self, name, path):
        """A status key of a qube, or an empty text."""
        return (self.status().get(name, {}).get("status") or {}).get(path, "")

    def wait_for(self, limit_s, function):
        """function() until it is true or time is up; returns its value."""
        end = time.monotonic() + limit_s
        while True:
            value = function()
            if value or time.monotonic() > end:
                return value
            time.sleep(0.5)

    def firewall(self, words, probe=None):
        """sysqube firewall WORDS; with probe, that is run in work at once."""
        then = None if probe is None else ("work", "probe " + probe)
        result = self.dom0.run("sysqube firewall " + words, then=then)
        if not result.ok:
            raise RuntimeError(f"sysqube firewall {words}: {result.text()}")
        return result

    def rules(self, *rules):
        """Put these rules before the single accept that reset leaves."""
        self.firewall("reset work")
        for rule in reversed(rules):
            self.firewall("add --before 0 work " + rule)

    def stopped(self, probe, text):
        """probe in work must fail, and no packet of it reach the server."""
        begin = time.monotonic()
        got = self.work.probe(probe)
        arrived = self.net.listener.from_netvm(begin, **target_of(probe))
        self.results.check(got in STOPPED and not arrived, text, None,
                           f"probe {probe}: {got}; arrived: {arrived}")

    def in_force(self, words, probe, want, text):
        """Change the rules, and see at once that probe then says want."""
        result = self.firewall(words, probe)
        got, after_ms = first_word(result.then), result.then.gap_ms
        if got not in want and after_ms < IN_FORCE_LIMIT_MS:
            again = time.monotonic()
            got = self.work.probe(probe)
            after_ms += round((time.monotonic() - again) * 1000)
        self.results.check(
            got in want,
            f"{text}: {got}, seen {after_ms} ms after the command, which "
            f"took {result.ms} ms", None,
            f"expected {' or '.join(want)}; sysqube firewall {words}")

    # ---- the checks ----

    def start_set(self):
        """One `sysqube up` with the time before each line it prints."""
        result = self.dom0.run(
            "set -o pipefail; sysqube up 2>&1 | while IFS= read -r l; do "
            "echo \"$(cut -d' ' -f1 /proc/uptime) $l\"; done",
            timeout_s=UP_LIMIT_S)
        for line in result.out.splitlines():
            self.results.note("up: " + line)
        return result

    def emulator_faults(self):
        log = self.dom0.run("xl dmesg").out
        return len(re.findall(EMULATOR_FAULT, log))

    def up(self):
        self.before = teardown.snapshot(self.dom0)
        result = self.start_set()
        faults = 0
        while not result.ok and faults < self.emulator_faults() \
                and faults < EMULATOR_FAULTS_MAX:
            faults = self.emulator_faults()
            self.results.note("the emulator broke a PVH guest (README.md, "
                              "traps); sysqube up again")
            result = self.start_set()
        self.results.check(result.ok, "sysqube up starts the set",
                           result.ms / 1000, result.text())
        status = self.status()
        missing = [n for n in QUBES
                   if status.get(n, {}).get("state") != "running"]
        self.results.check(not missing, "all five qubes are running", None,
                           f"not running: {missing}")

    def ready(self):
        begin = time.monotonic()
        waiting = None

        def settled():
            nonlocal waiting
            status = self.status()
            waiting = {n: status.get(n, {}).get("waiting_for")
                       for n in QUBES if not status.get(n, {}).get("ready")}
            return not waiting
        good = self.wait_for(READY_LIMIT_S, settled)
        self.results.check(good, "all five qubes are wired and ready",
                           time.monotonic() - begin, repr(waiting))

    def lease(self):
        def leased():
            text = self.key("sys-net", "/sysqube-status/uplink")
            return text if text.startswith("up ") else ""
        begin = time.monotonic()
        text = self.wait_for(60, leased)
        found = re.match(r"up (\S+) ([0-9.]+)/\d+ ", text)
        self.lease4 = found.group(2) if found else None
        given = self.net.leases()
        self.results.check(
            self.lease4 in given and "DHCPACK" in self.net.log(),
            f"NetVM has its DHCP lease through the passed-through NIC: {text}",
            time.monotonic() - begin, f"status {text!r}, leases {given}")

    def names(self):
        for server in ("10.139.1.1", "10.139.1.2"):
            result = self.work.run(f"nslookup {internet.NAME} {server}")
            good = (internet.SERVER4 in result.out
                    and internet.SERVER6 in result.out)
            self.results.check(good, f"work resolves {internet.NAME} through "
                               f"{server}", result.ms / 1000, result.text())

    def fetch(self):
        begin = time.monotonic()
        result = self.work.run(
            f"timeout 8 wget -q -O - http://{internet.NAME}/")
        seen = self.net.fetched(begin, port=80)
        self.results.check(
            internet.BODY.decode().strip() in result.out and seen,
            "work fetches a page by name through both VMs",
            result.ms / 1000, result.text())
        for family, server, natted in (
                (4, internet.SERVER4, self.from_lease4),
                (6, internet.SERVER6, self.from_lan6)):
            host = server if family == 4 else f"[{server}]"
            begin = time.monotonic()
            result = self.work.run(
                f"timeout 8 wget -q -O - http://{host}/v{family}")
            seen = self.net.fetched(begin, server=server)
            self.results.check(
                internet.BODY.decode().strip() in result.out and seen,
                f"work fetches a page over IPv{family}", result.ms / 1000,
                result.text())
            clients = sorted({f.client for f in seen})
            self.results.check(
                bool(clients) and all(natted(c) for c in clients),
                f"the server sees only NetVM's IPv{family} address: "
                + ", ".join(clients), None, f"clients {clients}")

    def from_lease4(self, address):
        return address == self.lease4

    @staticmethod
    def from_lan6(address):
        return (ipaddress.ip_address(address)
                in ipaddress.ip_network(internet.LAN6))

    def rules_tcp(self):
        v4, v6 = internet.SERVER4, internet.SERVER6
        self.rules("accept")
        tcp80, tcp8080 = (f"tcp {v4} {p} {PROBE_MS}" for p in (80, 8080))
        six80, six8080 = (f"tcp {v6} {p} {PROBE_MS}" for p in (80, 8080))
        for host in (v4, internet.OTHER4, v6):
            for port in (80, 8080):
                got = self.work.probe(f"tcp {host} {port} {PATIENT_MS}")
                self.results.check(got == "open", "with 'accept' work reaches "
                                   f"{host} port {port}", None, got)
        self.firewall("reset work")
        self.in_force("add --before 0 work drop", tcp80, STOPPED,
                      "reset and 'drop' stop TCP")
        self.stopped(tcp80, "and no packet of it reaches the server")
        self.stopped(six80, "and IPv6 TCP")
        self.rules("drop")
        self.in_force("add --before 0 work accept proto=tcp "
                      f"dst4={v4}/32 dstports=80-80", tcp80, ("open",),
                      "'accept proto=tcp dst4= dstports=80-80' opens port 80")
        for words, what in ((tcp8080, "not port 8080"),
                            (f"tcp {internet.OTHER4} 80 {PROBE_MS}",
                             "not another server"),
                            (six80, "not IPv6"),
                            (f"ping {v4} {PROBE_MS}", "not ICMP")):
            self.stopped(words, "and " + what)
        self.in_force("add --before 0 work accept proto=tcp "
                      f"dst6={v6}/128 dstports=80-80", six80, ("open",),
                      "'accept proto=tcp dst6= dstports=80-80' opens port 80")
        self.stopped(six8080, "and not port 8080 (IPv6)")

    def rules_flow(self):
        """A live connection that a new rule blocks ends with it."""
        self.rules("accept")
        sink = self.net.sink
        begin = time.monotonic()
        self.work.run("(for i in $(seq 60); do echo $i; sleep 0.5; done) | "
                      f"nc {internet.SERVER4} {internet.SINK_PORT} "
                      ">/dev/null 2>&1 &")
        self.wait_for(8, lambda: len(sink.since(begin)) >= 4)
        alive = len(sink.since(begin))
        self.firewall("add --before 0 work drop")
        since = time.monotonic() + IN_FORCE_LIMIT_MS / 1000
        time.sleep(IN_FORCE_LIMIT_MS / 1000 + 4)
        late = sink.since(since)
        self.results.check(
            alive >= 4 and not late, "'drop' ends a live connection: "
            f"{alive} lines before it, none from 1 s after it", None,
            f"{alive} lines before it, {len(late)} after it")

    def rules_icmp(self):
        for family, server, kind in ((4, internet.SERVER4, 8),
                                     (6, internet.SERVER6, 128)):
            ping = f"ping {server} {PROBE_MS}"
            self.rules("drop")
            self.stopped(ping, f"'drop' stops the IPv{family} echo")
            self.in_force(
                f"add --before 0 work accept dst{family}={server}"
                f"/{32 if family == 4 else 128} proto=icmp icmptype={kind}",
                ping, ("reply",),
                f"'accept proto=icmp icmptype={kind}' lets it through")
            self.stopped(f"tcp {server} 80 {PROBE_MS}", "and no TCP with it")

    def rules_dns(self):
        self.rules("drop")
        query = f"nslookup -type=a {internet.NAME} 10.139.1.1"
        result = self.work.run(query, timeout_s=40)
        self.results.check(internet.SERVER4 not in result.out,
                           "'drop' stops name queries", None, result.text())
        self.firewall("add --before 0 work accept specialtarget=dns")
        result = self.work.run(query, timeout_s=40)
        self.results.check(internet.SERVER4 in result.out,
                           "'accept specialtarget=dns' lets them through",
                           None, result.text())

    def spoofed(self):
        return int(self.key("sys-firewall", "/sysqube-status/spoofed") or 0)

    def forged(self):
        self.rules("accept")
        own = self.status()["work"]
        seen = self.net.listener.from_netvm
        for family, server, name, forged in (
                (4, internet.SERVER4, "address", "10.137.0.99"),
                (6, internet.SERVER6, "address6",
                 "fd09:24ef:4179::a89:63")):
            port = 9 + family
            begin, count = time.monotonic(), self.spoofed()
            # The control: with its own source the same packet arrives.
            self.work.run(f"send-forged {own[name]} {server} udp {port} 3")
            self.results.check(
                self.wait_for(3, lambda: seen(begin, dport=port)),
                f"IPv{family}: a raw packet with work's own source reaches "
                "the server")
            begin = time.monotonic()
            sent = self.work.run(f"send-forged {forged} {server} udp {port} 5")
            raised = self.wait_for(6, lambda: self.spoofed() - count >= 5)
            self.results.check(
                sent.ok and raised,
                f"IPv{family}: five packets with a forged source are counted",
                None, f"counter {count} -> {self.spoofed()}; {sent.text()}")
            arrived = seen(begin, dport=port)
            self.results.check(not arrived, f"IPv{family}: and none of them "
                               "reaches the server", None, repr(arrived))

    def apart(self):
        """Neither user qube reaches the other, although both may go out."""
        status = self.status()
        for here, there in ((self.untrusted, self.work),
                            (self.work, self.untrusted)):
            target = status[there.name]
            there.run("(while :; do nc -l -p 5000 </dev/null >/dev/null; done)"
                      " >/dev/null 2>&1 &")
            got = self.wait_for(5, lambda: there.probe(
                f"tcp {target['address']} 5000 {PATIENT_MS}") == "open")
            self.results.check(got, f"{there.name} has a TCP listener")
            for words, what in (
                    (f"tcp {target['address']} 5000 {PROBE_MS}", "TCP"),
                    (f"ping {target['address']} {PROBE_MS}", "echo"),
                    (f"ping {target['address6']} {PROBE_MS}", "IPv6 echo")):
                got = here.probe(words)
                self.results.check(
                    got in STOPPED,
                    f"{here.name} cannot reach {there.name}: {what}", None,
                    got)
            got = here.probe(f"tcp {internet.SERVER4} 80 {PATIENT_MS}")
            self.results.check(got == "open", f"while {here.name} still "
                               "reaches the server", None, got)

    def usb(self):
        def listed():
            result = self.dom0.run("sysqube --json usb list")
            return json.loads(result.out)["devices"] if result.ok else []
        begin = time.monotonic()
        self.wait_for(30, lambda: len(listed()) >= 2)
        devices = listed()
        for device in devices:
            self.results.note("usb: " + json.dumps(device))
        for vendor, product, code, what in (
                ("46f4", "0001", "080650", "the stick"),
                ("0627", "0001", "030101", "the keyboard")):
            found = [d for d in devices if d.get("vendor_id") == vendor
                     and d.get("product_id") == product]
            good = (len(found) == 1 and code in found[0]["interfaces"]
                    and found[0]["vendor"] and found[0]["product"])
            self.results.check(
                good, f"sysqube usb list shows {what} with vendor, product "
                f"and interface {code}", time.monotonic() - begin,
                repr(devices))

    def hostile_peer(self):
        hostile.check(self)

    def restarted(self):
        """A NetVM that dies comes back by itself, with its NIC."""
        before = self.status()["sys-net"]["domid"]
        begin = time.monotonic()
        result = self.dom0.run("xl destroy sys-net", timeout_s=60)

        def back():
            qube = self.status()["sys-net"]
            return qube["domid"] not in (None, before) and qube["ready"]
        good = result.ok and self.wait_for(READY_LIMIT_S, back)
        self.results.check(good, "a NetVM that died is started again by "
                           "itself and has its uplink",
                           time.monotonic() - begin,
                           result.text() + json.dumps(
                               self.status()["sys-net"]))
        begin = time.monotonic()

        def fetched():
            page = self.work.run("timeout 8 wget -q -O - "
                                 f"http://{internet.SERVER4}/")
            return internet.BODY.decode().strip() in page.out
        self.results.check(self.wait_for(60, fetched), "and work, which kept "
                           "running, fetches its page through it",
                           time.monotonic() - begin)

    def figures(self):
        for name, qube in self.status().items():
            memory = qube.get("memory") or {}
            self.results.note(
                f"memory of {name}: {memory.get('used_kib')} of "
                f"{memory.get('total_kib')} KiB used, "
                f"{qube.get('memory_mib')} MiB given")
        for line in self.dom0.run("xl list; free -k").out.splitlines():
            self.results.note("dom0: " + line)
        images = os.path.join(self.machine.tree, "var/lib/sysqube/images")
        for name in sorted(os.listdir(images) if os.path.isdir(images)
                           else ()):
            with open(os.path.join(images, name, "manifest.json"),
                      encoding="utf-8") as file:
                manifest = json.load(file)
            self.results.note(
                f"image {name}: kernel {manifest['kernel']['bytes']} bytes, "
                f"initramfs {manifest['initramfs']['bytes']} bytes")

    def bad_input(self):
        """A wrong configuration is refused before anything starts."""
        result = self.dom0.run(
            "rm -rf /tmp/bad && cp -r /etc/sysqube /tmp/bad && "
            "echo 'Colour=red' >>/tmp/bad/qubes/sys-usb.conf && "
            "sysqube --config /tmp/bad check")
        self.results.check(
            result.rc > 0 and re.search(r"sys-usb\.conf:\d+.*Colour",
                                        result.text()),
            "sysqube check names file and line of an unknown key", None,
            result.text())

    def down(self):
        result = self.dom0.run("sysqube down", timeout_s=UP_LIMIT_S)
        self.results.check(result.ok, "sysqube down ends the set",
                           result.ms / 1000, result.text())
        teardown.check(self.dom0, self.before, self.results)

    def one(self, step):
        try:
            step()
        except TimeoutError:
            raise  # the whole run's limit
        except Exception as error:  # the others must still run
            self.results.not_ok(f"{step.__name__} goes to its end", None,
                                repr(error))

    def settle(self):
        """A guest that the emulator broke is started again by sysqubed: wait
        for that."""
        faults = self.emulator_faults()
        if faults == self.faults:
            return
        self.faults = faults
        time.sleep(1)  # sysqubed has it from the hypervisor by then
        self.ready()

    def whole(self, step):
        """One step, repeated if the emulator broke a guest in it."""
        for _ in range(EMULATOR_FAULTS_MAX):
            self.settle()
            failed = self.results.failed
            self.one(step)
            if self.results.failed == failed or \
                    self.emulator_faults() == self.faults:
                return
            self.results.take_back(failed, "the emulator broke a PVH guest "
                                   "meanwhile (README.md, traps); again")
        self.settle()
        self.one(step)

    def steps_of(self, module):
        """The steps that another file adds."""
        def bound(function):
            @functools.wraps(function)
            def step():
                function(self)
            return step
        return [bound(f) for f in module.STEPS]

    def all(self):
        """Every check, in order; one that breaks off does not stop the
        others, except when the set is not even up."""
        steps = (self.up, self.ready, self.lease, self.usb, self.names,
                 self.fetch, self.rules_tcp, self.rules_flow, self.rules_icmp,
                 self.rules_dns, self.forged, self.apart, self.bad_input,
                 *self.steps_of(checks_firewall), *self.steps_of(checks_usb),
                 self.figures, self.hostile_peer, self.restarted, self.down)
        only = os.environ.get("LAB_ONLY", "").split()
        for step in steps:
            if only and step.__name__ not in (*only, "up", "ready", "lease",
                                              "down"):
                continue
            begin = time.monotonic()
            failed = self.results.failed
            if step in (self.up, self.down):
                self.one(step)
            else:
                self.whole(step)
            if step == self.up and self.results.failed > failed:
                self.results.note("the set is not up: what needs it fails")
            self.results.note(f"{step.__name__}: "
                              f"{time.monotonic() - begin:.1f} s")


def run(lab, results):
    Checks(lab, results).all()
