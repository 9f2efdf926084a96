"""Runs the load generator as a process of its own, and says which messages were taken."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import msgspec

from environment import Environment
from http_load import Order, Result, event_id, recipient_of
from tenant import DATA, RECIPIENTS, notification, workflow_of
from tocsin.contracts.vocabulary import Lane
from tocsin.dev import StartFailed
from tocsin.dev.processes import attached

CONNECTIONS = 64
OPEN_LOOP_CONNECTIONS = 256
BATCH_CONNECTIONS = 8


class Loaded(msgspec.Struct, kw_only=True):
    """A load that was sent: notification ids in the order of sending, and what the generator saw."""

    ids: list[str]
    result: Result
    faults: list[str]


async def closed_loop(
    environment: Environment,
    prefix: str,
    *,
    lane: Lane,
    count: int,
    seconds: float,
    sink_port: int | None = None,
    window: int = 0,
) -> Loaded:
    """`count` requests as fast as they are answered; with `sink_port` as fast as their mails reach the sink."""
    return await _load(
        environment,
        prefix,
        lane,
        count=count,
        seconds=seconds,
        connections=CONNECTIONS,
        sink_port=sink_port,
        window=window,
    )


async def batches(
    environment: Environment, prefix: str, *, lane: Lane, count: int, size: int, seconds: float
) -> tuple[list[str], Result, list[str]]:
    """`count` requests with `size` events each as fast as they are answered. The ids of the events, and the faults, come with it."""
    order = _order(environment, prefix, lane, count=count, seconds=seconds, connections=BATCH_CONNECTIONS)
    order.batch = size
    result = await _run(order, environment.folder)
    ids = [event_id(order, number) for number in range(len(result.statuses) * size)]
    return ids, result, _wrong_answers(prefix, result)


async def open_loop(
    environment: Environment, prefix: str, *, lane: Lane, rate: float, seconds: float
) -> Loaded:
    """Requests at planned times, whatever becomes of those before."""
    count = int(rate * seconds)
    return await _load(
        environment, prefix, lane, count=count, seconds=seconds, connections=OPEN_LOOP_CONNECTIONS, rate=rate
    )


async def _load(
    environment: Environment,
    prefix: str,
    lane: Lane,
    *,
    count: int,
    seconds: float,
    connections: int,
    rate: float | None = None,
    sink_port: int | None = None,
    window: int = 0,
) -> Loaded:
    order = _order(environment, prefix, lane, count=count, seconds=seconds, connections=connections)
    order.rate, order.sink_port, order.window = rate, sink_port, window
    result = await _run(order, environment.folder)
    numbers = range(len(result.statuses))
    ids = [notification(event_id(order, number), recipient_of(order, number), lane) for number in numbers]
    return Loaded(ids=ids, result=result, faults=_wrong_answers(prefix, result))


def _wrong_answers(prefix: str, result: Result) -> list[str]:
    wrong = Counter(status for status in result.statuses if status != 202)
    return [f"{prefix}: {many} requests were answered {status}" for status, many in sorted(wrong.items())]


def _order(
    environment: Environment, prefix: str, lane: Lane, *, count: int, seconds: float, connections: int
) -> Order:
    return Order(
        port=environment.port("ingest"),
        key=environment.key,
        workflow=workflow_of(lane),
        prefix=prefix,
        recipients=RECIPIENTS,
        data=DATA,
        count=count,
        seconds=seconds,
        connections=connections,
    )


async def _run(order: Order, folder: Path) -> Result:
    files = folder / f"{order.prefix}order.json", folder / f"{order.prefix}result.json"
    files[0].write_bytes(msgspec.json.encode(order))
    program = str(Path(__file__).with_name("http_load.py"))
    process = await asyncio.create_subprocess_exec(
        *attached([sys.executable, program, *map(str, files)]), stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode != 0:
        raise StartFailed(f"The load generator failed: {said.decode(errors='replace').strip()[-1000:]}")
    return msgspec.json.decode(files[1].read_bytes(), type=Result)
