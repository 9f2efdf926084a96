"""The loop that a developer closes on a laptop: send through a provider's stand-in, play what it could tell, and read it in the timeline."""

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from tests.e2e.test_stops_hold import saved, sent

from tocsin.dev.sample import TENANT_SETTINGS
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

OF_A_MAIL = ["delivered", "bounced", "undelivered", "complained", "unsubscribed", "opened", "clicked"]
PLAYS = {
    "catcher-ses": OF_A_MAIL,
    "catcher-sendgrid": OF_A_MAIL,
    "catcher-mailgun": OF_A_MAIL,
    "catcher-postmark": OF_A_MAIL,
    "catcher-vonage": ["delivered", "undelivered"],
    "catcher-aws-sms": ["delivered", "undelivered"],
    "catcher-sns": [],
}
"""What each provider can tell of a message. SNS tells nothing."""
WORDS_OF_PROVIDERS = ("catcher.example", "no such mailbox", "the catcher", "192.0.2.1")
"""What stands in the callbacks beside the status: addresses that were clicked, sentences of servers, addresses of readers."""
TEXTS = {"catcher-vonage", "catcher-aws-sms", "catcher-sns"}
PARTS = {"email": {"subject": "Receipt", "text": "{{ data.order }}"}, "sms": {"body": "{{ data.order }}"}}


@pytest.fixture
async def tenant(tocsin: Any) -> AsyncIterator[dict[str, Any]]:
    """The tenant's settings, put back at the end."""
    yield TENANT_SETTINGS
    await saved(tocsin, "/v1/tenant", TENANT_SETTINGS)


@pytest.mark.parametrize("instance", sorted(PLAYS))
async def test_what_is_played_is_told_in_the_timeline(
    tocsin: Any, tenant: dict[str, Any], instance: str
) -> None:
    channel = "sms" if instance in TEXTS else "email"
    await saved(tocsin, "/v1/tenant", tenant | {"providers": {channel: [instance]}})
    key = f"plays-{instance}"
    await saved(tocsin, f"/v1/categories/{key}", {"default": "required"})
    await saved(tocsin, f"/v1/workflows/{key}", {"category": key, "channels": [channel], "lane": "critical"})
    template = {"parts": PARTS[channel], "publish": True}
    await saved(tocsin, f"/v1/workflows/{key}/templates/{channel}/default/en", template)

    message: dict[str, Any] = {}

    async def sent_by_it() -> bool:
        """The dispatcher's copy of the tenant's settings may be a moment older: then once more."""
        person = await tocsin.person()
        notification = await sent(tocsin, key, person.id)
        [last] = [
            status for status in await tocsin.until_final(notification, deliveries=1) if status["final"]
        ]
        assert last["status"] == "sent", last
        if last["provider"] != instance:
            return False
        message.update(notification=notification, delivery=last["delivery_id"])
        return True

    await until(sent_by_it, seconds=60, every=0.1)
    if not PLAYS[instance]:
        return
    [caught] = await tocsin.caught(message["notification"])
    assert (caught["delivery_id"], f"catcher-{caught['provider'].replace('_', '-')}") == (
        message["delivery"],
        instance,
    )
    url = f"/api/messages/{caught['id']}"
    assert (await tocsin.catcher.get(url)).json()["plays"] == PLAYS[instance]

    async def told(name: str) -> bool:
        statuses = await tocsin.statuses(message["notification"])
        return any(
            status["status"] == name and status.get("delivery_id") == message["delivery"]
            for status in statuses
        )

    for name in PLAYS[instance]:
        answer = await tocsin.catcher.put(f"{url}/receipts/{name}")
        assert answer.status_code == 204, answer.text
        await until(partial(told, name), seconds=60, every=0.1)
    told_of = json.dumps(await tocsin.statuses(message["notification"]))
    for words in WORDS_OF_PROVIDERS:
        assert words not in told_of
