"""An incident at a provider is a few lines a minute, and they say which provider and why."""

import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.log_lines import lines_of

from tocsin.channel.answers import Answer, NotSent, Rejected, Throttled
from tocsin.channel.deferral import DeferralPolicy
from tocsin.channel.provider_pool import NONE_WORKS
from tocsin.contracts.vocabulary import Reason
from tocsin.observability import configure_logging
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench

MOST = 20
"""Lines of a dispatcher within the minute of an incident."""
JOBS = 300


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    with lines_of("dispatch-sms") as out:
        yield out


async def incident(bench: "LaneBench", answer: Answer) -> None:
    """Each call of many jobs is answered so; what no provider takes is given up at once."""
    bench.deferral = DeferralPolicy(attempts=1)
    await bench.open()
    for number in range(JOBS):
        bench.provider().answers[str(number)] = [answer] * 3
    held, _ = bench.start()
    held.put(*(bench.job(number) for number in range(JOBS)))


def told(lines: io.StringIO, event: str) -> list[dict[str, Any]]:
    return [line for text in lines.getvalue().splitlines() if (line := json.loads(text))["event"] == event]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (NotSent(reason=Reason.UNREACHABLE), "unreachable"),
        (NotSent(reason=Reason.CREDENTIALS_REFUSED, code="535"), "credentials_refused"),
        (Throttled(code="429"), "throttled"),
    ],
)
async def test_a_provider_that_takes_nothing(
    bench: "LaneBench", lines: io.StringIO, answer: Answer, reason: str
) -> None:
    await incident(bench, answer)
    await until(lambda: bool(told(lines, NONE_WORKS)))
    bench.pool.lines.close()
    refused = told(lines, "calls not taken")
    assert {(line["provider"], line["reason"], line["level"]) for line in refused} == {
        ("first", reason, "warning")
    }
    assert [line["times"] for line in refused if not line["seconds"]] == [1]
    assert len(lines.getvalue().splitlines()) <= MOST


async def test_deliveries_that_end_as_failed_are_counted(bench: "LaneBench", lines: io.StringIO) -> None:
    await incident(bench, Rejected(reason=Reason.CONTENT_REFUSED, code="552"))
    await until(lambda: len(bench.statuses) == JOBS)
    bench.pool.lines.close()
    ended = told(lines, "deliveries not sent")
    assert sum(line["times"] for line in ended) == JOBS
    assert {
        (line["lane"], line["status"], line["reason"], line["fault"], line["level"]) for line in ended
    } == {("transactional", "failed", "content_refused", "owner", "warning")}
    assert ended[-1]["last"].startswith("d")
    assert len(lines.getvalue().splitlines()) <= MOST


async def test_a_recipients_own_fault_is_no_warning(bench: "LaneBench", lines: io.StringIO) -> None:
    await incident(bench, Rejected(reason=Reason.ADDRESS_INVALID))
    await until(lambda: len(bench.statuses) == JOBS)
    bench.pool.lines.close()
    levels = {
        line["level"] for event in ("calls not taken", "deliveries not sent") for line in told(lines, event)
    }
    assert levels == {"info"}


async def test_at_debug_each_delivery_has_a_line(
    bench: "LaneBench", lines: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    configure_logging("dispatch-sms", json=True, level="DEBUG", stream=lines)
    await incident(bench, Rejected(reason=Reason.ADDRESS_INVALID))
    await until(lambda: len(bench.statuses) == JOBS)
    ended = told(lines, "delivery ended")
    assert {line["delivery_id"] for line in ended} == {f"d{number}" for number in range(JOBS)}
    assert {(line["status"], line["reason"]) for line in ended} == {("failed", "address_invalid")}
