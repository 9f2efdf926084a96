"""Poison is a few lines an interval, and they name who sends it."""

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from tocsin.contracts.vocabulary import Lane, Reason
from tocsin.observability.often_seen import KEPT
from tocsin.observability.tally import AT_ONCE, LARGEST
from tocsin.router.worker.dead_letter_counts import DeadLetterCounts, DeadLetterNote

NOTES = 9_000


def poison(sources: int) -> Iterator[DeadLetterNote]:
    for number in range(NOTES):
        source = f"/broken/{number % sources}"
        yield DeadLetterNote(Reason.DATA_INVALID, source, "acme", f"events/0/{number}")


@pytest.mark.parametrize("sources", [1, NOTES])
async def test_poison_of_an_interval_is_a_few_lines(caplog: pytest.LogCaptureFixture, sources: int) -> None:
    counts = DeadLetterCounts(service="router", lane=Lane.BULK)
    for note in poison(sources):
        counts.count([note])
    counts.lines.close()
    said = [record.tocsin_facts for record in caplog.records]  # type: ignore[attr-defined]
    assert len(said) <= AT_ONCE + LARGEST + 1
    assert sum(facts["times"] for facts in said) == NOTES
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
    before = shown("/shop"), shown("other"), shown("none")
    counts.count([DeadLetterNote(Reason.DATA_INVALID, "/shop", "acme", "events/0/0")] * 30)
    counts.count([DeadLetterNote(Reason.NOT_A_CLOUDEVENT, "", "", "events/0/1")] * 2)
    counts.lines.close()
    after = shown("/shop"), shown("other"), shown("none")
    assert [now - then for now, then in zip(after, before, strict=True)] == [21, 9, 2]


async def test_the_series_of_a_source_that_gives_its_place_away_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = DeadLetterCounts(service="router", lane=Lane.TRANSACTIONAL)
    for name in ("/old", "/new"):
        monkeypatch.setattr(counts._sources, "_most", 1)
        monkeypatch.setattr(counts._sources, "_clock", lambda name=name: 0.0 if name == "/old" else 2 * KEPT)
        counts.count([DeadLetterNote(Reason.DATA_INVALID, name, "acme", "events/0/0")] * 10)
    counts.lines.close()
    shown = {
        sample.labels["source"]
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "tocsin_dead_letters_by_source_total" and sample.labels["lane"] == "transactional"
    }
    assert "/new" in shown
    assert "/old" not in shown


async def test_a_router_that_ends_tells_what_was_not_told_yet(
    worker, caplog: pytest.LogCaptureFixture
) -> None:
    topic = worker.topics.events(worker.lane)
    await worker.route(*(worker.record(topic, b"any", b"{}") for _ in range(5)))
    await worker.router.close()
    told = [record.tocsin_facts["times"] for record in caplog.records if record.msg == "dead letters"]  # type: ignore[attr-defined]
    assert told == [1, 4]
