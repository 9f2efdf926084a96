"""What a broker may answer within a transaction, and what follows: again, or the end."""

from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.errors import (
    InvalidTxnState,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    StaleMetadata,
    TopicAuthorizationFailedError,
)

from tocsin.kafka import Limits, ProducerRecord, TopicPartition
from tocsin.kafka.client.commits import CommittedOffset
from tocsin.kafka.client.transaction_requests import (
    END_TXN,
    INIT_PRODUCER_ID,
    PRODUCE,
    TXN_OFFSET_COMMIT,
    ProducerEpoch,
    WireRequest,
)
from tocsin.kafka.produce import implicit_transactions
from tocsin.kafka.produce.implicit_transactions import ImplicitTransactions, are_supported_by
from tocsin.runtime.failpoints import NO_FAILPOINTS

LEADERS = {TopicPartition("out", 0): 1, TopicPartition("out", 1): 2}
READ = TopicPartition("in", 0)
SILENCE = -2
"""Stands for an answer that says nothing of the partition."""


class Brokers:
    """Two brokers that answer as a test says, and success when it has said everything."""

    def __init__(self) -> None:
        self.asked: list[tuple[int | str, int]] = []
        self.answers: dict[int, list[Any]] = {}
        self.looked_anew = 0
        self.level = 2
        self.away = 0

    def answer(self, kind: int, *answers: int | Exception) -> None:
        self.answers[kind] = list(answers)

    async def features(self) -> dict[str, int]:
        self.away -= 1
        if self.away >= 0:
            raise StaleMetadata("this broker is away")
        return {"transaction.version": self.level} if self.level else {}

    async def partitions(self, topic: str) -> set[int]:
        return {0, 1}

    def leader(self, partition: TopicPartition) -> int:
        return LEADERS[partition]

    def forget_coordinators(self, *, metadata: bool) -> None:
        self.looked_anew += 1

    async def ask(self, broker: int, request: WireRequest[Any]) -> Any:
        code = self._said(broker, request)
        return {partition: code for partition, leader in LEADERS.items() if leader == broker}

    async def ask_group(self, group: str, request: WireRequest[Any]) -> Any:
        code = self._said(group, request)
        return {} if code == SILENCE else {READ: code}

    async def ask_transactions(self, transactional_id: str, request: WireRequest[Any]) -> Any:
        return self._said(transactional_id, request), ProducerEpoch(7, len(self.asked))

    async def close(self, *, seconds: float) -> None:
        """Nothing is open."""

    def _said(self, whom: int | str, request: WireRequest[Any]) -> int:
        self.asked.append((whom, request.API_KEY))
        waiting = self.answers.get(request.API_KEY)
        said = waiting.pop(0) if waiting else 0
        if isinstance(said, Exception):
            raise said
        return int(said)


@pytest.fixture
def brokers(monkeypatch) -> Brokers:
    for wait in ("MARKER_WAIT", "QUICK_RETRY", "PATIENT_RETRY"):
        monkeypatch.setattr(implicit_transactions, wait, 0)
    return Brokers()


async def transaction(brokers: Any) -> None:
    session = ImplicitTransactions(
        brokers, transactional_id="id", group="group", limits=Limits({}), failpoints=NO_FAILPOINTS
    )
    await session.open()
    outgoing = [ProducerRecord("out", b"k", b"v", partition=number) for number in (0, 1)]
    await session.write(outgoing, {READ: CommittedOffset(1)})
    await session.commit()


async def test_a_small_transaction_is_three_kinds_of_request_and_offsets_go_first(brokers):
    await transaction(brokers)
    assert brokers.asked == [
        ("id", INIT_PRODUCER_ID), ("group", TXN_OFFSET_COMMIT), (1, PRODUCE), (2, PRODUCE), ("id", END_TXN)
    ]  # fmt: skip


REQUESTS = [INIT_PRODUCER_ID, TXN_OFFSET_COMMIT, PRODUCE, END_TXN]


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("code", [51, 14, 15, 16, 7, 13, 74, 75, 88])
async def test_what_passes_is_asked_again(brokers, kind, code):
    """Concurrent transactions, a coordinator that loads, is away, or moved, a time-out, and what aiokafka does not know."""
    brokers.answer(kind, code, code, code)
    await transaction(brokers)
    assert sum(key == kind for _, key in brokers.asked) > 3 - (kind == PRODUCE)
    assert (brokers.looked_anew == 0) == (code == 51)


@pytest.mark.parametrize("kind", REQUESTS)
async def test_a_connection_that_ends_is_made_anew(brokers, kind):
    brokers.answer(kind, KafkaConnectionError("gone"))
    await transaction(brokers)
    assert brokers.looked_anew == 1


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize(
    ("code", "error"),
    [(47, ProducerFenced), (90, ProducerFenced), (48, InvalidTxnState), (10, MessageSizeTooLargeError),
     (29, TopicAuthorizationFailedError), (120, KafkaError)],
)  # fmt: skip
async def test_anything_else_ends_the_transaction(brokers, kind, code, error):
    brokers.answer(kind, code)
    with pytest.raises(error):
        await transaction(brokers)
    assert all(key != END_TXN for _, key in brokers.asked) or kind == END_TXN


async def test_what_cannot_be_mended_is_not_hidden_by_what_can(brokers):
    brokers.answer(PRODUCE, 7, 10)
    with pytest.raises(MessageSizeTooLargeError):
        await transaction(brokers)


async def test_only_what_was_not_stored_is_sent_again(brokers):
    brokers.answer(PRODUCE, 0, 6, 46)
    await transaction(brokers)
    assert [whom for whom, key in brokers.asked if key == PRODUCE] == [1, 2, 2]


@pytest.mark.parametrize(("level", "speaks"), [(0, False), (1, False), (2, True), (3, True)])
async def test_the_protocol_is_spoken_where_the_whole_cluster_speaks_it(brokers, level, speaks):
    brokers.level = level
    ask: Callable[[Any], Any] = are_supported_by
    assert await ask(brokers) is speaks


async def test_another_broker_is_asked_what_the_cluster_speaks_when_one_is_away(brokers):
    brokers.away = 2
    assert await are_supported_by(brokers)
    assert brokers.looked_anew == 2


async def test_offsets_of_which_the_broker_says_nothing_are_sent_again(brokers):
    brokers.answer(TXN_OFFSET_COMMIT, SILENCE)
    await transaction(brokers)
    assert sum(key == TXN_OFFSET_COMMIT for _, key in brokers.asked) == 2
