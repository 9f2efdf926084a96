"""Runs a load generator as a process of its own, and says which messages were taken."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import msgspec

from environment import Environment
from http_load import Result
from shapes import Order, Shape, event_id, recipient_of, source_of
from tenant import DATA, RECIPIENTS, notification, workflow_of
from tocsin.contracts.vocabulary import Lane
from tocsin.dev import StartFailed
from tocsin.dev.processes import attached

CONNECTIONS = 64
MANY_CONNECTIONS = 256
"""Of an open loop: what finds none free waits."""


class Loaded(msgspec.Struct, kw_only=True):
    """A load that was sent, by message, in the order of sending."""

    ids: list[str]
    recipients: list[str]
    planned: list[float]
    answered: list[float]
    cpu_seconds: float
    """Of the load generator."""
    faults: list[str]

    @property
    def ordered(self) -> list[tuple[str, str]]:
        """Recipient and id of the messages whose order is known: sent once the one before to the same recipient was answered."""
        last: dict[str, float] = {}
        known: list[tuple[str, str]] = []
        for sent_id, recipient, planned, answered in zip(
            self.ids, self.recipients, self.planned, self.answered, strict=True
        ):
            if last.get(recipient, 0.0) < planned:
                known.append((recipient, sent_id))
            last[recipient] = answered
        return known


class Load(msgspec.Struct, kw_only=True, frozen=True):
    """What is sent over HTTP, and how: in a closed loop, as fast as it is answered, unless it has a rate."""

    lane: Lane
    count: int
    """Messages at most."""
    shape: Shape = Shape.SINGLE
    size: int = 1
    """Messages a request."""
    seconds: float = 60.0
    """At most, in a closed loop."""
    rate: float | None = None
    """Messages a second at planned times, whatever becomes of those before."""
    sink_port: int | None = None
    """Closes the loop over the whole path: at most `window` messages are between request and sink."""
    window: int = 0
    connections: int = CONNECTIONS


async def send(environment: Environment, prefix: str, load: Load) -> Loaded:
    """All of it; ids begin with `prefix`, which no other load may have."""
    order = Order(
        port=environment.port("ingest"),
        key=environment.key,
        workflow=workflow_of(load.lane),
        prefix=prefix,
        recipients=RECIPIENTS,
        data=DATA,
        count=load.count // load.size * load.size,
        seconds=load.seconds,
        connections=load.connections if load.rate is None else MANY_CONNECTIONS,
        shape=load.shape,
        size=load.size,
        rate=load.rate,
        sink_port=load.sink_port,
        window=load.window,
    )
    result = await generate("http_load.py", order, environment.folder / prefix)
    numbers = range(len(result.statuses) * order.size)
    recipients = [recipient_of(order, number) for number in numbers]
    source = source_of(order)
    wrong = Counter(status for status in result.statuses if status != 202)
    return Loaded(
        ids=[
            notification(event_id(order, number), who, load.lane, source=source)
            for number, who in zip(numbers, recipients, strict=True)
        ],
        recipients=recipients,
        planned=[result.planned[number // order.size] for number in numbers],
        answered=[result.answered[number // order.size] for number in numbers],
        cpu_seconds=result.cpu_seconds,
        faults=[
            f"{prefix}: {many} requests were answered {status}" for status, many in sorted(wrong.items())
        ],
    )


async def generate(program: str, order: msgspec.Struct, files: Path) -> Result:
    """Run a load generator of this folder, with the order and its result in files of these names."""
    order_file, result_file = files.with_suffix(".order"), files.with_suffix(".result")
    order_file.write_bytes(msgspec.json.encode(order))
    command = [sys.executable, str(Path(__file__).with_name(program)), str(order_file), str(result_file)]
    process = await asyncio.create_subprocess_exec(*attached(command), stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    if process.returncode != 0:
        raise StartFailed(f"{program} failed: {said.decode(errors='replace').strip()[-1000:]}")
    return msgspec.json.decode(result_file.read_bytes(), type=Result)
