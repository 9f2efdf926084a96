"""How often each group gave its shards out anew, by what its members log: Kafka numbers a group's generations without a gap."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec


class _Acquired(msgspec.Struct):
    event: str = ""
    group: str = ""
    generation: int = 0


_read = msgspec.json.Decoder(_Acquired).decode


def generations(logs: Iterable[Path]) -> dict[str, int]:
    """By group: the newest generation that a member of it has begun to work in."""
    newest: dict[str, int] = defaultdict(int)
    for log in logs:
        for text in log.read_bytes().splitlines() if log.exists() else ():
            try:
                line = _read(text)
            except msgspec.DecodeError:  # the interpreter's own words
                continue
            if line.event == "acquired shards":
                newest[line.group] = max(newest[line.group], line.generation)
    return dict(newest)


def rebalances(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """By group: how many generations lie between two looks; only of those that were seen at the first one."""
    return {group: newest - before[group] for group, newest in sorted(after.items()) if group in before}
