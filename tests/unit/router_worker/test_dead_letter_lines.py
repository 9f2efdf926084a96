"""Poison is a few lines a minute, and they name who sends it."""

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from tocsin.contracts.vocabulary import Lane, Reason
from tocsin.observability.tally import AT_ONCE, LARGEST
from tocsin.router.worker.dead_letter_counts import DeadLetterCounts, DeadLetterNote

SECONDS, A_SECOND = 60, 150


def poison(sources: int) -> Iterator[DeadLetterNote]:
    for number in range(SECONDS * A_SECOND):
        source = f"/broken/{number % sources}"
        yield DeadLetterNote(Reason.DATA_INVALID, source, "acme", f"events/0/{number}")


@pytest.mark.parametrize("sources", [1, 9_000])
async def test_poison_of_a_minute_is_a_few_lines(caplog: pytest.LogCaptureFixture, sources: int) -> None:
    counts = DeadLetterCounts(service="router", lane=Lane.BULK)
    for note in poison(sources):
        counts.count([note])
    counts.lines.close()
    said = [record.tocsin_facts for record in caplog.records]  # type: ignore[attr-defined]
    assert len(said) <= AT_ONCE + LARGEST + 1
    assert sum(facts["times"] for facts in said) == SECONDS * A_SECOND
    assert said[0] == {
        "lane": "bulk",
        "reason": "data_invalid",
        "source": "/broken/0",
        "tenant": "acme",
        "times": 1,
        "seconds": 0.0,
        "last": "events/0/0",
    }


async def test_a_source_that_goes_on_is_counted_by_its_name() -> None:
    def shown(source: str) -> float:
        labels = {"lane": "critical", "source": source}
        return REGISTRY.get_sample_value("tocsin_dead_letters_by_source_total", labels) or 0.0

    counts = DeadLetterCounts(service="router", lane=Lane.CRITICAL)
    before = shown("other"), shown("none")
    counts.count([DeadLetterNote(Reason.DATA_INVALID, "/shop", "acme", "events/0/0")] * 30)
    counts.count([DeadLetterNote(Reason.NOT_A_CLOUDEVENT, "", "", "events/0/1")] * 2)
    counts.lines.close()
    assert shown("/shop") == 21
    assert (shown("other") - before[0], shown("none") - before[1]) == (9, 2)
