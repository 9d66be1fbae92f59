"""Decide to which hosts, addresses and ports the engine may connect.

An address is global when packets to it leave for the internet at large. All others are refused: they lead to this
machine, to the network around it, or to a service of the cloud that trusts whoever can reach it. Settings list the
exceptions. IPv6 is an allow-list of global unicast (2000::/3), so addresses that stand for others (mapped, translated,
6to4, Teredo) are refused as a whole, wherever they lead.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from avtomat.setting_kinds import split_port

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

VOUCHED_MAX: Final = 1_000
PORTS: Final = (80, 443)

_SPECIAL_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
"""The registry of special-purpose addresses of IANA (RFC 6890), multicast, and what is reserved."""

_UNICAST_V6: Final = IPv6Network("2000::/3")
_SPECIAL_V6: Final = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


class Refused(Exception):  # noqa: N818 - an answer to whoever asked for the request, not a fault
    """The engine does not connect there; the text says why, and names nothing that the resolver answered."""


def is_global(address: Address) -> bool:
    """Whether the address belongs to the internet at large."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _UNICAST_V6 and not any(address in network for network in _SPECIAL_V6)


class Allowed:
    """Where the engine may connect: global addresses at the usual ports, and what settings list.

    `hosts` are names, addresses and networks, each with a port (`crm.internal:8080`, `[::1]:8080`) or without one. What
    is listed with a port is allowed at that port, what is listed without one at all of `ports`.
    """

    def __init__(self, hosts: Collection[str] = (), ports: Collection[int] = PORTS) -> None:
        self._ports = frozenset(ports)
        self._names: set[tuple[str, int | None]] = set()
        self._networks: list[tuple[Network, int | None]] = []
        for entry in hosts:
            name, port = split_port(entry)
            try:
                self._networks.append((ip_network(name, strict=False), port))
            except ValueError:
                self._names.add((name.lower().rstrip("."), port))
        self._vouched: OrderedDict[tuple[str, int], None] = OrderedDict()

    def check_host(self, host: str, port: int) -> None:
        """Raise Refused where nothing at this port may be asked, or where the host is an address that may not."""
        address = _as_address(host)
        if address is not None:
            if not self.allows(address, port):
                raise Refused(self._why(str(address), port, is_global(address)))
        elif port not in self._ports and not self._lists(host, port) and not self._has_network_at(port):
            raise Refused(self._why(host, port, is_reachable=True))

    def check_answers(self, host: str, port: int, addresses: Sequence[str]) -> None:
        """Check all that a resolver answered for a host; one bad address refuses them all.

        The addresses of a host that is listed by name are allowed from now on, for `allows`.
        """
        if self._lists(host, port):
            for text in addresses:
                self._vouch(text, port)
            return
        for text in addresses:
            address = _as_address(text)
            if address is None or not self.allows(address, port):
                raise Refused(self._why(host, port, address is not None and is_global(address)))

    def allows(self, address: Address, port: int) -> bool:
        """Whether a connection to this very address may be made."""
        if (str(address), port) in self._vouched:
            return True
        for network, only in self._networks:
            if address in network and (only == port or (only is None and port in self._ports)):
                return True
        return port in self._ports and is_global(address)

    def _lists(self, host: str, port: int) -> bool:
        name = host.lower().rstrip(".")
        return (name, port) in self._names or (port in self._ports and (name, None) in self._names)

    def _has_network_at(self, port: int) -> bool:
        return any(only == port for _, only in self._networks)

    def _vouch(self, text: str, port: int) -> None:
        self._vouched[text, port] = None
        self._vouched.move_to_end((text, port))
        if len(self._vouched) > VOUCHED_MAX:
            self._vouched.popitem(last=False)

    def _why(self, host: str, port: int, is_reachable: bool) -> str:
        shown = f"[{host}]" if ":" in host else host
        if is_reachable:
            return f"port {port} of {shown} is not allowed; the settings calls_ports and calls_allow list what is"
        return f"{shown} is not on the internet at large; the setting calls_allow lists hosts that may be called anyway"


def _as_address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
