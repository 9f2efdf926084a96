"""What only a real broker shows of partitions that move: what aiokafka holds back, and what it is told too late."""

import pytest

from tocsin.kafka import GroupTimeouts, OwnershipLost
from tocsin.testing.stage import HoldAt, numbers, take_all

pytestmark = pytest.mark.kafka


async def test_a_slow_fence_holds_consumption(stage, until):
    await stage.topics("in", "out", groups=["copier"])
    await stage.publish_values(numbers(20))
    hold = HoldAt("before_fence")
    member = await stage.copier(failpoints=hold).start()
    await hold.reached.wait()
    group = member.component
    await until(group._lease.ok)  # it is a member, and heartbeats go on meanwhile
    consumer = group._member._consumer
    assert consumer.paused() == consumer.assignment()
    assert not group.held
    assert await stage.read("out") == []
    hold.open.set()
    await until(lambda: stage.copied(numbers(20)))
    await member.leave()


async def test_the_lease_ends_when_heartbeats_stop_and_an_expelled_member_ends(stage, until):
    await stage.topics("in", groups=["copier"])
    timeouts = GroupTimeouts(
        send_timeout=2, drain_timeout=3, rebalance_timeout=10, session_timeout=4, heartbeat_interval=0.2
    )
    member = await stage.fenced(take_all, timeouts=timeouts).start()
    group = member.component
    await until(lambda: len(group.held) == 2 and group._lease.ok())
    coordinator = group._member._membership._coordinator
    answering = coordinator._do_heartbeat

    async def silent() -> bool:
        return True  # aiokafka believes it was sent; the broker hears nothing

    coordinator._do_heartbeat = silent
    held = list(group.held.values())
    await until(lambda: not group._lease.ok())
    assert not any(shard.lease_ok() for shard in held)
    other = await stage.fenced(take_all).start()
    await until(lambda: len(other.component.held) == 2)  # the silent one is out
    coordinator._do_heartbeat = answering
    with pytest.raises(OwnershipLost, match="expelled"):
        await member.ended()
