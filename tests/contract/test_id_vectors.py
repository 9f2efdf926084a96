"""The vectors that other languages check their ids against, and the forms ids may have."""

import json
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.contracts import ids

VECTORS = json.loads((Path(__file__).parent / "ids.json").read_text())


def test_the_namespace_is_the_published_one():
    assert str(ids.NAMESPACE) == VECTORS["namespace"]
    assert uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/tocsin/tocsin") == ids.NAMESPACE


def test_ids_of_what_is_recorded():
    notification, delivery, status, dead_letter, *_ = VECTORS["ids"]
    assert (
        ids.notification_id(
            tenant="acme", source="/shop", event_id="o-1", recipient="ada", workflow="order-shipped"
        )
        == notification["id"]
    )
    assert (
        ids.delivery_id(notification=notification["id"], channel="email", step="1", address_key="email")
        == delivery["id"]
    )
    assert ids.status_id(subject=delivery["id"], status="sent", cause=status["name"][2]) == status["id"]
    assert ids.dead_letter_id(record=dead_letter["name"][0]) == dead_letter["id"]


@pytest.mark.parametrize("vector", VECTORS["ids"], ids=lambda vector: vector["id"][:8])
def test_every_vector_is_what_the_standard_library_makes_of_it(vector):
    name = json.dumps(vector["name"], ensure_ascii=False, separators=(",", ":"))
    assert str(uuid.uuid5(ids.NAMESPACE, name)) == vector["id"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_any_text_gives_what_the_standard_library_gives(parts):
    name = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    assert ids._uuid5(*parts) == str(uuid.uuid5(ids.NAMESPACE, name))


def test_claims():
    for vector in VECTORS["claims"]:
        tenant, source, event_id = vector["name"]
        assert ids.claim_key(tenant=tenant, source=source, event_id=event_id).hex() == vector["claim"]


@pytest.mark.parametrize(
    ("recipient", "valid"),
    [
        ("ada", True),
        ("ä" * 128, True),
        ("ä" * 129, False),
        ("", False),
        ("a\nb", False),
        ("a\x7f", False),
        ("\ud800", False),
    ],
)
def test_recipient_ids(recipient, valid):
    assert ids.valid_recipient(recipient) is valid


@pytest.mark.parametrize(
    ("tenant", "valid"), [("acme-1", True), ("a" * 64, False), ("Acme", False), ("", False), ("a\n", False)]
)
def test_tenant_ids(tenant, valid):
    assert ids.valid_tenant(tenant) is valid
