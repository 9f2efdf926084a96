"""Which targets may be called at URLs that tenants give: public addresses, and what the operator allows besides.

A public address is one that IANA's registries give out for use in the internet. Everything else may be a service that trusts whoever reaches it:
a database, a cloud's metadata, a neighbour in the cluster. Python's `is_global` is no measure: it is true of multicast, of 6to4 (2002::/16) and of
NAT64 (64:ff9b::/96), in which a private address can hide. The registries do not know which public addresses are inside: Pods and nodes of a cluster
with IPv6, or an own prefix of NAT64. Those the operator names in OUTGOING_DENY.
"""

import re
from collections.abc import Container, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from tocsin.runtime.setting_facts import About
from tocsin.runtime.settings import CommaList, Settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS: Final = frozenset({80, 443})
"""The ports that may be called where nothing else is allowed."""

_ALL_PORTS: Final = range(1, 65_536)
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
"""The port of a URL that names none, by its scheme."""

NOT_HTTPS: Final = "The URL must begin with https."
NOT_THIS_PORT: Final = "The URL names a port that may not be called. Use 443."
NOT_PUBLIC: Final = "The URL leads to an address that may not be called: it is not public."

_NOT_PUBLIC_4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by customers of one carrier; Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host, as its guests see it
        "169.254.0.0/16",  # link-local; the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""What IANA gives out of IPv6. Everything else is loopback, local, multicast, or not given out."""
_NOT_PUBLIC_6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocols, among them Teredo
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address within
        "3fff::/20",
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_ENTRY = re.compile(r"(?P<target>\[[0-9A-Fa-f:./]+\]|[^:\[\]\s]*)(?::(?P<port>\d{1,5}|\*))?").fullmatch
_NAME = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9])?").fullmatch
_ONLY_NUMBERS = re.compile(r"[0-9./]+").fullmatch


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv4-mapped or a NAT64 address stands for; any other as it is."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether it is given out for use in the internet. One with a zone (`%eth0`) is of this machine's networks."""
    address = unwrapped(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return (
        address.scope_id is None
        and address in _GLOBAL_UNICAST
        and not any(address in network for network in _NOT_PUBLIC_6)
    )


class AllowedTargets:
    """What may be called beside https at ports 80 and 443 of public addresses.

    `hooks.internal` a host, whatever its name resolves to · `10.1.0.0/16` a network · `hooks.internal:8443`, `10.1.0.0/16:8080`,
    `[fd00::/8]:8080` one port of it, where the others are 80 and 443 · `127.0.0.1:*` all its ports · `:8443` a port of every public
    address. Hosts and networks may be called over http as well. `denied` are networks without ports, which only a host that is allowed by name may
    lead to. Raises ValueError, with a sentence, for what is none of these.
    """

    def __init__(self, entries: Iterable[str] = (), *, denied: Iterable[str] = ()) -> None:
        self._denied = [_denied(entry) for entry in denied]
        self._hosts: list[tuple[str, Container[int]]] = []
        self._networks: list[tuple[Network, Container[int]]] = []
        self._ports: list[Container[int]] = [PORTS]
        for entry in entries:
            target, ports = _taken_apart(entry)
            if not target:
                self._ports.append(ports)
            elif (network := _network(target)) is not None:
                self._networks.append((network, ports))
            elif _NAME(target) and not _ONLY_NUMBERS(target):
                self._hosts.append((target, ports))
            else:
                raise ValueError(_unreadable(entry))

    def host(self, name: str, port: int) -> bool:
        """Whether the operator allows this host by its name, whatever it resolves to."""
        name = name.lower().rstrip(".")
        return any(name == host and port in ports for host, ports in self._hosts)

    def address(self, address: Address, port: int, *, tls: bool) -> bool:
        """Whether this address may be called, over TLS or without."""
        inner = unwrapped(address)
        if any(inner in network for network in self._denied):
            return False
        if any(inner in network and port in ports for network, ports in self._networks):
            return True
        return tls and self._is_open(port) and is_public(address)

    def fault(self, *, scheme: str, host: str, port: int) -> str | None:
        """Why a URL of this form may not be called, as a sentence for its author. None: what its host resolves to decides."""
        if scheme in DEFAULT_PORTS and self.host(host, port):
            return None
        if scheme != "https" and (scheme != "http" or not self._networks):
            return NOT_HTTPS
        if not self._is_open(port) and not any(port in ports for _, ports in self._networks):
            return NOT_THIS_PORT
        address = _literal(host)
        if address is not None and not self.address(address, port, tls=scheme == "https"):
            return NOT_PUBLIC
        return None

    def _is_open(self, port: int) -> bool:
        """Whether this port of public addresses may be called."""
        return any(port in ports for ports in self._ports)

    def fault_of(self, url: str) -> str | None:
        """Why this URL may not be called, as far as its form tells."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return NOT_PUBLIC
        try:
            port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        except ValueError:
            return NOT_THIS_PORT
        return self.fault(scheme=parts.scheme, host=parts.hostname or "", port=port)


def _taken_apart(entry: str) -> tuple[str, Container[int]]:
    """The target of an entry, and its ports."""
    if entry.count(":") > 1 and not entry.startswith("["):
        return entry, PORTS  # a network of IPv6, which has colons of its own
    parts = _ENTRY(entry)
    if parts is None or not (parts["target"] or parts["port"]):
        raise ValueError(_unreadable(entry))
    target, port = parts["target"].strip("[]").lower(), parts["port"]
    if port is None:
        return target, PORTS
    if port == "*":
        return target, _ALL_PORTS
    if int(port) not in _ALL_PORTS:
        raise ValueError(_unreadable(entry))
    return target, frozenset({int(port)})


def _literal(host: str) -> Address | None:
    """The address that a host is; None where it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _network(target: str) -> Network | None:
    """Raises ValueError for one that no address is looked up in, because it stands for one of IPv4."""
    try:
        network = ip_network(target)
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and any(network.overlaps(inner) for inner in (_MAPPED, _NAT64)):
        raise ValueError(f"{target!r} holds addresses that stand for those of IPv4: write these")
    return network


def _denied(entry: str) -> Network:
    network = _network(entry.strip("[]"))
    if network is None:
        raise ValueError(f"{entry!r} is no network: write 2001:db8:1::/48 or 203.0.113.0/24")
    return network


def _unreadable(entry: str) -> str:
    return f"{entry!r} is no host, network or port: write hooks.internal, 10.1.0.0/16, hooks.internal:8443, [fd00::/8]:8080 or :8443"


def _readable(entries: list[str]) -> list[str]:
    AllowedTargets(entries)
    return entries


def _readable_denied(entries: list[str]) -> list[str]:
    AllowedTargets(denied=entries)
    return entries


class OutgoingSettings(Settings):
    """The same in every service that calls URLs of tenants."""

    model_config = SettingsConfigDict(env_prefix="OUTGOING_", frozen=True)

    allow: Annotated[
        CommaList,
        AfterValidator(_readable),
        About(danger="Every tenant can send requests to what stands here, and see whether it answers"),
    ] = Field(
        default=[],
        description="What URLs of tenants may lead to beside https at ports 80 and 443 of public addresses, with commas between: hosts, networks, each with a port or without, and ports alone, as hooks.internal,10.1.0.0/16:8080,:8443",
    )

    deny: Annotated[CommaList, AfterValidator(_readable_denied)] = Field(
        default=[],
        description="Networks that URLs of tenants may not lead to although they are public, with commas between: those of Pods and nodes where the cluster has public addresses, as 2001:db8:1::/48",
    )

    @property
    def allowed(self) -> AllowedTargets:
        """What stands there, to be asked."""
        return AllowedTargets(self.allow, denied=self.deny)
