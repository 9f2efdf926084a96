"""Waiting for what is not up yet."""

import asyncio

import pytest

from tocsin.runtime import Check, Health, retry_until_available


class Broker:
    """Refuses as often as it is told, then answers."""

    def __init__(self, refusals: list[Exception], check: Check) -> None:
        self._refusals = refusals
        self._check = check
        self.reasons: list[str | None] = []

    async def connect(self) -> str:
        self.reasons.append(self._check.reason)
        if self._refusals:
            raise self._refusals.pop(0)
        return "connected"


@pytest.fixture
def check() -> Check:
    return Health().check("kafka")


async def test_waits_with_a_visible_reason_and_logs_when_it_changes(
    check: Check, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    refusals = [ConnectionRefusedError("port 1"), ConnectionRefusedError("port 1"), TimeoutError()]
    broker = Broker(list(refusals), check)
    assert (
        await retry_until_available("Kafka", broker.connect, retry_on=(OSError,), check=check, first=0)
        == "connected"
    )
    assert broker.reasons == [
        "starting",
        "waiting for Kafka: ConnectionRefusedError: port 1",
        "waiting for Kafka: ConnectionRefusedError: port 1",
        "waiting for Kafka: TimeoutError",
    ]
    assert [record.message for record in caplog.records] == ["waiting", "waiting", "no longer waiting"]
    assert not check.is_ready


async def test_other_errors_pass_through_at_once(check: Check) -> None:
    broker = Broker([ValueError("no")], check)
    with pytest.raises(ValueError, match="no"):
        await retry_until_available("Kafka", broker.connect, retry_on=(OSError,), check=check)
    assert len(broker.reasons) == 1


async def test_can_be_cancelled_while_it_pauses(check: Check) -> None:
    broker = Broker([OSError("away")] * 10, check)
    waiting = asyncio.create_task(
        retry_until_available("Kafka", broker.connect, retry_on=(OSError,), check=check, first=3600)
    )
    while not broker.reasons:  # noqa: ASYNC110 - the broker has no event to wait on
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
