"""Addresses of clients, host names of this server, and the rate at which one address may connect."""

import ipaddress
import socket
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence

from limits import parse

from storage.limits import address_key, is_loopback

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_ADDRESSES = 20_000
BURST_S = 2.0


class AddressRate:
    """Connections a second by address, in this node's memory: a refusal costs no more than a look.

    An address may be behind by two seconds' worth at once. The address that was quiet for longest is forgotten first.
    """

    def __init__(self, rate: str, *, count_loopback: bool) -> None:
        """rate: "N/period"."""
        item = parse(rate)
        self._interval = item.get_expiry() / item.amount
        self._count_loopback = count_loopback
        self._paid_until: OrderedDict[str, float] = OrderedDict()

    def take(self, address: str) -> bool:
        """False where it connects too often. IPv6 counts by its /64."""
        if not self._count_loopback and is_loopback(address):
            return True
        key = address_key(address)
        now = time.monotonic()
        paid_until = max(self._paid_until.pop(key, now), now)
        may = paid_until - now <= BURST_S
        self._paid_until[key] = paid_until + self._interval if may else paid_until
        if len(self._paid_until) > MOST_ADDRESSES:
            self._paid_until.popitem(last=False)
        return may


def client_address(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """The nearest address that is not one of our proxies; theirs alone are believed. IPv4 is never mapped into IPv6."""
    parts = [peer, *reversed([part.strip() for header in forwarded for part in header.split(",")])]
    chain = [_unmapped(part) for part in parts]
    for address in chain:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return chain[0]
        if not any(parsed in network for network in proxies):
            return address
    return chain[-1]


def is_trusted(peer: str, proxies: Sequence[Network]) -> bool:
    """Whether the peer is one of our proxies."""
    try:
        parsed = ipaddress.ip_address(_unmapped(peer))
    except ValueError:
        return False
    return any(parsed in network for network in proxies)


def _unmapped(address: str) -> str:
    """10.0.0.1 for ::ffff:10.0.0.1, as a socket that listens for both kinds calls it; anything else as it is."""
    if ":" not in address:
        return address
    try:
        mapped = ipaddress.IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return address if mapped is None else str(mapped)


def is_own_name(host: str, names: Collection[str]) -> bool:
    """Addresses, names without a dot and this machine's own: what no stranger can register and point at us."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.lower().rstrip(".")
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return "." not in name or name in names or name == socket.getfqdn().lower()
    return True
