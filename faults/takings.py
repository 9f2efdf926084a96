"""What the far ends have taken, read from the file that they write."""

from pathlib import Path

import msgspec

from checker import Taken
from load import Way
from sinks.journal import Call
from sinks.journal import Taken as Line

_read_line = msgspec.json.Decoder(Line).decode
_read_call = msgspec.json.Decoder(Call).decode


def size(accepted: Path) -> int:
    """Where the file ends now."""
    return accepted.stat().st_size if accepted.exists() else 0


def takings(accepted: Path, start: int) -> list[Taken]:
    """Every message from that place of the file on, in the order in which they were taken."""
    return [
        Taken(Way(line.tenant, line.channel, line.lane, line.recipient), line.sequence, line.at, line.end)
        for line in map(_read_line, _lines(accepted, start))
    ]


def calls_at(calls: Path, start: int, address: str) -> list[float]:
    """When a mail was refused or kept waiting at its recipient, this address, from that place of the file on; in seconds since 1970."""
    return [line.at for line in map(_read_call, _lines(calls, start)) if line.probe == address]


def _lines(file: Path, start: int) -> list[bytes]:
    if not file.exists():
        return []
    with file.open("rb") as opened:
        opened.seek(start)
        return [line for line in opened if line.endswith(b"\n")]
