"""What is sent at most once: its intent stands on `status` before its call, and who finds no more than that never calls."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.channel.conftest import UNREACHABLE

from tocsin.channel import Accepted, Ambiguous
from tocsin.contracts.codec import decode_intent
from tocsin.kafka import LeaseLost
from tocsin.testing.stage import HoldAt
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench

    from tocsin.contracts.jobs import Job

ONCE = "at_most_once"


def told(bench: "LaneBench") -> list[tuple[str, str | None]]:
    return [(status.status, status.reason) for status in bench.statuses]


def code(bench: "LaneBench", **fields: Any) -> "Job":
    return bench.job(1, delivery_class=ONCE, **fields)


async def test_the_intent_stands_before_the_call_and_is_no_ending(bench: "LaneBench"):
    await bench.open()
    provider = bench.provider()
    provider.let_go.clear()
    shard, _ = bench.start()
    shard.put(code(bench))
    await until(lambda: provider.got == ["1"])
    (sending,) = bench.statuses
    assert (sending.status, sending.final, sending.attempt, sending.tries) == ("sending", False, 0, [])
    provider.let_go.set()
    await until(lambda: len(bench.statuses) == 2)
    sent = bench.statuses[1]
    assert (sent.status, sent.cause, sent.delivery_id) == ("sent", sending.cause, sending.delivery_id)


async def test_what_may_be_sent_twice_needs_no_intent(bench: "LaneBench"):
    await bench.open()
    shard, _ = bench.start()
    shard.put(bench.job(1))
    await until(lambda: told(bench) == [("sent", None)])


@pytest.mark.parametrize(
    ("place", "asked", "ends"),
    [
        ("before_outcome", ["1"], [("sending", None), ("sent", None)]),
        ("after_outcome", [], [("sending", None), ("unknown", "interrupted")]),
        ("after_intent", [], [("sending", None), ("unknown", "interrupted")]),
        ("before_call", [], [("sending", None), ("unknown", "interrupted")]),
        ("after_call", ["1"], [("sending", None), ("unknown", "interrupted")]),
    ],
)
async def test_killed_anywhere_it_is_asked_for_once_at_most(
    bench: "LaneBench", place: str, asked: list[str], ends: list[tuple[str, str | None]]
):
    await bench.open()
    hold = HoldAt(place)
    first, work = bench.start(bench.context(failpoints=hold))
    first.put(code(bench))
    await hold.reached.wait()
    work.cancel()
    await asyncio.wait([work])
    bench.start()
    await until(lambda: told(bench) == ends)
    assert bench.provider().got == asked


async def test_an_owner_killed_before_it_committed_the_ending_leaves_one_ending(bench: "LaneBench"):
    """The second owner says `unknown` and dies; the third finds it, and says nothing more."""
    await bench.open()
    hold = HoldAt("after_intent")
    first, work = bench.start(bench.context(failpoints=hold))
    first.put(code(bench))
    await hold.reached.wait()
    work.cancel()
    await asyncio.wait([work])
    hold = HoldAt("after_outcome")
    _, work = bench.start(bench.context(failpoints=hold))
    await hold.reached.wait()
    work.cancel()
    await asyncio.wait([work])
    third, _ = bench.start()
    third.put(bench.job(2))
    await until(lambda: len(bench.statuses) == 3)
    assert told(bench) == [("sending", None), ("unknown", "interrupted"), ("sent", None)]
    assert bench.provider().got == ["2"]


@pytest.mark.parametrize("place", ["after_intent", "before_call"])
async def test_a_lease_that_ends_after_the_intent_forbids_the_call(bench: "LaneBench", place: str):
    await bench.open()
    hold = HoldAt(place)
    shard, work = bench.start(bench.context(failpoints=hold))
    shard.put(code(bench))
    await hold.reached.wait()
    shard.group._lease.end()
    hold.open.set()
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(work, 30)
    assert bench.provider().got == []
    bench.start()
    await until(lambda: told(bench) == [("sending", None), ("unknown", "interrupted")])
    assert bench.provider().got == []


async def test_what_is_taken_away_after_the_intent_is_asked_about_again(bench: "LaneBench"):
    await bench.open()
    hold = HoldAt("after_intent")
    shard, _ = bench.start(bench.context(failpoints=hold))
    shard.put(code(bench, recipient="ada", recipient_version=4))
    await hold.reached.wait()
    bench.raise_version("ada", 5)
    hold.open.set()
    await until(lambda: told(bench) == [("sending", None), ("deferred", "recheck")])
    assert bench.provider().got == []


@pytest.mark.parametrize("place", ["before_outcome", "after_intent"])
async def test_a_shard_that_is_given_back_after_the_intent_begins_no_call(bench: "LaneBench", place: str):
    """It goes back to the router, so that a hand-over alone leaves nothing unknown."""
    await bench.open()
    hold = HoldAt(place)
    shard, work = bench.start(bench.context(failpoints=hold))
    shard.put(code(bench))
    await hold.reached.wait()
    await shard.revoke()
    hold.open.set()
    await work
    assert bench.provider().got == ([] if place == "before_outcome" else ["1"])
    last = ("deferred", "recheck") if place == "before_outcome" else ("sent", None)
    assert told(bench) == [("sending", None), last]


async def test_between_two_attempts_a_shard_is_given_back_without_anything_unknown(bench: "LaneBench"):
    await bench.open()
    provider = bench.provider()
    provider.answers["1"] = [UNREACHABLE, Accepted()]
    shard, work = bench.start()
    shard.put(code(bench))
    await until(lambda: provider.got == ["1"])
    await shard.revoke()
    await work
    assert told(bench) == [("sending", None), ("deferred", "recheck")]
    (intent,) = bench.cluster.read("t.intents.transactional")
    assert decode_intent(intent.value or b"").delivery is not None
    bench.start()[0].put(bench.job(2))
    await until(lambda: provider.got == ["1", "2"])


async def test_an_ambiguous_answer_ends_it(bench: "LaneBench"):
    await bench.open()
    bench.provider().answers["1"] = [Ambiguous(code="451")]
    shard, _ = bench.start()
    shard.put(code(bench))
    await until(lambda: told(bench) == [("sending", None), ("unknown", "no_answer")])
    assert bench.provider().got == ["1"]


async def test_an_outcome_lists_its_tries(bench: "LaneBench"):
    await bench.open()
    bench.provider().answers["1"] = [UNREACHABLE, Ambiguous(code="451"), Accepted(code="250")]
    shard, _ = bench.start()
    shard.put(bench.job(1))
    await until(lambda: len(bench.statuses) == 1)
    (sent,) = bench.statuses
    assert [(attempt.provider, attempt.code, attempt.answer) for attempt in sent.tries] == [
        ("first", None, "not_sent"),
        ("first", "451", "ambiguous"),
        ("first", "250", "accepted"),
    ]
    assert all(attempt.ms >= 0 for attempt in sent.tries)
    assert sent.attempt == 3
