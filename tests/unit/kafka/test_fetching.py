"""What the broker is asked to let gather."""

from typing import Any

import pytest
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from tocsin.kafka import OTHERS, Fetching, KafkaSettings
from tocsin.kafka.fetching import AT_ONCE
from tocsin.kafka.group_member import GroupMember
from tocsin.kafka.lease import Lease
from tocsin.testing import ManualClock


class Asked(Exception):
    """The consumer was made; nothing connects in this test."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    options: dict[str, Any] = {}

    def consumer(**given: Any) -> None:
        options.update(given)
        raise Asked

    monkeypatch.setattr("tocsin.kafka.group_member.AIOKafkaConsumer", consumer)
    return options


async def nothing() -> None:
    """What is called when partitions are revoked."""


def member(fetching: Fetching) -> GroupMember:
    return GroupMember(
        settings=KafkaSettings(bootstrap_servers="nowhere.invalid:9092"),
        group="tocsin.ledger.bulk",
        topics=["tocsin.status.bulk"],
        timeouts=OTHERS,
        lease=Lease(clock=ManualClock(), seconds=OTHERS.lease),
        assignor=RoundRobinPartitionAssignor,
        assigned=lambda _: None,
        revoked=nothing,
        failed=lambda _: None,
        partition_bytes=1_000,
        fetching=fetching,
    )


@pytest.mark.parametrize(
    ("fetching", "least", "wait_ms"),
    [
        pytest.param(AT_ONCE, 1, 500, id="at once, as long as nobody says otherwise"),
        pytest.param(Fetching(least_bytes=600, wait=0.2), 600, 200, id="gathering"),
        pytest.param(
            Fetching(least_bytes=5_000, wait=0.2),
            1_000,
            200,
            id="no more than one partition's answer may hold",
        ),
    ],
)
async def test_lets_records_gather(
    asked: dict[str, Any], fetching: Fetching, least: int, wait_ms: int
) -> None:
    with pytest.raises(Asked):
        await member(fetching).join()
    assert (asked["fetch_min_bytes"], asked["fetch_max_wait_ms"]) == (least, wait_ms)
