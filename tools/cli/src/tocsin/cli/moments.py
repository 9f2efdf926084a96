"""Moments as a person writes them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from tocsin.cli.output import refuse

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_match_ago = re.compile(r"(\d{1,6})([smhd])").fullmatch


def moment(text: str, *, option: str) -> str:
    """`90m`, `24h` or `7d` ago, or a time with its offset, as the API takes it; ends with a sentence for any other text."""
    if ago := _match_ago(text):
        return (datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).isoformat()
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        refuse(
            f"{option} must be a time ago, such as 90m, 24h or 7d, or a time such as 2026-01-31T12:00:00Z.",
            code=2,
        )
    return time.isoformat()
