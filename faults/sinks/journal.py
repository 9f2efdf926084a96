"""What the far ends have taken, and which calls they did not simply take, as lines of JSON in two files.

A line is handed to the operating system before its message is answered: whatever a client was told stands in the file,
also when this process is killed.
"""

import os
import re
import time
from pathlib import Path

import msgspec

_PROBE = re.compile(rb"probe (\S+) (\S+) (\S+) (\d+)")
_encode = msgspec.json.Encoder().encode


class Probe(msgspec.Struct, frozen=True):
    """What the proving ground's templates write into each message: `probe TENANT LANE RECIPIENT SEQUENCE`."""

    tenant: str
    lane: str
    recipient: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.tenant} {self.lane} {self.recipient} {self.sequence}"


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of `accepted.jsonl`. `at` is in seconds since 1970; `ambiguous`: the sender was not told."""

    at: float
    end: str
    channel: str
    tenant: str
    lane: str
    recipient: str
    sequence: int
    delivery: str
    ambiguous: bool = False


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `calls.jsonl`: a call that was not taken and answered at once. `probe` is as much of it as was known."""

    at: float
    end: str
    channel: str
    probe: str
    answer: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it came in: its probe, and its delivery id, else its notification id."""

    probe: Probe
    delivery: str


def probe_in(body: bytes) -> Probe | None:
    """The first probe in a text; None when there is none."""
    matched = _PROBE.search(body)
    if matched is None:
        return None
    tenant, lane, recipient, sequence = (part.decode("ascii", "replace") for part in matched.groups())
    return Probe(tenant, lane, recipient, int(sequence))


class Journal:
    """The two files, in `folder`; both are appended to."""

    def __init__(self, folder: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._accepted = os.open(folder / "accepted.jsonl", flags, 0o644)
        self._calls = os.open(folder / "calls.jsonl", flags, 0o644)
        self.accepted = 0
        self.calls = 0

    def take(self, message: Message, *, end: str, channel: str, ambiguous: bool = False) -> None:
        """The far end has this message."""
        probe = message.probe
        line = Taken(
            at=time.time(), end=end, channel=channel, tenant=probe.tenant, lane=probe.lane,
            recipient=probe.recipient, sequence=probe.sequence, delivery=message.delivery, ambiguous=ambiguous,
        )  # fmt: skip
        os.write(self._accepted, _encode(line) + b"\n")
        self.accepted += 1

    def call(self, probe: object, answer: str, *, end: str, channel: str) -> None:
        """A call came, and `answer` is what the far end did."""
        line = Call(at=time.time(), end=end, channel=channel, probe=str(probe), answer=answer)
        os.write(self._calls, _encode(line) + b"\n")
        self.calls += 1

    def close(self) -> None:
        """Close both files."""
        os.close(self._accepted)
        os.close(self._calls)
