"""After a full run no log, metric, trace or status holds a recipient's address, a body, or a key; no topic holds a secret."""

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.providers import TWILIO_TOKEN
from tocsin.kafka import KafkaSettings, read_to_end

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

BODY = "Zanzibar-Quetzal-Body"
INBOX_SECRET = "Marked-Secret-Of-A-Tenants-Own-Server"
MAY_NAME_A_RECIPIENT = {"router's log", *(Topics().status(lane) for lane in Lane)}
SERVICES = {
    "ingest",
    "router",
    "ledger",
    "dispatch-email",
    "dispatch-sms",
    "dispatch-push",
    "dispatch-webhook",
}


async def test_addresses_bodies_and_keys_stay_where_they_belong(tocsin, span_collector):
    person = await tocsin.person()
    data = {"order": BODY, "carrier": "ParcelCo", "arrives": "Friday"}
    body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": data}
    answer = await tocsin.api.post("/v1/notifications", json=body)
    notification = answer.json()["notifications"][0]["notification_id"]
    await tocsin.assert_three_messages(notification)
    await tocsin.api.post("/v1/notifications", json=body | {"workflow": "none"})  # faults are logged too
    await tocsin.api.post(
        "/v1/notifications", json=body, headers={"authorization": "Bearer tk_live_x_wrongsecret"}
    )

    texts = await logs(tocsin) | await metrics(tocsin) | await status(tocsin)
    texts["the spans"] = b"".join(span_collector.bodies).decode(errors="replace")
    secrets = [BODY, person.email, person.phone, person.token, "Secret-Name", "wrongsecret"]
    for name, text in texts.items():
        for secret in [*secrets, *keys(tocsin), *installation_secrets(tocsin)]:
            assert secret not in text, f"{secret!r} stands in {name}"
        assert person.id not in text or name in MAY_NAME_A_RECIPIENT, f"a recipient's id stands in {name}"


async def test_no_secret_ever_crosses_kafka(tocsin):
    person = await tocsin.person()
    data = {"order": BODY, "carrier": "ParcelCo", "arrives": "Friday"}
    body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": data}
    answer = await tocsin.api.post("/v1/notifications", json=body)
    await tocsin.assert_three_messages(answer.json()["notifications"][0]["notification_id"])
    made = await tocsin.admin.post("/v1/api-keys", json={"name": "secrecy", "scopes": ["send"]})
    assert made.is_success, made.text
    *_, new_secret = made.json()["key"].split("_")
    inbox_key = {"id": "secrecy", "algorithm": "HS256", "secret": INBOX_SECRET}
    saved = await tocsin.admin.put("/v1/tenant/inbox-keys", json={"keys": [inbox_key]})
    assert saved.is_success, saved.text

    made_secrets = [new_secret, INBOX_SECRET]
    secrets = [*keys(tocsin), *made_secrets, *provider_secrets(tocsin), *installation_secrets(tocsin)]
    seen = b""
    for topic in Topics().all():
        held = await raw_bytes(tocsin, topic.name)
        seen += held
        for secret in secrets:
            assert secret.encode() not in held, f"a secret stands in {topic.name}"
    assert person.email.encode() in seen  # the jobs were among what was searched
    assert b'"sealed"' in seen  # and the directory after it had the tenant's secret, sealed


async def logs(tocsin) -> dict[str, str]:
    paths = {
        name: Path(process["log"]) for name, process in tocsin.stack["processes"].items() if name in SERVICES
    }
    return {f"{name}'s log": await asyncio.to_thread(path.read_text) for name, path in paths.items()}


async def metrics(tocsin) -> dict[str, str]:
    """Of each service, from the port of its own that is for them."""
    texts = {}
    async with httpx.AsyncClient() as client:
        for name in SERVICES:
            answer = await client.get(f"{tocsin.stack['operations'][name]}/metrics")
            assert "tocsin_" in answer.raise_for_status().text
            texts[f"{name}'s metrics"] = answer.text
    return texts


async def status(tocsin) -> dict[str, str]:
    topics = [Topics().status(lane) for lane in Lane]
    return {topic: (await raw_bytes(tocsin, topic)).decode() for topic in topics}


async def raw_bytes(tocsin, topic: str) -> bytes:
    """Every key, value and header of the topic."""
    settings = KafkaSettings(bootstrap_servers=tocsin.stack["kafka"])
    texts = []
    async for batch in read_to_end(settings=settings, topic=topic, deadline=30):
        for record in batch:
            texts += [record.key or b"", record.value or b"", *(value for _, value in record.headers)]
    return b"\n".join(texts)


def keys(tocsin) -> list[str]:
    """The secret halves of the API keys."""
    return [tocsin.stack[name].rsplit("_", 1)[-1] for name in ("api_key", "admin_key")]


def provider_secrets(tocsin) -> list[str]:
    """What opens the providers' endpoints: Twilio's token, and lines from within FCM's private key."""
    account = json.loads((folder(tocsin) / "fcm-account.json").read_text())
    return [TWILIO_TOKEN, *account["private_key"].splitlines()[1:-1]]


def installation_secrets(tocsin) -> list[str]:
    """What opens the database, signs unsubscribe links and hashes addresses."""
    kept = [folder(tocsin) / "data" / f"{name}-secret.json" for name in ("unsubscribe", "hash")]
    password = urlsplit(tocsin.stack["database"]).password
    assert password
    return [password, *(json.loads(path.read_text())["secret"] for path in kept)]


def folder(tocsin) -> Path:
    """Where the stack keeps its files."""
    return Path(next(iter(tocsin.stack["processes"].values()))["log"]).parents[1]
