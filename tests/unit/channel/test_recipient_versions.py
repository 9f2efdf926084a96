"""The newest version of each recipient decides whether a job is still valid."""

import pytest

from tocsin.channel.recipient_versions import RecipientVersions
from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.stops import RecipientVersion
from tocsin.kafka import ConsumerRecord

ADA = recipient_key("acme", "ada")


def record(recipient: str, version: int | None) -> ConsumerRecord:
    stop = RecipientVersion(tenant="acme", recipient=recipient, recipient_version=version or 0)
    value = None if version is None else encode(stop)
    return ConsumerRecord("stops", 0, 0, 0, f"acme/{recipient}".encode(), value)


@pytest.mark.parametrize(("decided_under", "stale"), [(4, True), (5, False), (6, False)])
def test_a_job_decided_under_a_smaller_version_is_stale(decided_under: int, stale: bool) -> None:
    versions = RecipientVersions()
    versions.apply(record("ada", 3))
    versions.apply(record("ada", 5))
    assert versions.is_stale(ADA, version=decided_under) is stale


def test_another_recipients_version_and_a_withdrawn_one_do_not_count() -> None:
    versions = RecipientVersions()
    versions.apply(record("bob", 9))
    assert not versions.is_stale(ADA, version=1)
    versions.apply(record("ada", 9))
    assert versions.is_stale(ADA, version=1)
    versions.apply(record("ada", None))
    assert not versions.is_stale(ADA, version=1)
