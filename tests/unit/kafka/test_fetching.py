"""What the broker is asked to let gather."""

from typing import Any, cast

import pytest
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from tocsin.kafka import OTHERS, Fetching, KafkaSettings
from tocsin.kafka.consume.member import GroupMember, Lease, Listener, MemberSpec
from tocsin.testing import ManualClock


class Asked(Exception):
    """The consumer was made; nothing connects in this test."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    options: dict[str, Any] = {}

    def consumer(**given: Any) -> None:
        options.update(given)
        raise Asked

    monkeypatch.setattr("tocsin.kafka.consume.member.AIOKafkaConsumer", consumer)
    return options


def member(fetching: Fetching) -> GroupMember:
    spec = MemberSpec(
        group="tocsin.ledger.bulk",
        topics=["tocsin.status.bulk"],
        timeouts=OTHERS,
        lease=Lease(clock=ManualClock(), seconds=OTHERS.lease),
        assignor=RoundRobinPartitionAssignor,
        fetching=fetching,
    )
    return GroupMember(spec, settings=KafkaSettings(bootstrap_servers="nowhere.invalid:9092"))


@pytest.mark.parametrize(
    ("fetching", "least", "wait_ms"),
    [
        pytest.param(Fetching(partition_bytes=1_000), 1, 500, id="at once, as long as nobody says otherwise"),
        pytest.param(Fetching(least_bytes=600, wait=0.2, partition_bytes=1_000), 600, 200, id="gathering"),
        pytest.param(
            Fetching(least_bytes=5_000, wait=0.2, partition_bytes=1_000),
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
        await member(fetching).join(cast("Listener", None))
    assert (asked["fetch_min_bytes"], asked["fetch_max_wait_ms"]) == (least, wait_ms)
