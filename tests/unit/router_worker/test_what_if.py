"""What would have been decided: recorded intents, decided again under other circumstances, by the policy alone.

No Kafka, no database, no renderer and no event loop: the policy cannot even import them (.importlinter).
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tocsin.contracts.directory import CategoryRecord, Step, TemplateRecord, TenantRecord, WorkflowRecord
from tocsin.contracts.intents import Intent
from tocsin.contracts.recipients import Device
from tocsin.contracts.vocabulary import Channel
from tocsin.router.policy import DecisionInput, Deliver, Preference, StoredRecipient, decide

CHANGED_AT = datetime(2025, 12, 1, tzinfo=UTC)
GOLDEN = Path(__file__).parents[2] / "contract" / "golden" / "v1"


def recorded(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes()


TENANT = msgspec.json.decode(recorded("directory_tenant"), type=TenantRecord)
CATEGORY = msgspec.structs.replace(
    msgspec.json.decode(recorded("directory_category"), type=CategoryRecord), default="on"
)
WORKFLOW = msgspec.structs.replace(
    msgspec.json.decode(recorded("directory_workflow"), type=WorkflowRecord),
    steps=[Step(name="1", channels=(Channel.EMAIL, Channel.SMS, Channel.PUSH))],
)
TEMPLATE = msgspec.json.decode(recorded("directory_template"), type=TemplateRecord)
STORED = StoredRecipient(
    known=True,
    email="ada@example.org",
    phone="+4915112345678",
    devices=(Device(id="d1", token="t1"), Device(id="d2", token="t2")),
)
SMS_OFF = msgspec.structs.replace(
    STORED, preferences=(Preference("sms", "*", "*", False, "api", CHANGED_AT),)
)


@pytest.mark.parametrize(
    ("intent", "circumstances", "expected"),
    [
        ("intent", {}, ["email:1", "sms:1", "push:2"]),
        ("intent", {"stored": SMS_OFF}, ["email:1", "preference", "push:2"]),
        ("intent", {"stored": StoredRecipient(known=True)}, ["address"] * 3),
        ("intent", {"stored": StoredRecipient()}, ["recipient"]),
        ("intent", {"workflow": None, "category": None}, ["category"]),
        ("intent", {"category": None}, ["category"]),
        ("intent", {"category": msgspec.structs.replace(CATEGORY, default="off")}, ["category"] * 3),
        ("intent", {"category": msgspec.structs.replace(CATEGORY, ttl_seconds=1)}, ["expiry"]),
        ("intent", {"templates": {}}, ["template"] * 3),
        ("intent_one_delivery", {}, ["push:1"]),
        ("intent_one_delivery", {"stored": StoredRecipient()}, ["push:1"]),  # all is given inline
        ("intent_one_delivery", {"tenant": None}, ["category"]),
    ],
)
def test_recorded_intents_decided_anew(intent, circumstances, expected):
    asked = msgspec.json.decode(recorded(intent), type=Intent)
    fields: dict[str, Any] = {
        "intent": msgspec.structs.replace(asked, expires_at=None),
        "claim": "claimed",
        "now": asked.event_time + timedelta(seconds=5),
        "stored": STORED,
        "stored_actor": None,
        "tenant": TENANT,
        "workflow": WORKFLOW,
        "category": CATEGORY,
        "templates": {
            (channel, "default"): {TENANT.default_locale: TEMPLATE}
            for channel in (Channel.EMAIL, Channel.SMS, Channel.PUSH)
        },
    }
    verdict = decide(DecisionInput(**(fields | circumstances)))
    decided = [
        f"{outcome.ref.channel}:{len(outcome.destinations)}"
        if isinstance(outcome, Deliver)
        else outcome.rule.value
        for outcome in verdict.channels
    ]
    assert (decided or [str(verdict.rule)]) == expected
