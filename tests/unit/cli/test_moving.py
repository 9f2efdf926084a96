"""What a move to another topic prefix asks of which groups, and in which portions records are copied."""

import pytest

from tocsin.cli.moving import AT_ONCE_BYTES, groups_to_drain, portions, unread_of
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import ConsumerRecord, GroupView, TopicPartition, Unread
from tocsin.kafka.errors import NotReadToEnd

TOPICS = Topics("old.")


def names(*, ledger: bool, lanes: list[Lane] | None = None) -> set[str]:
    return {group.name for group in groups_to_drain(TOPICS, lanes=lanes or list(Lane), ledger=ledger)}


def test_every_group_but_the_schedulers_is_asked_once():
    hand_over, ledger = names(ledger=False), names(ledger=True)
    everyone = {group.name for group in TOPICS.groups()}
    assert everyone - hand_over - ledger == {TOPICS.group("scheduler", lane) for lane in Lane}
    assert not hand_over & ledger
    assert TOPICS.group("ledger", "dead") in ledger


def test_a_lane_by_itself():
    assert names(ledger=False, lanes=[Lane.BULK]) == {
        name for name in names(ledger=False) if name.endswith(".bulk")
    }


def test_what_waits_is_counted_by_group_and_topic():
    unread = {
        TopicPartition("events", 0): Unread(3, None),
        TopicPartition("events", 1): Unread(4, None),
        TopicPartition("intents", 0): Unread(0, None),
    }
    assert unread_of({"router": GroupView(members=0, unread=unread)}) == {
        ("router", "events"): 7,
        ("router", "intents"): 0,
    }


def test_what_nobody_could_see_is_not_nothing():
    unseen = GroupView(members=None, unread={}, unseen=frozenset({TopicPartition("events", 0)}))
    with pytest.raises(NotReadToEnd, match=r"What waits of router is not known.*events/0"):
        unread_of({"router": unseen})
    assert unseen.may_be_at_work
    assert GroupView(members=1, unread={}).may_be_at_work
    assert not GroupView(members=0, unread={}).may_be_at_work


def test_portions_hold_all_in_order_and_never_too_much():
    def record(offset: int, size: int) -> ConsumerRecord:
        return ConsumerRecord("events", 0, offset, 0, None, b"x" * size)

    half = AT_ONCE_BYTES // 2
    records = [record(0, half), record(1, half), record(2, 1), record(3, AT_ONCE_BYTES + 1), record(4, 1)]
    assert [[one.offset for one in portion] for portion in portions(records)] == [[0, 1], [2], [3], [4]]
    assert portions([]) == []
