"""What is in use is shown beside how much may be."""

from typing import TYPE_CHECKING

from prometheus_client import REGISTRY

from tocsin.channel.answers import NotSent
from tocsin.channel.shard_offsets import PARTITION_WINDOW
from tocsin.contracts.vocabulary import Reason
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench


def shown(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"tocsin_{name}", labels)


async def test_calls_of_a_provider_beside_its_places(bench: "LaneBench") -> None:
    bench.configure("first", places=4)
    await bench.open()
    bench.provider().let_go.clear()
    shard, _work = bench.start()
    shard.put(*(bench.job(number) for number in range(100)))
    await until(lambda: len(bench.provider().got) == 3)  # the fourth place is the critical lane's
    assert shown("provider_places", channel="sms", provider="first") == 4
    assert shown("provider_calls", channel="sms", provider="first") == 3
    bench.configure("second", places=7)
    await bench.pool.reload()
    assert shown("provider_places", channel="sms", provider="second") == 7
    assert shown("provider_places", channel="sms", provider="first") is None
    assert shown("provider_calls", channel="sms", provider="first") is None


async def test_the_window_of_what_is_held(bench: "LaneBench") -> None:
    labels = {"component": "dispatch-sms", "lane": bench.lane.value}
    messages = shown("in_flight_limit", **labels) or 0
    size = shown("in_flight_limit_bytes", **labels) or 0
    await bench.open()
    shard, work = bench.start(partitions=2)
    await until(lambda: shown("in_flight_limit", **labels) == messages + 2 * PARTITION_WINDOW)
    assert shown("in_flight_limit_bytes", **labels) == size + 2 * 64 * 1024 * 1024
    assert shown("shards", **labels) == 2
    await shard.revoke()
    await work
    assert shown("in_flight_limit", **labels) == messages
    assert shown("in_flight_limit_bytes", **labels) == size


async def test_a_breaker_that_is_gone_is_shown_no_more(bench: "LaneBench") -> None:
    """A provider whose configuration was mended begins with a closed one; so it must not page on."""
    await bench.open()
    assert shown("breakers", channel="sms", provider="first", state="open") == 0
    refused = NotSent(reason=Reason.CREDENTIALS_REFUSED)
    bench.provider().answers["0"] = [refused] * 3
    shard, _work = bench.start()
    shard.put(bench.job(0))
    await until(lambda: shown("breakers", channel="sms", provider="first", state="open") == 1)
    bench.configure("first", note="with another password")
    await bench.pool.reload()
    assert shown("breakers", channel="sms", provider="first", state="open") == 0
