"""Positions of a store are committed as copies, and a copy never takes the place of a start."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tocsin.kafka import CommittedOffset, OwnershipLost, TopicPartition
from tocsin.kafka.consume import position_copy
from tocsin.kafka.consume.position_copy import COPIED, PositionCopy
from tocsin.testing.stage import MemoryTable
from tocsin.testing.until import until


class Member:
    """Keeps what it was to commit; refuses, or never answers."""

    def __init__(self) -> None:
        self.asked = 0
        self.commits: list[Mapping[TopicPartition, CommittedOffset]] = []
        self.refusal: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def commit(self, positions: Mapping[TopicPartition, CommittedOffset]) -> bool:
        self.asked += 1
        await self.answers.wait()
        if self.refusal is not None:
            raise self.refusal
        self.commits.append(positions)
        return True


@pytest.fixture
async def copied(stage: Any) -> Any:
    await stage.topics("in", partitions=2, groups=["table"])
    table, member = MemoryTable(), Member()
    running = await stage.projection(table).start()
    await until(lambda: running.partitions == 2)
    return stage, table, member, PositionCopy(member, lambda: running.component.held)  # type: ignore[arg-type]  # only commits


async def test_a_start_is_left_until_the_store_holds_a_position(copied: Any) -> None:
    stage, table, member, copy = copied
    await copy.commit()
    assert not member.commits
    await stage.publish_values([b"a"])
    await until(lambda: bool(table.rows))
    (moved,) = table.positions.items()
    await copy.commit()
    await copy.commit()
    assert member.commits == [{moved[0]: CommittedOffset(moved[1], COPIED)}]


async def test_what_was_refused_is_committed_the_next_time(copied: Any) -> None:
    stage, table, member, copy = copied
    await stage.publish_values([b"a"])
    await until(lambda: bool(table.rows))
    member.refusal = OwnershipLost("another generation")
    await copy.commit()
    member.refusal = None
    await copy.commit()
    assert len(member.commits) == 1


async def test_the_last_one_waits_for_no_broker(copied: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, table, member, copy = copied
    await stage.publish_values([b"a"])
    await until(lambda: bool(table.rows))
    monkeypatch.setattr(position_copy, "LAST", 0.01)
    member.answers.clear()
    async with asyncio.timeout(10):
        await copy.last()
    assert member.asked == 1
    member.answers.set()
    await copy.commit()
    assert len(member.commits) == 1  # what had no answer does not count as committed
