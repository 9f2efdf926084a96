"""How recordings are kept: JSON a person can read, from which every byte comes back.

Bytes stand as text where they are UTF-8, else as `{"base64": …}`; a long run of one character as `["a", {"of": "x", "times": 9}]`.
Of what was written, a value too long to read is kept as its length, its beginning and its SHA-256, and of very many records the
first and the last are kept beside one SHA-256 over all of them.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

R = TypeVar("R")
FOLDER: Final = Path(__file__).parent
STAGES: Final = ("router", "dispatcher", "ingest", "ledger", "relay")
LONG: Final = 16_384
"""Bytes of one written value that are kept in full."""
MANY: Final = 60
"""Records of one step that are kept in full."""
_RUN: Final = re.compile(r"(.)\1{499,}", re.DOTALL)


class Written(Protocol):
    """A record to be written to Kafka, whatever its class is called."""

    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...
    @property
    def partition(self) -> int | None: ...


def read(stage: str) -> dict[str, Any]:
    """The stage's recording."""
    recording: dict[str, Any] = json.loads((FOLDER / f"{stage}.json").read_text())
    return recording


def text_of(recording: dict[str, Any]) -> str:
    """The recording as its file holds it."""
    return json.dumps(recording, indent=1, ensure_ascii=False) + "\n"


def to_json(value: bytes | None) -> Any:
    """Bytes as a recording holds them."""
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
    if not _RUN.search(text):
        return text
    pieces: list[Any] = []
    end = 0
    for run in _RUN.finditer(text):
        pieces += [text[end : run.start()], {"of": run.group(1), "times": len(run.group())}]
        end = run.end()
    return [*pieces, text[end:]]


def to_bytes(kept: Any) -> bytes | None:
    """The bytes that `to_json` was given."""
    match kept:
        case None:
            return None
        case str():
            return kept.encode()
        case list():
            return "".join(p if isinstance(p, str) else p["of"] * p["times"] for p in kept).encode()
        case _:
            return base64.b64decode(kept["base64"])


def headers_of(kept: Iterable[Sequence[Any]]) -> tuple[tuple[str, bytes], ...]:
    """Headers as records have them."""
    return tuple((name, to_bytes(value) or b"") for name, value in kept)


def record_of(kept: Any, make: Callable[..., R]) -> R:
    """A record that is read: `make(topic, partition, offset, timestamp_ms, key, value, headers)`."""
    place = (kept["topic"], kept["partition"], kept["offset"], kept["timestamp_ms"])
    return make(*place, to_bytes(kept["key"]), to_bytes(kept["value"]), headers_of(kept["headers"]))


def shortened(value: bytes | None) -> Any:
    """A written value: in full, or as its length, beginning and SHA-256."""
    if value is None or len(value) <= LONG:
        return to_json(value)
    beginning = value[:200].decode(errors="replace")
    return {"bytes": len(value), "sha256": sha256(value).hexdigest(), "begins": beginning}


def written(records: Sequence[Written]) -> Any:
    """What was written, in its order: each record, or of very many the first, the last and a SHA-256 of them all."""
    if len(records) <= MANY:
        return [_record(record) for record in records]
    whole = sha256()
    for record in records:
        headers = [part for name, value in record.headers for part in (name.encode(), value)]
        for part in (
            record.topic.encode(),
            record.key,
            record.value,
            *headers,
            str(record.partition).encode(),
        ):
            whole.update(b"-" if part is None else b"%d:%b" % (len(part), part))
    ends = [_record(record) for record in (records[0], records[-1])]
    return {"records": len(records), "sha256": whole.hexdigest(), "first": ends[0], "last": ends[1]}


def _record(record: Written) -> dict[str, Any]:
    kept: dict[str, Any] = {
        "topic": record.topic,
        "key": to_json(record.key),
        "value": shortened(record.value),
    }
    if record.headers:
        kept["headers"] = [[name, shortened(value)] for name, value in record.headers]
    if record.partition is not None:
        kept["partition"] = record.partition
    return kept
