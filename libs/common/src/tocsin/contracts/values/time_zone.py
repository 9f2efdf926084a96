"""Time zones: the names of the IANA database, as written there."""

from functools import cache
from typing import Final
from zoneinfo import available_timezones

from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.vocabulary import Reason

LONGEST: Final = 64
_RULE: Final = "Not a known time zone. Write a name of the IANA database, such as `Europe/Berlin`"


def time_zone(text: str) -> str:
    """The zone's name. Raises ValueRefused."""
    if text not in _zones():
        raise ValueRefused(Reason.TIME_ZONE_UNKNOWN, _RULE)
    return text


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
