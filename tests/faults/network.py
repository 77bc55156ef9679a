"""A host of its own for a worker, behind a router that can swallow packets; only root can make one.

here -- router -- far
"""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

# Set apart for tests of networks (RFC 2544): nobody's addresses. Eight for each host.
FIRST_ADDRESS, HOSTS = IPv4Address("198.18.0.0"), 1 << 14
_made = itertools.count()
FORWARD = "echo 1 > /proc/sys/net/ipv4/ip_forward"


class FarHost:
    """Processes whose command begins with `enter` run there, and reach this host at `here`."""

    def __init__(self, number: int) -> None:
        first = FIRST_ADDRESS + 8 * number
        self.here, self._router_here = str(first + 1), str(first + 2)
        self._router_far, self._far = str(first + 5), str(first + 6)
        self._names = f"far{number}", f"router{number}"
        self._cables = (f"dsa{number}", f"dsb{number}"), (f"dsc{number}", f"dsd{number}")

    @property
    def enter(self) -> list[str]:
        return ["ip", "netns", "exec", self._names[0]]

    def cut(self) -> None:
        """From now on no packet arrives, and nobody is told."""
        for address in (self.here, self._far):
            self._on_router("ip", "route", "add", "blackhole", f"{address}/32")

    def mend(self) -> None:
        for address in (self.here, self._far):
            self._on_router("ip", "route", "del", "blackhole", f"{address}/32")

    def make(self) -> None:
        far, router = self._names
        (here, router_here), (router_far, far_end) = self._cables
        for name in (far, router):
            run("ip", "netns", "add", name)
        run("ip", "link", "add", here, "type", "veth", "peer", "name", router_here, "netns", router)
        run("ip", "-n", router, "link", "add", router_far, "type", "veth",
            "peer", "name", far_end, "netns", far)  # fmt: skip
        for place, cable, address in (
            ([], here, self.here),
            (["-n", router], router_here, self._router_here),
            (["-n", router], router_far, self._router_far),
            (["-n", far], far_end, self._far),
        ):
            run("ip", *place, "addr", "add", f"{address}/30", "dev", cable)
            run("ip", *place, "link", "set", cable, "up")
        self._on_router("sh", "-c", FORWARD)
        run("ip", "route", "add", f"{self._far}/32", "via", self._router_here)
        run("ip", "-n", far, "route", "add", "default", "via", self._router_far)

    def remove(self) -> None:
        """At once for the cable here; the system takes its time over the rest."""
        subprocess.run(["ip", "link", "del", self._cables[0][0]], check=False, capture_output=True)
        for name in self._names:  # and with them their cables
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def _on_router(self, *command: str) -> None:
        run("ip", "netns", "exec", self._names[1], *command)


def why_no_hosts() -> str | None:
    """What stands in the way of making a host here, if anything does."""
    try:
        with far_host():
            return None
    except FileNotFoundError:
        return "no host can be made without iproute2"
    except subprocess.CalledProcessError as error:
        return f"no host can be made here: {' '.join(error.stderr.decode().split())}"


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def far_host() -> Iterator[FarHost]:
    host = FarHost((os.getpid() * 8 + next(_made)) % HOSTS)
    host.remove()  # of a process of this number that was killed
    try:
        host.make()
        yield host
    finally:
        host.remove()
