"""Hosts of one machine, each in its own network namespace, around a router that can cut them off from each other.

No namespace has a name. The kernel removes a namespace with its last process, and a link with either of its ends, so
nothing is left of a run, even of one that was killed. A cut is silent: the router drops packets and answers nothing, as
broken networks do.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from gateway.child_process import spawn

PROGRAMS = ("ip", "nsenter", "unshare", "setpriv")


class Host:
    """A namespace with one address. Its processes are all those of the namespace, but not the one that holds it."""

    def __init__(self, name: str, address: str, holder: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.address = address
        self.holder = holder
        self._namespace = os.readlink(f"/proc/{holder.pid}/ns/net")

    def command(self, *command: object, as_nobody: bool = False) -> list[str]:
        """The command, to be run in this namespace. It ends when the process that starts it ends."""
        inside = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--"]
        if as_nobody:
            # A change of the user would forget the signal at the parent's end, so it is set again.
            inside += ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=KILL", "--"]
        return [*inside, *map(str, command)]

    def processes(self) -> set[int]:
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(folder / "ns/net") == self._namespace and int(folder.name) != self.holder.pid:
                    found.add(int(folder.name))
            except OSError:
                continue  # it has ended
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send it to all processes, also to those that they start meanwhile."""
        told: set[int] = set()
        while new := self.processes() - told:
            for process in new:
                try:
                    os.kill(process, number)
                except ProcessLookupError:
                    continue
            told |= new


class Network:
    """Addresses are 10.x.y.0/24: this process is .1, the router .254, hosts are .2 and up."""

    def __init__(self) -> None:
        self._net = f"10.{random.randrange(64, 192)}.{random.randrange(256)}"
        self._router = _hold()
        self._outside = f"dt{self._router.pid}"
        self.own_address = f"{self._net}.1"
        self.hosts: dict[str, Host] = {}
        router = self._router.pid
        _ip(f"link add {self._outside} type veth peer name p1 netns {router}")
        _ip(f"addr add {self.own_address}/32 dev {self._outside}")
        _ip(f"link set {self._outside} up")
        _ip(f"route add {self._net}.0/24 dev {self._outside}")
        _within(router, "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0")
        _ip("link set lo up", router)
        self._attach(1)
        _within(router, "sysctl -qw net.ipv4.conf.p1.proxy_arp=1")

    def add(self, name: str) -> Host:
        number = len(self.hosts) + 2
        address = f"{self._net}.{number}"
        holder = _hold()
        _ip(f"link add p{number} netns {self._router.pid} type veth peer name eth0 netns {holder.pid}")
        self._attach(number)
        for line in (
            "link set lo up",
            f"addr add {address}/32 dev eth0",
            "link set eth0 up",
            f"route add default via {self._net}.254 dev eth0 onlink",
        ):
            _ip(line, holder.pid)
        self.hosts[name] = host = Host(name, address, holder)
        return host

    def cut(self, these: list[Host], those: list[Host]) -> None:
        """Drop all packets between the first and the second."""
        self._rule("add", these, those)

    def heal(self, these: list[Host], those: list[Host]) -> None:
        self._rule("del", these, those)

    def cut_off(self, host: Host) -> None:
        """Drop all packets from and to it."""
        _ip(f"rule add from {host.address} blackhole", self._router.pid)
        _ip(f"rule add to {host.address} blackhole", self._router.pid)

    def connect_again(self, host: Host) -> None:
        _ip(f"rule del from {host.address} blackhole", self._router.pid)
        _ip(f"rule del to {host.address} blackhole", self._router.pid)

    def stop(self) -> None:
        for host in self.hosts.values():
            host.signal(signal.SIGKILL)
            host.holder.kill()
        self._router.kill()
        for holder in (self._router, *(host.holder for host in self.hosts.values())):
            holder.wait()

    def _rule(self, action: str, these: list[Host], those: list[Host]) -> None:
        for one in these:
            for other in those:
                _ip(f"rule {action} from {one.address} to {other.address} blackhole", self._router.pid)
                _ip(f"rule {action} from {other.address} to {one.address} blackhole", self._router.pid)

    def _attach(self, number: int) -> None:
        """Set up the router's end of the link to that host."""
        router = self._router.pid
        _ip(f"addr add {self._net}.254/32 dev p{number}", router)
        _ip(f"link set p{number} up", router)
        _ip(f"route add {self._net}.{number}/32 dev p{number}", router)


def why_not() -> str | None:
    """Why this machine cannot run the network; None if it can."""
    if os.geteuid():
        return "network namespaces need root"
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} of the packages iproute2 and util-linux is missing"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    return f"no network namespaces here: {tried.stderr.strip()}" if tried.returncode else None


def _hold() -> "subprocess.Popen[bytes]":
    """Start a process in a new network namespace, which exists as long as it runs."""
    own = os.readlink("/proc/self/ns/net")
    holder = spawn(["unshare", "--net", "sleep", "infinity"], signal.SIGKILL)
    while os.readlink(f"/proc/{holder.pid}/ns/net") == own:
        time.sleep(0.005)
    return holder


def _ip(line: str, namespace_of: int | None = None) -> None:
    _within(namespace_of, f"ip {line}")


def _within(process: int | None, line: str) -> None:
    inside = [] if process is None else ["nsenter", f"--net=/proc/{process}/ns/net", "--"]
    subprocess.run([*inside, *line.split()], check=True)
