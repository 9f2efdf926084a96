"""When something happened, as providers write it. What is no time becomes None: a receipt is not lost for the sake of its time."""

from datetime import UTC, datetime


def unix_time(seconds: float | None) -> datetime | None:
    """Of seconds since 1970."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def iso_time(text: str | None) -> datetime | None:
    """Of ISO 8601 with a time zone, in UTC. Of a second's fraction six digits count."""
    try:
        at = None if text is None else datetime.fromisoformat(text)
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
