import pytest

from tocsin.kafka.consume.member import Lease
from tocsin.testing.clock import ManualClock


class Broker:
    """Answers heartbeats, after a while, in some generation."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.takes = 0.0
        self.good = True
        self.generation = 1
        self.next_generation: int | None = None

    async def send(self) -> bool:
        self.clock.advance(self.takes)
        self.generation = self.next_generation or self.generation
        return self.good


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def broker(clock) -> Broker:
    return Broker(clock)


@pytest.fixture
def lease(clock) -> Lease:
    lease = Lease(clock=clock, seconds=4)
    lease.begin(1)
    return lease


async def beat(lease: Lease, broker: Broker) -> bool:
    return await lease.beat(broker.send, lambda: broker.generation)


def test_there_is_none_before_the_first_heartbeat(lease):
    assert not lease.ok()


async def test_it_lasts_from_the_sending_not_from_the_answer(lease, broker, clock):
    broker.takes = 3
    assert await beat(lease, broker)
    assert lease.ok()
    clock.advance(0.9)
    assert lease.ok()
    clock.advance(0.1)
    assert not lease.ok()


async def test_a_bad_heartbeat_renews_nothing(lease, broker, clock):
    await beat(lease, broker)
    clock.advance(3)
    broker.good = False
    assert not await beat(lease, broker)
    clock.advance(1)
    assert not lease.ok()


async def test_one_of_another_generation_counts_not(lease, broker):
    broker.next_generation = 2
    assert await beat(lease, broker)
    assert not lease.ok()
    await beat(lease, broker)
    assert not lease.ok()


async def test_a_new_assignment_begins_without_lease(lease, broker):
    await beat(lease, broker)
    lease.begin(2)
    assert not lease.ok()
    broker.generation = 2
    await beat(lease, broker)
    assert lease.ok()
    lease.end()
    assert not lease.ok()


async def test_an_answer_that_lay_in_the_socket_through_a_freeze_renews_nothing(lease, broker, clock):
    """Sent just before the process was frozen, answered at once, and read only when it goes on: the session is long over."""
    await beat(lease, broker)
    assert lease.ok()
    broker.takes = 20
    assert await beat(lease, broker)
    assert not lease.ok()


async def test_it_is_known_that_it_ran_out_until_the_next_assignment(lease, broker, clock):
    assert not lease.ran_out, "there was none"
    await beat(lease, broker)
    assert not lease.ran_out
    clock.advance(4)
    assert lease.ran_out
    lease.end()
    assert lease.ran_out
    lease.begin(2)
    assert not lease.ran_out


async def test_a_lease_that_is_ended_in_time_did_not_run_out(lease, broker):
    await beat(lease, broker)
    lease.end()
    assert not lease.ran_out
