# SPDX-License-Identifier: GPL-2.0-or-later
"""The scene of the firewall's property test and benchmarks: a namespace for
the router, one for the far ends of all vifs, one behind the uplink. Only
the router has addresses, so nobody answers and nobody but the test sends.

Kind: helper. Ends only the processes it started, by their ids."""
import os
import subprocess
import time

MAC_QUBE = "00:16:3e:5e:6c:00"
MAC_VIF = "fe:ff:ff:ff:ff:ff"
MAC_UPLINK = "02:00:00:00:00:01"
MAC_FAR = "02:00:00:00:00:02"
SYSCTLS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv6/conf/all/forwarding": 1,
    # A flow lives as long as a run, so that only the test ends flows.
    "net/netfilter/nf_conntrack_udp_timeout": 86400,
    "net/netfilter/nf_conntrack_udp_timeout_stream": 86400,
    "net/netfilter/nf_conntrack_icmp_timeout": 86400,
    "net/netfilter/nf_conntrack_icmpv6_timeout": 86400,
    "net/netfilter/nf_conntrack_generic_timeout": 86400,
    "net/netfilter/nf_conntrack_gre_timeout": 86400,
    "net/netfilter/nf_conntrack_tcp_timeout_syn_sent": 86400,
}


class Scene:
    """Three namespaces; use as a context. fw, qubes, far are process ids."""

    def __init__(self, sources):
        """sources: for each qube the address texts behind its vif"""
        self.sources = sources
        self.procs = []

    def __enter__(self):
        self.fw, self.qubes, self.far = (self._space() for _ in range(3))
        self._links()
        return self

    def __exit__(self, *_exc):
        for p in self.procs:
            p.kill()
            p.wait()

    def _space(self):
        mine = os.readlink("/proc/self/ns/net")
        p = subprocess.Popen(["unshare", "-n", "sleep", "86400"])
        self.procs.append(p)
        for _ in range(500):
            try:
                if os.readlink(f"/proc/{p.pid}/ns/net") != mine:
                    break
            except OSError:
                pass
            time.sleep(0.01)
        quiet = "".join(
            f"echo {v} > /proc/sys/net/ipv6/conf/{c}/{k};"
            for c in ("all", "default")
            for k, v in (("accept_dad", 0), ("dad_transmits", 0),
                         ("router_solicitations", 0)))
        run(p.pid, ["sh", "-c", quiet + "ip link set lo up"])
        return p.pid

    def _links(self):
        fw, q, far = [], [], []
        fw.append(f"link add eth0 address {MAC_UPLINK} type veth peer name "
                  f"far0 address {MAC_FAR} netns {self.far}")
        fw += ["addr add 192.0.2.2/24 dev eth0",
               "addr add 2001:db8:5::2/64 dev eth0 nodad",
               "link set eth0 up",
               f"neigh add 192.0.2.1 lladdr {MAC_FAR} dev eth0 nud permanent",
               f"neigh add 2001:db8:5::1 lladdr {MAC_FAR} dev eth0 "
               "nud permanent",
               "route add default via 192.0.2.1",
               "route add default via 2001:db8:5::1"]
        far.append("link set far0 up")
        for i, addrs in enumerate(self.sources):
            vif = f"vif{i + 5}.0"
            fw.append(f"link add {vif} address {MAC_VIF} type veth peer name "
                      f"q{i} address {MAC_QUBE} netns {self.qubes}")
            fw.append(f"link set {vif} up")
            q.append(f"link set q{i} up")
            for a in addrs:
                six = ":" in a
                fw.append(f"route add {a}/"
                          f"{128 if six else 32} dev {vif}")
                fw.append(f"neigh add {a} lladdr {MAC_QUBE} dev {vif} "
                          "nud permanent")
        # The router's own address is the source of its ICMP answers.
        fw += ["addr add 10.137.0.1/32 dev lo",
               "addr add fd09:24ef:4179::a89:1/128 dev lo nodad"]
        for pid, lines in ((self.fw, fw), (self.qubes, q), (self.far, far)):
            run(pid, ["ip", "-batch", "-"], "\n".join(lines))

    def tune(self):
        """To be called once the router tracks flows: its settings."""
        text = "".join(f"echo {v} > /proc/sys/{k};"
                       for k, v in SYSCTLS.items())
        run(self.fw, ["sh", "-e", "-c", text])


def run(pid, argv, text=None):
    """A program in the network of a process; its output."""
    r = subprocess.run(["nsenter", "-t", str(pid), "-n"] + argv, text=True,
                       input=text, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, check=False)
    if r.returncode:
        raise RuntimeError(f"{' '.join(argv)[:200]}: {r.stdout}")
    return r.stdout
