"""What the far ends have taken, read from the file that they write."""

from pathlib import Path

import msgspec

from checker import Taken
from load import Way
from sinks.journal import Taken as Line

_read_line = msgspec.json.Decoder(Line).decode


def size(accepted: Path) -> int:
    """Where the file ends now."""
    return accepted.stat().st_size if accepted.exists() else 0


def takings(accepted: Path, start: int) -> list[Taken]:
    """Every message from that place of the file on, in the order in which they were taken."""
    if not accepted.exists():
        return []
    with accepted.open("rb") as file:
        file.seek(start)
        lines = [_read_line(line) for line in file if line.endswith(b"\n")]
    return [
        Taken(Way(line.tenant, line.channel, line.lane, line.recipient), line.sequence, line.at, line.end)
        for line in lines
    ]
