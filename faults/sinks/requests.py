"""What the far ends' process can be asked over its control port."""

import msgspec

from sinks.far_end import Rule


class Behave(msgspec.Struct, tag="behave", frozen=True, kw_only=True):
    """Follow this rule at all far ends, or at those of a name, of a channel, or both."""

    rule: Rule
    end: str | None = None
    channel: str | None = None


class Restart(msgspec.Struct, tag="restart", frozen=True, kw_only=True):
    """Close every connection and the port, and open it again after `seconds`."""

    seconds: float
    end: str | None = None
    channel: str | None = None


class Count(msgspec.Struct, tag="count", frozen=True):
    """Say how much has been written down."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Lines in either file, and connections that are open now."""

    accepted: int
    calls: int
    open: int


class Ports(msgspec.Struct, frozen=True):
    """`ports.json`: for each name, the port of each kind of far end."""

    control: int
    ends: dict[str, dict[str, int]]
