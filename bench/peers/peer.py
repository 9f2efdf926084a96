"""Others on the same sink: how one is run, fed and measured."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import msgspec

from environment import Environment
from figures import Figure, Measured, difference, percentile, stretch, throughput
from peers.message import Message, PeerOrder, PeerResult
from processor_time import Meter
from sink import Sink
from tocsin.dev import StartFailed
from tocsin.dev.processes import attached, end, spawn

PATIENCE = 30.0  # seconds without a mail
WARM = 200  # messages
LATENCY_RATE, LATENCY_SECONDS = 100.0, 8.0
SETTLING = 200  # messages of the open loop that are sent and not measured


class Ground(msgspec.Struct, kw_only=True):
    """What a peer may use: a folder of its own, the sink, and the broker and database that we have ourselves."""

    folder: Path
    sink: Sink
    environment: Environment


class Peer(Protocol):
    """One other program in one setting."""

    name: str
    count: int
    """Messages of the measured backlog: enough for some seconds."""
    paced: bool
    """Whether messages can be handed over one by one, at planned times."""

    def missing(self) -> str | None:
        """Why it cannot be measured here; None when it can."""

    def running(self, ground: Ground) -> AbstractAsyncContextManager[Mapping[str, int]]:
        """Its processes by name, once they take messages; ended afterwards."""

    async def send(self, order: PeerOrder) -> PeerResult:
        """Hand messages over. It runs."""


async def measure(peer: Peer, ground: Ground) -> Measured:
    """How fast a backlog comes to the sink, and how long a message takes at 100 a second."""
    async with peer.running(ground) as pids:
        faults = (await _sent(peer, ground.sink, WARM, "warm"))[2]
        with Meter({**pids, "sink": ground.sink.pid}) as meter:
            sent, arrived, lost = await _sent(peer, ground.sink, peer.count, "backlog")
        if not arrived:
            return Measured(faults=[*faults, *lost])
        figure = throughput(
            f"peer {peer.name}: to the sink", stretch(arrived.values()), meter, unit="mails/s"
        )
        figure.more = {"its producer, CPU us a message": sent.cpu_seconds / peer.count * 1e6}
        figures = [figure]
        if peer.paced:
            waits, late = await _latency(peer, ground.sink)
            lost += late
            figures += [
                Figure(
                    name=f"peer {peer.name}: latency at 100/s, {word}",
                    value=percentile(waits, share) * 1000,
                    unit="ms",
                    better="less",
                )
                for word, share in (("p50", 0.5), ("p99", 0.99))
                if waits
            ]
        return Measured(figures=figures, faults=faults + lost)


async def _latency(peer: Peer, sink: Sink) -> tuple[list[float], list[str]]:
    """How long each message took; of a run in which not each came once, no message's time is known."""
    count = int(LATENCY_RATE * LATENCY_SECONDS)
    sent, arrived, faults = await _sent(peer, sink, count, "paced", rate=LATENCY_RATE)
    if faults:
        unknown = f"peer {peer.name}: no latency at 100/s, because not every message came, or not once"
        return [], [*faults, unknown]
    waits = [at - planned for at, planned in zip(arrived.values(), sent.planned, strict=True)]
    return waits[SETTLING:], []


async def _sent(
    peer: Peer, sink: Sink, count: int, what: str, *, rate: float | None = None
) -> tuple[PeerResult, dict[str, float], list[str]]:
    """What the producer says, when each message came, in the order of sending, and what is lost or doubled."""
    ids = [str(uuid4()) for _ in range(count)]
    recipients = [f"user-{number:05}@bench.example" for number in range(count)]
    result = await peer.send(PeerOrder(ids=ids, recipients=recipients, rate=rate))
    await sink.wait_for(count, patience=PATIENCE)
    caught = await sink.take()
    known = ids if set(ids) & set(caught.ids) else recipients
    times = dict(zip(caught.ids, caught.times, strict=True))
    arrived = {notification: times[notification] for notification in known if notification in times}
    return result, arrived, difference(f"peer {peer.name}, {what}: mails", known, caught.ids)


async def produced(
    command: Sequence[str], env: Mapping[str, str], order: PeerOrder, folder: Path
) -> PeerResult:
    """Run a peer's producer with an order file and a result file."""
    files = folder / "order.json", folder / "result.json"
    files[0].write_bytes(msgspec.json.encode(order))
    process = await asyncio.create_subprocess_exec(
        *attached([*command, *map(str, files)]), env=env, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode != 0:
        raise StartFailed(f"{command[-1]} failed: {said.decode(errors='replace').strip()[-1000:]}")
    return msgspec.json.decode(files[1].read_bytes(), type=PeerResult)


def write_message(folder: Path) -> Path:
    """The message as a file for workers."""
    file = folder / "message.json"
    file.write_bytes(msgspec.json.encode(Message()))
    return file


@asynccontextmanager
async def process(
    command: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path | None = None
) -> AsyncIterator[int]:
    """One process of a peer; ended afterwards."""
    running = spawn(command, log=log, env=env, cwd=cwd)
    try:
        yield running.pid
    finally:
        end(running)
