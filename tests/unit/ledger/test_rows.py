"""Records as rows: what is kept, and what is no record."""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from tocsin.contracts.codec import encode
from tocsin.contracts.dead_letters import DeadLetter, truncate_to_fit
from tocsin.contracts.intents import Intent, IntentPrivate
from tocsin.contracts.statuses import (
    ChannelDecision,
    Decision,
    EventRef,
    ProviderTry,
    Receipt,
    RuleOutcome,
    Status,
    Target,
    decision_of,
    status_of,
    target_status_id,
)
from tocsin.contracts.vocabulary import Lane, Outcome, StatusName
from tocsin.kafka import ConsumerRecord
from tocsin.ledger import tables
from tocsin.ledger.history import DecisionDetail
from tocsin.ledger.reading import stored_row_of

AT = datetime(2026, 3, 1, 23, 59, 59, 999000, tzinfo=UTC)
NOTIFICATION = "5a0f4f4e-0000-5000-8000-000000000001"


def status(**fields: Any) -> Status:
    return status_of(
        StatusName.SENT,
        EventRef(tenant="acme", event_id="e1", origin="e/0/1"),
        cause="c/0/1",
        at=AT,
        lane=Lane.BULK,
        **({"notification_id": NOTIFICATION} | fields),
    )


def record(value: bytes | None, **fields: Any) -> ConsumerRecord:
    stamp = round(AT.timestamp() * 1000)
    given: dict[str, Any] = {"topic": "s", "partition": 3, "offset": 9, "timestamp_ms": stamp, "key": b"k"}
    return ConsumerRecord(**(given | {"value": value} | fields))


def kept(value: bytes) -> dict[str, Any]:
    (row,) = stored(value)
    return row


def stored(value: bytes) -> list[dict[str, Any]]:
    return [
        dict(zip(tables.STATUSES.columns, row, strict=True)) for row in tables.STATUSES.rows_of(record(value))
    ]


def test_every_field_of_a_status_has_its_column() -> None:
    assert set(Status.__struct_fields__) - {"version"} <= set(tables.STATUSES.columns)


def test_a_status_becomes_a_row_of_its_day() -> None:
    row = kept(encode(status(recipient="ann", attempt=2)))
    assert (row["day"], row["stored_at"], row["at"]) == (date(2026, 3, 1), AT, AT)
    assert (row["kafka_partition"], row["kafka_offset"], row["lane"]) == (3, 9, "bulk")
    assert (row["kind"], row["status"], row["decision"]) == ("status", "sent", None)
    assert (str(row["notification_id"]), row["recipient"], row["attempt"]) == (NOTIFICATION, "ann", 2)


def test_tries_come_back_as_they_were() -> None:
    tries = [
        ProviderTry(provider="main", code="4\x0051", answer="ambiguous", ms=7000),
        ProviderTry(provider="main", answer="accepted", ms=12),
    ]
    row = kept(encode(status(tries=tries)))
    assert stored_row_of({name: held for name, held in row.items() if name != "day"}).tries == tries
    assert kept(encode(status()))["tries"] is None


def test_a_receipt_comes_back_as_it_was() -> None:
    receipt = Receipt(id="e-1", at=AT, automated=True)
    row = kept(encode(status(receipt=receipt)))
    assert stored_row_of({name: held for name, held in row.items() if name != "day"}).receipt == receipt
    assert kept(encode(status()))["receipt"] is None


def decision(*targets: Target, outcome: Outcome = Outcome.DECIDED, **fields: Any) -> Decision:
    intent = Intent(
        tenant="acme", notification_id=NOTIFICATION, event_source="s", event_id="e1", event_type="t", event_time=AT,
        workflow="w", recipient="ann", lane=Lane.BULK, private=IntentPrivate(), origin="e/0/1", cause="e/0/1",
    )  # fmt: skip
    rules = [RuleOutcome(rule="expiry", outcome="passes", input=5)]
    channel = ChannelDecision(
        step="1", channel="push", rules=rules, detail="no\x00nul", targets=list(targets)
    )
    return decision_of(
        intent, outcome, lane=Lane.BULK, cause="e/0/1", at=AT, rules=rules, channels=[channel], **fields
    )


def target(number: int, outcome: str, reason: str | None = None) -> Target:
    delivery = f"5a0f4f4e-0000-5000-8000-00000000001{number}"
    return Target(delivery, f"d{number}", None, outcome, "a_rule" if reason else None, reason)


def test_a_decision_is_a_row_and_one_for_each_target_that_gets_nothing() -> None:
    targets = (
        target(1, "routed"),
        target(2, "failed", "too_large"),
        target(3, "routed"),
        target(4, "lost", "wind"),
    )
    failed, lost, whole = stored(encode(decision(*targets)))
    assert (whole["kind"], whole["status"], whole["final"], whole["routed"]) == (
        "decision",
        "decided",
        False,
        ["push"],
    )
    assert (whole["event_time"], whole["again"], whole["delivery_id"]) == (AT, None, None)
    assert [str(delivery) for delivery in whole["awaited"]] == [
        targets[0].delivery_id,
        targets[2].delivery_id,
    ]
    assert whole["expires_at"] == AT + timedelta(days=6)
    assert failed["awaited"] is failed["expires_at"] is None
    told = msgspec.json.decode(whole["decision"], type=DecisionDetail)
    assert told.rules == [RuleOutcome(rule="expiry", outcome="passes", input=5)]
    assert told.channels[0].targets == list(targets)
    assert [(row["kind"], row["status"], row["reason"], row["final"]) for row in (failed, lost)] == [
        ("target", "failed", "too_large", True),
        ("target", "lost", "wind", False),
    ]
    assert (str(failed["delivery_id"]), failed["address_key"]) == (targets[1].delivery_id, "d2")
    assert (failed["channel"], failed["step"], failed["recipient"]) == ("push", "1", "ann")
    assert failed["detail"] == "nonul"
    assert str(failed["status_id"]) == target_status_id(targets[1], cause="e/0/1")


def test_a_decision_that_routes_nothing() -> None:
    *_, row = stored(encode(decision(outcome=Outcome.EXPIRED, rule="expiry", again="recheck")))
    assert (row["status"], row["rule"], row["again"], row["final"], row["routed"]) == (
        "expired",
        "expiry",
        "recheck",
        True,
        None,
    )
    assert (row["awaited"], row["expires_at"]) == (None, AT + timedelta(days=6))


def test_what_is_scheduled_is_awaited_itself_until_its_life_is_over() -> None:
    due = AT + timedelta(days=30)
    (row,) = stored(encode(decision(outcome=Outcome.SCHEDULED, due_at=due)))
    assert (row["status"], row["final"], row["awaited"]) == ("scheduled", False, [row["notification_id"]])
    assert row["expires_at"] == due + timedelta(days=6)
    assert row["due_at"] == due


@pytest.mark.parametrize(
    ("seen", "expires_at"),
    [
        ({"expires_at": AT + timedelta(hours=1)}, AT + timedelta(hours=1)),
        ({"expires_at": "2026-03-01T12:00:00"}, AT + timedelta(days=6)),
        ({"expires_at": "soon"}, AT + timedelta(days=6)),
        ({}, AT + timedelta(days=6)),
        (None, AT + timedelta(days=6)),
    ],
)
def test_when_a_message_dies_is_what_the_rule_saw_or_the_latest_moment_there_can_be(
    seen: Any, expires_at: datetime
) -> None:
    made = decision(target(1, "routed"))
    made.rules = [RuleOutcome(rule="expiry", outcome="alive", input=seen)]
    *_, row = stored(encode(made))
    assert row["expires_at"] == expires_at


def test_what_postgresql_cannot_hold_is_left_out() -> None:
    assert kept(encode(status(detail="no\x00nul", provider_code="5\x00")))["detail"] == "nonul"


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b"\xff",
        b"[1]",
        encode(status()).replace(NOTIFICATION.encode(), b"not-a-uuid"),
        encode(status()).replace(b'"kind":"status"', b'"kind":"song"'),
        encode(decision(target(1, "failed"))).replace(b"00000000001", b"0000000000x"),
        encode(decision()).replace(
            b'"event_time":"2026-03-01T23:59:59.999000Z"', b'"event_time":"2026-03-01T23:59:59"'
        ),
        encode(decision()).replace(b'"rules":[', b'"rules":[{"rule":"expiry"},'),
        encode(decision(target(1, "failed"))).replace(b'"rules":[', b'"rules":[7,'),
        encode(status()).replace(b"999000Z", b"999000"),
        encode(status(detail="x")).replace(b'"x"', b'"\xff"'),
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_status(value: bytes | None) -> None:
    with pytest.raises(tables.InvalidRecord):
        tables.STATUSES.rows_of(record(value))


def test_a_dead_letter_keeps_its_record() -> None:
    letter = DeadLetter(
        service="router", reason="data_invalid", detail="d", origin="e/0/1", at=AT, tenant="acme"
    )
    headers = (("content-type", b"\xff"), *letter.headers())
    row = dict(
        zip(
            tables.DEAD_LETTERS.columns,
            tables.DEAD_LETTERS.rows_of(record(b"\x00raw", headers=headers))[0],
            strict=True,
        )
    )
    assert (row["service"], row["reason"], row["origin"], row["tenant"]) == (
        "router",
        "data_invalid",
        "e/0/1",
        "acme",
    )
    assert (row["key"], row["value"], row["headers"]) == (b"k", b"\x00raw", '[["content-type","/w=="]]')


def test_what_a_producer_wrote_is_not_taken_for_the_letter() -> None:
    """A producer's own headers may have the names of a letter's; those a letter leaves out would otherwise be taken from them."""
    letter = DeadLetter(service="router", reason="data_invalid", detail="d", origin="e/0/1", at=AT)
    own = (
        ("tocsin_dead_service", b"shop"),
        ("tocsin_dead_tenant", b"other"),
        ("tocsin_dead_original_bytes", b"many"),
    )
    row = dict(
        zip(
            tables.DEAD_LETTERS.columns,
            tables.DEAD_LETTERS.rows_of(record(b"{", headers=(*own, *letter.headers())))[0],
            strict=True,
        )
    )
    assert (row["service"], row["tenant"], row["original_bytes"]) == ("router", "", 0)
    assert [name for name, _ in msgspec.json.decode(row["headers"])] == [name for name, _ in own]


def test_what_a_dead_letter_had_to_leave_out_stands_in_its_row() -> None:
    letter = DeadLetter(service="router", reason="data_too_large", detail="d", origin="e/0/1", at=AT)
    key, headers = b"k" * 5_000, (("ce_id", b"h" * 6_000),)
    rest = truncate_to_fit(letter, key=key, value=b"v" * 4_500, headers=headers, largest=4_000)
    row = dict(
        zip(
            tables.DEAD_LETTERS.columns,
            tables.DEAD_LETTERS.rows_of(record(rest.value, key=rest.key, headers=rest.headers))[0],
            strict=True,
        )
    )
    told = b"\0\0\0\5ce_id" + (6_000).to_bytes(4, "big") + b"h" * 6_000
    assert (row["key"], row["value"], row["headers"]) == (None, None, "[]")
    assert (row["original_key_bytes"], row["original_key_sha256"]) == (5_000, sha256(key).hexdigest())
    assert (row["original_bytes"], row["original_sha256"]) == (4_500, sha256(b"v" * 4_500).hexdigest())
    assert (row["original_headers"], row["original_headers_bytes"]) == (1, 6_005)
    assert row["original_headers_sha256"] == sha256(told).hexdigest()


def test_what_is_no_dead_letter() -> None:
    with pytest.raises(tables.InvalidRecord):
        tables.DEAD_LETTERS.rows_of(record(b"raw"))
