"""A commit that is repeated across a rebalance would take for ours what the group has given to somebody else."""

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.consumer import group_coordinator
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata

from tocsin.kafka import TopicPartition
from tocsin.kafka.client import group_standing
from tocsin.kafka.client.group_standing import GroupStanding

PLACE = TopicPartition("t", 3)
NOT_COORDINATOR, LOADING, REBALANCING, FORBIDDEN = 16, 14, 27, 30


class Coordinator:
    """aiokafka's own way of committing, to a broker whose answers are `codes`, in order; then it takes everything. After an answer that is no
    success the group goes on to `generations`, if any is left."""

    group_id, member_id, coordinator_id = "g", "me", 1
    _retry_backoff_ms = 0
    _do_commit_offsets = group_coordinator.GroupCoordinator._do_commit_offsets

    def __init__(self, *codes: int, generations: tuple[int, ...] = ()) -> None:
        self.generation = 7
        self.asked_in: list[int] = []
        self._codes = list(codes)
        self._generations = list(generations)
        self._commit_lock = asyncio.Lock()

    async def ensure_coordinator_known(self) -> None:
        """It is known."""

    def coordinator_dead(self) -> None:
        """It is looked for anew."""

    def request_rejoin(self) -> None:
        """A rebalance goes on."""

    async def _send_req(self, request: Any) -> SimpleNamespace:
        self.asked_in.append(self.generation)
        code = self._codes.pop(0) if self._codes else 0
        if code and self._generations:
            self.generation = self._generations.pop(0)
        return SimpleNamespace(topics=[(PLACE.topic, [(PLACE.partition, code)])])


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_standing, "PATIENT_RETRY", 0)


async def commit(coordinator: Coordinator) -> None:
    consumer: Any = SimpleNamespace(_coordinator=coordinator)
    await GroupStanding(consumer).commit({PLACE: (42, "note")})


@pytest.mark.parametrize("code", [NOT_COORDINATOR, LOADING])
async def test_what_may_be_repeated_is_repeated_in_the_same_generation(code: int) -> None:
    coordinator = Coordinator(code, code)
    await commit(coordinator)
    assert coordinator.asked_in == [7, 7, 7]


async def test_after_a_rebalance_it_is_not_repeated() -> None:
    coordinator = Coordinator(LOADING, generations=(8,))
    with pytest.raises(CommitFailedError):
        await commit(coordinator)
    assert coordinator.asked_in == [7]


async def test_who_was_expelled_commits_nothing() -> None:
    """Without a generation a broker takes it from anybody, where the group has no members."""
    coordinator = Coordinator()
    coordinator.generation = -1
    with pytest.raises(CommitFailedError):
        await commit(coordinator)
    assert coordinator.asked_in == []


@pytest.mark.parametrize("code", [REBALANCING, FORBIDDEN])
async def test_a_refusal_is_not_repeated(code: int) -> None:
    coordinator = Coordinator(code)
    with pytest.raises(Exception) as refusal:  # noqa: PT011 - of several kinds
        await commit(coordinator)
    assert (refusal.value.errno, coordinator.asked_in) == (code, [7])  # type: ignore[attr-defined]


async def test_a_commit_that_waited_for_another_one_sees_the_rebalance_too() -> None:
    coordinator = Coordinator()
    async with coordinator._commit_lock:
        waiting = asyncio.create_task(commit(coordinator))
        await asyncio.sleep(0)
        coordinator.generation = 8
    with pytest.raises(CommitFailedError):
        await waiting
    assert coordinator.asked_in == []


async def test_aiokafkas_own_commit_repeats_it_in_another_generation() -> None:
    """Once it does not, ours is needed no more."""
    coordinator: Any = Coordinator(LOADING, generations=(8,))
    offsets = {AioTopicPartition(*PLACE): OffsetAndMetadata(42, "note")}
    await group_coordinator.GroupCoordinator.commit_offsets(coordinator, None, offsets)
    assert coordinator.asked_in == [7, 8]


def test_aiokafka_looks_at_the_generation_before_it_waits() -> None:
    source = inspect.getsource(group_coordinator.GroupCoordinator._do_commit_offsets)
    assert 0 < source.index("self.generation") < source.index("await ")
    assert "_commit_lock" in inspect.getsource(group_coordinator.GroupCoordinator.commit_offsets)
