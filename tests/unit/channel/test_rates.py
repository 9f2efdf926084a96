"""Messages a second: of an instance with a reserve for the critical lane, and of each sender."""

import pytest

from tocsin.channel import rates
from tocsin.channel.rates import InstanceRate, SenderRates


@pytest.mark.parametrize(
    ("burst", "critical_served", "others", "critical"),
    [(8, True, 6, 8), (8, False, 8, 8), (3, True, 3, 3), (1, True, 1, 1)],
)
def test_the_other_lanes_leave_a_quarter_to_the_critical_one(
    burst: int, critical_served: bool, others: int, critical: int
) -> None:
    rate = InstanceRate(rate=1, burst=burst, critical_served=critical_served, now=0.0)
    taken = 0
    while not rate.wait_of_others(0.0):
        rate.take(0.0)
        taken += 1
    assert taken == others
    while not rate.wait_of_critical(0.0):
        rate.take(0.0)
        taken += 1
    assert taken == critical


def test_each_sender_has_a_rate_of_its_own() -> None:
    senders = SenderRates(rate=2)
    assert [senders.take("a", 0.0), senders.take("a", 0.0), senders.take("b", 0.0)] == [0.0, 0.5, 0.0]
    assert senders.take("a", 0.5) == pytest.approx(0.5)


def test_of_many_senders_those_that_sent_lately_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_SENDERS", 3)
    senders = SenderRates(rate=1)
    for number in range(10):
        senders.take(str(number), number * 2.0)
    assert len(senders._buckets) == 3
    for number in range(10):
        senders.take(f"at once {number}", 20.0)
    assert len(senders._buckets) == 10
