"""Values that tenants, recipients and providers give are marked and then searched for: in every topic, and in the logs, metrics and spans of every process.

What is a secret, or comes from outside without need, crosses Kafka sealed or not at all. What leads to a person's device or place crosses it only in the topics
of those who send to it, and stands nowhere else.
"""

import asyncio
import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from tests.e2e.test_secrecy import folder, raw_bytes
from tests.e2e.test_stops_hold import saved, sent

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev.providers import MAIL_TOKEN
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

BESIDE = {"kafka", "postgres", "postgresql", "catcher"}
"""Processes of the stack that are not Tocsin's."""
CHANNELS = ["email", "push", "chat", "webhook", "inapp"]
PARTS = {
    "email": {"subject": "Marked", "text": "{{ data.order }}"},
    "push": {"title": "Marked", "body": "{{ data.order }}"},
    "chat": {"text": "{{ data.order }}"},
    "webhook": {"body": "{{ data.order }}"},
    "inapp": {"title": "Marked", "body": "{{ data.order }}"},
}


@dataclass
class Marked:
    """Each value by what it is. `hidden` ones may stand in no topic at all, `shown` ones only where somebody sends to them."""

    hidden: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)

    def hide(self, what: str) -> str:
        """A new value that nobody else has."""
        self.hidden[what] = value = f"Marked-{what}-{uuid4().hex}".replace(" ", "-")
        return value


async def everything_is_set(tocsin: Any, marked: Marked, *, key: str) -> str:
    """The tenant's endpoint and inbox key, and a person with a browser, a Slack webhook and an inbox. Returns the person's id."""
    await saved(tocsin, f"/v1/categories/{key}", {"default": "required"})
    await saved(tocsin, f"/v1/workflows/{key}", {"category": key, "channels": CHANNELS, "lane": "critical"})
    for channel, parts in PARTS.items():
        template = {"parts": parts, "publish": True}
        await saved(tocsin, f"/v1/workflows/{key}/templates/{channel}/default/en", template)
    secret = b64encode(marked.hide("endpoint's secret").encode()[:48]).decode()
    marked.hidden["endpoint's secret"] = secret.rstrip("=")
    marked.shown["endpoint's path"] = path = f"marked-path-{uuid4().hex}"
    endpoint = {
        "name": "Marked",
        "url": f"{tocsin.stack['catcher']}/webhooks/{path}",
        "secrets": [f"whsec_{secret}"],
        "headers": {"X-Marked": marked.hide("endpoint's header")},
    }
    await saved(tocsin, f"/v1/webhook-endpoints/{key}", endpoint)
    inbox_key = {"id": key, "algorithm": "HS256", "secret": marked.hide("secret of the inbox key")}
    await saved(tocsin, "/v1/tenant/inbox-keys", {"keys": [inbox_key]})

    person = await tocsin.person()
    subscription = (await tocsin.catcher.post("/push", json={})).raise_for_status().json()
    marked.shown["push endpoint"] = subscription["endpoint"].rpartition("/")[2]
    marked.shown["push secret"] = subscription["keys"]["auth"]
    device = {"token": json.dumps(subscription, separators=(",", ":")), "kind": "webpush"}
    await saved(tocsin, f"/v1/recipients/{person.id}/devices/{person.id}-browser", device)
    marked.shown["Slack webhook"] = hook = f"marked{uuid4().hex}"
    place = {
        "id": "room",
        "kind": "slack_webhook",
        "address": f"{tocsin.stack['catcher']}/services/T0/B0/{hook}",
    }
    body = {"email": person.email, "locale": "en", "chats": [place]}
    await saved(tocsin, f"/v1/recipients/{person.id}", body)
    marked.shown["mail address"] = person.email
    return str(person.id)


async def the_inbox_is_opened(tocsin: Any, marked: Marked, *, key: str, recipient: str) -> None:
    """With a token of the recipient's, a token that is none, and a ticket, which opens a stream."""
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "tid": tocsin.sample["tenant"],
        "sub": recipient,
        "aud": "tocsin:inbox",
        "iat": now,
        "exp": now + 600,
    }
    secret = marked.hidden["secret of the inbox key"]
    token = jwt.encode(claims, secret, algorithm="HS256", headers={"kid": key})
    marked.hidden["recipient's token"] = token.rpartition(".")[2]
    async with httpx.AsyncClient(base_url=tocsin.stack["entry"], timeout=30) as client:

        async def known() -> bool:
            """The key comes to the service over Kafka."""
            answer = await client.get("/v1/inbox/items", headers={"authorization": f"Bearer {token}"})
            return answer.status_code == 200

        await until(known, seconds=60, every=0.1)
        wrong = {"authorization": f"Bearer {marked.hide('token of nobody')}"}
        assert (await client.get("/v1/inbox/items", headers=wrong)).status_code == 401
        answer = await client.post("/v1/inbox/tickets", headers={"authorization": f"Bearer {token}"})
        marked.hidden["ticket"] = ticket = answer.raise_for_status().json()["ticket"]
        async with client.stream("GET", "/v1/inbox/events", params={"ticket": ticket}) as stream:
            assert stream.status_code == 200
        none = await client.get("/v1/inbox/events", params={"ticket": marked.hide("ticket of nobody")})
        assert none.status_code == 401


async def all_told(tocsin: Any, notification: str) -> bool:
    """Whether each channel has taken a message. The marked endpoint has refused its own: the catcher knows another secret."""
    told = {
        (status["channel"], status["status"])
        for status in await tocsin.statuses(notification)
        if "channel" in status
    }
    return {(channel, "sent") for channel in CHANNELS} | {("webhook", "deferred")} <= told


async def providers_tell(tocsin: Any, marked: Marked, *, notification: str) -> None:
    """A bounce of the mail, with words and another address in it; a click with its URL; callbacks that are refused."""
    [mail] = [caught for caught in await tocsin.caught(notification) if caught["channel"] == "email"]
    head = mail["raw"].replace("\r\n", "\n").partition("\n\n")[0].replace("\n", "\r\n")
    words, other = marked.hide("bounce text"), marked.hide("forwarded address").lower()
    marked.hidden["forwarded address"] = other
    report = (
        "From: MAILER-DAEMON@x.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        f"--b\r\nContent-Type: text/plain\r\n\r\n{words}\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; x.example\r\n\r\nFinal-Recipient: rfc822; {other}@x.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 {words}\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{head}\r\n--b--\r\n"
    )
    login = (folder(tocsin) / "receipt-keys" / "postmark-login").read_text().strip()
    click = {
        "RecordType": "Click",
        "MessageID": str(uuid4()),
        "OriginalLink": f"https://x.example/{marked.hide('clicked URL')}",
        "Metadata": {"tocsin_ref_0": marked.hide("ref of nobody")},
    }
    wrong = {"authorization": f"Bearer {marked.hide('token of a forger')}"}
    form = {"MessageSid": marked.hide("forged message"), "MessageStatus": "delivered"}
    async with httpx.AsyncClient(base_url=tocsin.stack["entry"], timeout=30) as client:
        calls: list[tuple[str, dict[str, Any], int]] = [
            ("/email/callbacks/catcher/mail", {"content": report, "headers": {"authorization": f"Bearer {MAIL_TOKEN}"}}, 200),
            ("/email/callbacks/catcher/mail", {"content": report, "headers": wrong}, 403),
            ("/email/callbacks/catcher-postmark", {"json": click, "auth": tuple(login.split(":", 1))}, 200),
            (f"/sms/callbacks/catcher?ref={marked.hide('ref of a forger')}", {"data": form}, 403),
            (f"/sms/callbacks/{marked.hide('instance')}/x", {"content": b"x"}, 404),
        ]  # fmt: skip
        for path, sent_with, status in calls:
            assert (await client.post(path, **sent_with)).status_code == status, path

    async def bounced() -> bool:
        return any(status["status"] == "bounced" for status in await tocsin.statuses(notification))

    await until(bounced, seconds=60, every=0.1)


async def test_no_marked_value_stands_where_it_does_not_belong(tocsin: Any, span_collector: Any) -> None:
    marked, key = Marked(), f"marked-{uuid4().hex[:8]}"
    recipient = await everything_is_set(tocsin, marked, key=key)
    try:
        await the_inbox_is_opened(tocsin, marked, key=key, recipient=recipient)
        notification = await sent(tocsin, key, recipient)
        await until(partial(all_told, tocsin, notification), seconds=60, every=0.1)
        await providers_tell(tocsin, marked, notification=notification)
    finally:
        await tocsin.admin.delete(f"/v1/webhook-endpoints/{key}")

    topics = {topic.name: await raw_bytes(tocsin, topic.name) for topic in Topics().all()}
    texts = {f"topic {name}": text for name, text in topics.items() if name not in _may_show()}
    texts |= await _logs_and_metrics(tocsin) | {"the spans": b"".join(span_collector.bodies)}
    for place, text in texts.items():
        for what, value in (marked.hidden | marked.shown).items():
            assert value.encode() not in text, f"{what} stands in {place}"
    for name, text in topics.items():
        for what, value in marked.hidden.items():
            assert value.encode() not in text, f"{what} stands in topic {name}"
    everywhere = b"".join(topics.values())
    for what, value in marked.shown.items():
        assert value.encode() in everywhere, f"{what} was not among what was searched"


def _may_show() -> set[str]:
    """Topics of those who send, or decide what is sent: jobs, what is waiting to become one, and the directory."""
    topics = Topics()
    jobs = {topics.jobs(channel, lane) for channel in Channel for lane in Lane}
    waiting = {name for lane in Lane for name in (topics.intents(lane), topics.timers(lane))}
    return jobs | waiting | {topics.directory}


async def _logs_and_metrics(tocsin: Any) -> dict[str, bytes]:
    """Of every process of Tocsin's own, the roles that take receipts among them."""
    processes = {name: kept for name, kept in tocsin.endpoints()["processes"].items() if name not in BESIDE}
    assert {channel.dispatcher for channel in Channel} <= processes.keys()
    assert {"dispatch-email-callbacks", "dispatch-sms-callbacks", "router", "ingest"} <= processes.keys()
    texts = {
        f"{name}'s log": await asyncio.to_thread(Path(kept["log"]).read_bytes)
        for name, kept in processes.items()
    }
    async with httpx.AsyncClient() as client:
        for name, address in tocsin.endpoints()["operations"].items():
            for path in ("/metrics", "/internal/providers", "/readyz"):
                answer = await client.get(f"{address}{path}")
                texts[f"{name}'s {path}"] = answer.content
            assert b"tocsin_" in texts[f"{name}'s /metrics"]
    return texts
