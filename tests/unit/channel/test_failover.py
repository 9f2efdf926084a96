"""What one provider does not take, the next one does, within the same attempt."""

from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import REGISTRY
from tests.unit.channel.conftest import UNREACHABLE

from tocsin.channel import Accepted, Ambiguous, Answer, Throttled
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench


@pytest.mark.parametrize("refusal", [UNREACHABLE, Throttled(retry_after=60)])
async def test_the_next_is_tried_at_once(bench: "LaneBench", refusal: Answer):
    bench.configure("first", "second", order=["first", "second"])
    await bench.open()
    bench.provider("first").answers["1"] = [refusal]
    shard, _ = bench.start()
    shard.put(bench.job(1))
    await until(lambda: len(bench.statuses) == 1)
    (status,) = bench.statuses
    assert (status.status, status.provider, status.attempt) == ("sent", "second", 1)
    assert [(attempt.provider, attempt.answer) for attempt in status.tries] == [
        ("first", "not_sent" if refusal is UNREACHABLE else "throttled"),
        ("second", "accepted"),
    ]


async def test_when_nobody_takes_it_the_next_attempt_begins_with_the_first_again(bench: "LaneBench"):
    bench.configure("first", "second", order=["first", "second"])
    await bench.open()
    bench.provider("first").answers["1"] = [UNREACHABLE]
    bench.provider("second").answers["1"] = [UNREACHABLE]
    shard, _ = bench.start()
    shard.put(bench.job(1))
    await until(lambda: len(bench.statuses) == 1)
    (status,) = bench.statuses
    assert (status.status, status.provider, status.attempt) == ("sent", "first", 2)
    assert [attempt.provider for attempt in status.tries] == ["first", "second", "first"]


async def test_an_outcome_tells_the_last_eight_tries(bench: "LaneBench"):
    bench.configure("first", "second", "third", "fourth", order=["first", "second", "third", "fourth"])
    await bench.open()
    for provider in bench.made:
        provider.answers["1"] = [UNREACHABLE] * 3
    shard, _ = bench.start()
    shard.put(bench.job(1))
    await until(lambda: len(bench.statuses) == 1)
    (status,) = bench.statuses
    assert (status.status, status.attempt, len(status.tries)) == ("deferred", 3, 8)


@pytest.mark.parametrize(
    ("fields", "first", "second", "ended"),
    [
        ({}, ["1", "1"], [], "sent"),
        ({"resend_elsewhere": True}, ["1"], ["1"], "sent"),
        ({"delivery_class": "at_most_once"}, ["1"], [], "unknown"),
        ({"delivery_class": "at_most_once", "resend_elsewhere": True}, ["1"], [], "unknown"),
    ],
)
async def test_what_may_have_been_sent_goes_elsewhere_only_where_the_category_allows_it(
    bench: "LaneBench", fields: dict[str, Any], first: list[str], second: list[str], ended: str
):
    bench.configure("first", "second", order=["first", "second"])
    await bench.open()
    bench.provider("first").answers["1"] = [Ambiguous(), Accepted()]
    shard, _ = bench.start()
    shard.put(bench.job(1, **fields))
    await until(lambda: any(status.final for status in bench.statuses))
    assert bench.statuses[-1].status == ended
    assert (bench.provider("first").got, bench.provider("second").got) == (first, second)


async def test_asking_again_where_it_may_have_arrived_is_counted(bench: "LaneBench"):
    await bench.open()
    labels = {"channel": "sms", "lane": "transactional", "provider": "first", "idempotency": "none"}
    before = REGISTRY.get_sample_value("tocsin_resends_total", labels) or 0
    bench.provider().answers = {"1": [Ambiguous(), UNREACHABLE], "2": [UNREACHABLE]}
    shard, _ = bench.start()
    shard.put(bench.job(1), bench.job(2))
    await until(lambda: len(bench.statuses) == 2)
    assert (REGISTRY.get_sample_value("tocsin_resends_total", labels) or 0) - before == 2
    assert bench.pool.views()[0]["idempotency"] == "none"


async def test_at_most_once_what_was_not_sent_goes_to_the_next_and_is_announced_once(bench: "LaneBench"):
    bench.configure("first", "second", order=["first", "second"])
    await bench.open()
    bench.provider("first").answers["1"] = [UNREACHABLE]
    shard, _ = bench.start()
    shard.put(bench.job(1, delivery_class="at_most_once"))
    await until(lambda: any(status.final for status in bench.statuses))
    assert [status.status for status in bench.statuses] == ["sending", "sent"]
    assert bench.statuses[-1].provider == "second"


async def test_a_recipients_next_message_waits_until_the_first_attempt_has_ended_everywhere(
    bench: "LaneBench",
):
    bench.configure("first", "second", order=["first", "second"])
    await bench.open()
    bench.provider("first").answers["1"] = [UNREACHABLE]
    bench.provider("second").let_go.clear()
    shard, _ = bench.start()
    shard.put(bench.job(1, recipient="ada"), bench.job(2, recipient="ada"))
    await until(lambda: bench.provider("second").got == ["1"])
    assert bench.provider("first").got == ["1"]
    bench.provider("second").let_go.set()
    await until(lambda: len(bench.statuses) == 2)
    assert [status.delivery_id for status in bench.statuses] == ["d1", "d2"]


async def test_a_provider_named_by_weight_is_the_same_at_every_attempt(bench: "LaneBench"):
    (bench.folder / "providers.toml").write_text(
        "weights = { first = 1, second = 1 }\n"
        '[[providers]]\nname = "first"\nkind = "scripted"\n[[providers]]\nname = "second"\nkind = "scripted"\n'
    )
    await bench.open()
    for provider in bench.made:
        provider.answers = {str(number): [Ambiguous()] for number in range(20)}
    shard, _ = bench.start()
    shard.put(*(bench.job(number) for number in range(20)))
    await until(lambda: len(bench.statuses) == 20)
    assert {status.status for status in bench.statuses} == {"sent"}
    assert all(len({attempt.provider for attempt in status.tries}) == 1 for status in bench.statuses)
    assert all(provider.got for provider in bench.made)
