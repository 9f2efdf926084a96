"""The newest version of each recipient decides whether a job is still valid."""

import random
from sys import getsizeof

import pytest

from tocsin.channel.recipient_versions import RecipientVersions
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.stops import RecipientVersion, encode_stop
from tocsin.kafka import ConsumerRecord

ADA = recipient_key("acme", "ada")
DAY = 86_400
NOW = 1_790_000_000
"""Seconds since 1970."""


def record(recipient: str, version: int | None, *, at: int = NOW, key: bytes | None = None) -> ConsumerRecord:
    """The version as raised at this time, or a tombstone that the broker stored then."""
    value = None if version is None else encode_stop(RecipientVersion(version, raised_at=at))
    return ConsumerRecord("stops", 0, 0, at * 1000, key or f"acme/{recipient}".encode(), value)


@pytest.mark.parametrize(("decided_under", "stale"), [(4, True), (5, False), (6, False)])
def test_a_job_decided_under_a_smaller_version_is_stale(decided_under: int, stale: bool) -> None:
    versions = RecipientVersions()
    versions.apply(record("ada", 3))
    versions.apply(record("ada", 5))
    assert versions.is_stale(ADA, version=decided_under) is stale


def test_another_recipients_version_does_not_count() -> None:
    versions = RecipientVersions()
    versions.apply(record("bob", 9))
    assert not versions.is_stale(ADA, version=1)


def test_a_version_that_came_again_does_not_count_down() -> None:
    versions = RecipientVersions()
    versions.apply(record("ada", 5))
    versions.apply(record("ada", 4))
    assert versions.is_stale(ADA, version=4)


def test_a_tombstone_ends_an_entry_and_frees_its_memory() -> None:
    versions = RecipientVersions()
    versions.apply(record("ada", 9))
    assert versions.is_stale(ADA, version=1)
    versions.apply(record("ada", None, at=NOW + 8 * DAY))
    assert not versions.is_stale(ADA, version=1)
    assert len(versions) == 0


@pytest.mark.parametrize(("days", "ended"), [(0, False), (6.9, False), (7.1, True), (9, True)])
def test_a_tombstone_ends_nothing_that_a_job_could_still_need(days: float, ended: bool) -> None:
    """What is raised late, and what shares an entry with another recipient, stays."""
    versions = RecipientVersions()
    versions.apply(record("ada", 9))
    versions.apply(record("ada", None, at=NOW + int(days * DAY)))
    assert versions.is_stale(ADA, version=1) is not ended


class SameHash(bytes):
    """A key that falls together with every other."""

    def __hash__(self) -> int:
        return -7


def test_recipients_of_one_hash_are_rechecked_once_too_often_and_never_too_seldom() -> None:
    ada, bob = SameHash(b"acme/ada"), SameHash(b"acme/bob")
    versions = RecipientVersions()
    versions.apply(record("", 9, key=ada))
    versions.apply(record("", 3, at=NOW + 5 * DAY, key=bob))
    assert versions.is_stale(ada, version=8), "bob's smaller version is not ada's"
    assert versions.is_stale(bob, version=3), "one recheck too many"
    versions.apply(record("", None, at=NOW + 8 * DAY, key=ada))
    assert versions.is_stale(bob, version=2), "ada's tombstone does not end bob's version of three days ago"
    versions.apply(record("", None, at=NOW + 13 * DAY, key=bob))
    assert not versions.is_stale(bob, version=2)


def test_it_answers_as_a_dict_would() -> None:
    """Raised, raised again and forgotten in any order, by many recipients."""
    dice = random.Random(7)
    versions, reference = RecipientVersions(), dict[str, int]()
    for _ in range(20_000):
        recipient = f"r{dice.randrange(3_000)}"
        if dice.random() < 0.2:
            reference.pop(recipient, None)
            versions.apply(record(recipient, None, at=NOW + 8 * DAY))
        else:
            reference[recipient] = max(dice.randrange(1, 9), reference.get(recipient, 0))
            versions.apply(record(recipient, reference[recipient]))
    assert len(versions) == len(reference)
    for number in range(3_000):
        newest = reference.get(f"r{number}", 0)
        for version in (newest - 1, newest):
            assert versions.is_stale(f"acme/r{number}".encode(), version=version) is (0 <= version < newest)


def test_a_million_entries_take_18_bytes_each() -> None:
    """All of it: entries, the room that arrays keep free, and the arrays themselves."""
    versions = RecipientVersions()
    for number in range(1_000_000):
        versions._raise(hash(b"%d" % number), 1, hour=1)
    assert len(versions) == 1_000_000
    assert sum(map(getsizeof, [*versions._hashes, *versions._entries])) / 1_000_000 < 18
