"""Records that no producer should write: golden messages with something broken, and bytes that never were a message."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

GOLDEN: Final = tuple(sorted((Path(__file__).parents[1] / "tests" / "contract" / "golden").glob("v*/*.json")))
WRONG_VALUES: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 2**63, -(2**70), 1e308, 0.1, "", " ", "\x00", "\u202e", "\ud800", "a" * 70_000, "../..", "{{ 7 * 7 }}",
    "1999-01-01T00:00:00", "tocsin.events.critical/0/-1", [], [[]], {}, {"": {}}, ["x"] * 2_000,
)  # fmt: skip
MAX_BYTES: Final = 200_000


class HostileRecord(NamedTuple):
    """What is written: key, value and headers as Kafka has them."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def hostile_records(random: Random, count: int) -> Iterator[HostileRecord]:
    """So many records; the same for the same state of `random`."""
    for _ in range(count):
        yield HostileRecord(_key(random), _value(random), _headers(random))


async def write_records(kafka: str, topic: str, records: Iterable[HostileRecord]) -> list[str]:
    """The places of the records. What the broker itself refuses for its size has none."""
    producer = Producer(
        {"bootstrap.servers": kafka, "linger.ms": 0, "batch.num.messages": 1, "message.max.bytes": 1_000_000}
    )
    stored: list[str] = []

    def done(error: Any, message: Message) -> None:
        if error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return
        if error is not None:
            raise KafkaException(error)
        stored.append(f"{topic}/{message.partition()}/{message.offset()}")

    for record in records:
        producer.produce(
            topic, key=record.key, value=record.value, headers=[*record.headers], on_delivery=done
        )
        producer.poll(0)
    assert await asyncio.to_thread(producer.flush, 60) == 0
    return stored


def _value(random: Random) -> bytes | None:
    made = random.choice(VALUES)(random)
    return None if made is None else made[:MAX_BYTES]


def _nothing(_: Random) -> None:
    return None


def _noise(random: Random) -> bytes:
    return random.randbytes(random.choice((0, 1, 16, 17, 300, 5_000)))


def _golden(random: Random) -> bytes:
    return random.choice(GOLDEN).read_bytes()


def _flipped(random: Random) -> bytes:
    value = bytearray(_golden(random))
    for _ in range(random.randint(1, 4)):
        value[random.randrange(len(value))] = random.randrange(256)
    return bytes(value)


def _cut(random: Random) -> bytes:
    value = _golden(random)
    return value[: random.randrange(len(value))]


def _nested(random: Random) -> bytes:
    depth = random.choice((10, 70, 3_000, 90_000))
    return b'{"data":' + b"[" * depth + b"]" * depth + b"}"


def _twice(random: Random) -> bytes:
    """Every name of the outermost object stands twice, the second time with something else."""
    fields = json.loads(_golden(random))
    again = ",".join(f"{json.dumps(name)}:{json.dumps(random.choice(WRONG_VALUES))}" for name in fields)
    return f"{json.dumps(fields)[:-1]},{again}}}".encode()


def _changed(random: Random) -> bytes:
    """A place deep inside is gone, or holds something else."""
    message = json.loads(_golden(random))
    for _ in range(random.randint(1, 3)):
        _change(random, message)
    return json.dumps(message).encode()


def _change(random: Random, node: Any) -> None:
    inner = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not inner:
        return
    place = random.choice(inner)
    if isinstance(node[place], dict | list) and random.random() < 0.6:
        _change(random, node[place])
    elif random.random() < 0.3:
        del node[place]
    else:
        node[place] = deepcopy(random.choice(WRONG_VALUES))


VALUES: Final[tuple[Callable[[Random], bytes | None], ...]] = (
    _nothing, _noise, _golden, _flipped, _cut, _nested, _twice, _changed, _changed, _changed, _changed,
)  # fmt: skip


def _key(random: Random) -> bytes | None:
    return random.choice((None, b"", b"acme/ada", b"acme", b"/", random.randbytes(8), b"k" * 5_000))


_ATTRIBUTES: Final = {
    "content-type": b"application/json", "ce_specversion": b"1.0", "ce_id": b"fuzz", "ce_source": b"/fuzz",
    "ce_type": b"com.fuzz.nothing", "ce_tenant": b"nobody", "ce_subject": b"ada",
}  # fmt: skip
_WRONG_BYTES: Final = (
    b"", b"\xff\xfe", b"\x00", b"a" * 40_000, b"%00", b"%", b"application/cloudevents+json; charset=nonsense",
    b"application/cloudevents-batch+json", b"0.3", b"yes", b"24:61", "ä\u202e".encode(), b"demo",
)  # fmt: skip
_EXTRA: Final = (
    "ce_time",
    "ce_test",
    "ce_data",
    "ce_",
    "ce_dataschema",
    "traceparent",
    "tocsin_dead_service",
    "\ufffd",
    "x" * 300,
)


def _headers(random: Random) -> list[tuple[str, bytes]]:
    """None, those of a sound event, or those with some missing, wrong, doubled or never heard of."""
    if random.random() < 0.2:
        return []
    headers = list(_ATTRIBUTES.items())
    if random.random() < 0.3:
        return headers
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(headers))
        name, _value = headers[place]
        match random.randrange(4):
            case 0 if len(headers) > 1:
                del headers[place]
            case 1:
                headers[place] = (name, random.choice(_WRONG_BYTES))
            case 2:
                headers.append((name, random.choice(_WRONG_BYTES)))
            case _:
                headers.append((random.choice(_EXTRA), random.choice(_WRONG_BYTES)))
    return headers
