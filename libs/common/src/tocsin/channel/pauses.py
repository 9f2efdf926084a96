"""How long a provider that asks for patience is left alone."""

from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST_PAUSE = 3600.0
"""Seconds. A provider that asks for more is asked again after these."""


def pause_until(date: str, *, now: datetime) -> float | None:
    """Seconds until a date as mails and HTTP write it, at most LONGEST_PAUSE; None where it is none, or names no zone."""
    try:
        due = parsedate_to_datetime(date)
    except ValueError:
        return None
    return None if due.tzinfo is None else min(max((due - now).total_seconds(), 0.0), LONGEST_PAUSE)
