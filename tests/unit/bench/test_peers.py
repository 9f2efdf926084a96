"""What is said of a peer: figures where every message came once, else what is wrong."""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from caught import Caught
from peers import peer as peers
from peers.message import PeerOrder, PeerResult

TAKES = 0.25
"""Seconds from a planned time to the sink, of each message."""


class Sink:
    """Catches what its peer sends, but for one message of each order that `loses` names."""

    pid = os.getpid()

    def __init__(self, *, loses: str | None) -> None:
        self._loses = loses
        self._caught = Caught()

    def catch(self, order: PeerOrder, planned: list[float]) -> None:
        what = "backlog" if order.rate is None else "paced"
        kept = slice(1, None) if what == self._loses else slice(None)
        self._caught = Caught(order.ids[kept], [at + TAKES for at in planned[kept]])

    async def wait_for(self, wanted: int, *, patience: float) -> None: ...

    async def take(self) -> Caught:
        return self._caught


class Peer:
    name = "other"
    count = 50
    paced = True

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def missing(self) -> str | None:
        return None

    @asynccontextmanager
    async def running(self, ground: peers.Ground) -> AsyncIterator[Mapping[str, int]]:
        yield {"worker": os.getpid()}

    async def send(self, order: PeerOrder) -> PeerResult:
        now = time.time()
        planned = [now + number / 100 for number in range(len(order.ids))]
        self._sink.catch(order, planned)
        return PeerResult(planned=planned, cpu_seconds=0.1)


async def measured(*, loses: str | None) -> tuple[dict[str, float], list[str]]:
    sink = Sink(loses=loses)
    ground: Any = SimpleNamespace(sink=sink)
    result = await peers.measure(Peer(sink), ground)
    return {figure.name: figure.value for figure in result.figures}, result.faults


LATENCIES = ("peer other: latency at 100/s, p50", "peer other: latency at 100/s, p99")


async def test_where_each_message_came_once_its_latency_is_a_figure() -> None:
    figures, faults = await measured(loses=None)
    assert [figures[name] for name in LATENCIES] == pytest.approx([TAKES * 1000] * 2, abs=0.01)
    assert faults == []


async def test_where_a_message_was_lost_there_is_a_sentence_and_no_latency() -> None:
    figures, faults = await measured(loses="paced")
    assert list(figures) == ["peer other: to the sink"]
    assert len(faults) == 2
    assert faults[0].startswith("peer other, paced: mails: 1 of 800 lost")
    assert faults[1] == "peer other: no latency at 100/s, because not every message came, or not once"
