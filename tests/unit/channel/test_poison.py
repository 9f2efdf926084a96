"""One unreadable record is set aside; many mean a broken release."""

import pytest

from tocsin.channel.poison import PoisonGuard, TooMuchPoison


def test_a_few_among_many_pass():
    guard = PoisonGuard(window=100, share=0.1, least=5)
    for number in range(1_000):
        guard.bad(what="jobs") if number % 20 == 0 else guard.good()


def test_too_large_a_share_stops():
    guard = PoisonGuard(window=20, share=0.2, least=3)
    for _ in range(4):
        guard.bad(what="jobs")
    with pytest.raises(TooMuchPoison, match="5 of the last 5 jobs"):
        guard.bad(what="jobs")
