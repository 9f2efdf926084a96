"""Where a request comes from: the peer's address, or what a trusted proxy says of it."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from starlette.types import Scope

UNKNOWN: Final = "unknown"
"""For a peer without an address, such as a Unix socket."""
_HOUSEHOLD_BITS: Final = 64
"""One caller is given so much of an IPv6 address and may fill in the rest at will."""

Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address


class Sources:
    """Tells sources apart. `trusted` are the networks of the proxies whose `X-Forwarded-For` is believed; without any, the header is
    ignored."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted: Final = tuple(trusted)

    def of(self, scope: Scope) -> str:
        """An IPv4 address, the first 64 bits of an IPv6 address, or `UNKNOWN`. Whoever is no trusted proxy cannot choose it."""
        peer = _address((scope.get("client") or ("", 0))[0])
        if peer is None:
            return UNKNOWN
        if not self._is_trusted(peer):
            return _text(peer)
        for hop in reversed(_forwarded_for(scope)):
            address = _address(hop)
            if address is None:
                break  # what stands before it was written by nobody we trust
            peer = address
            if not self._is_trusted(address):
                break
        return _text(peer)

    def _is_trusted(self, address: _Address) -> bool:
        return any(address in network for network in self._trusted)


def _forwarded_for(scope: Scope) -> list[str]:
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return [hop.strip() for hop in ",".join(values).split(",") if hop.strip()]


def _address(text: str) -> _Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _text(address: _Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> _HOUSEHOLD_BITS << _HOUSEHOLD_BITS, _HOUSEHOLD_BITS)))
