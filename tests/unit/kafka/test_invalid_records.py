"""A few invalid records are set aside; many mean a broken release."""

import pytest

from tocsin.kafka import ConsumptionStopped, InvalidRecordLimit


@pytest.mark.parametrize(
    ("batches", "stops"),
    [
        ([(0, 9)], False),  # too few, although all are invalid
        ([(0, 10)], True),
        ([(0, 5), (0, 5)], True),
        ([(190, 10)], False),  # one in twenty, exactly
        ([(189, 10)], True),
        ([(9_500, 500)], False),  # a large batch counts whole
        ([(9_499, 501)], True),
        ([(0, 9), (1_000, 0), (0, 9)], False),  # what happened long ago is forgotten
        ([(0, 9), (170, 0), (0, 1)], True),
        ([(950, 50)] * 20, False),
        ([(950, 51)] * 20, True),
    ],
)
def test_over_five_percent_of_the_latest_records_stop_consumption(
    batches: list[tuple[int, int]], stops: bool
) -> None:
    limit = InvalidRecordLimit(group="ledger.bulk")
    stopped = False
    for valid, invalid in batches:
        try:
            limit.saw(valid=valid, invalid=invalid)
        except ConsumptionStopped:
            stopped = True
    assert stopped is stops


@pytest.mark.parametrize("size", [1, 7, 100, 250])
def test_batches_of_any_size_are_counted_alike(size: int) -> None:
    """One invalid record in 25 goes on for ever; one in ten stops within the next thousand records."""
    limit = InvalidRecordLimit(group="g")

    def read(records: int, *, one_in: int) -> None:
        for first in range(0, records, size):
            invalid = sum(number % one_in == one_in - 1 for number in range(first, first + size))
            limit.saw(valid=size - invalid, invalid=invalid)

    read(10_000, one_in=25)
    with pytest.raises(ConsumptionStopped):
        read(1_000, one_in=10)


def test_the_sentence_names_the_group_the_numbers_and_what_to_do() -> None:
    limit = InvalidRecordLimit(group="tocsin.ledger.bulk")
    limit.saw(valid=50)
    with pytest.raises(
        ConsumptionStopped,
        match=r"^12 of the last 62 records that group tocsin\.ledger\.bulk has read are invalid: .* replace it, then start",
    ):
        limit.saw(invalid=12)
