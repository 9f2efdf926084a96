"""Slack's endpoints: our providers send to them, and what the real ones refuse is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tocsin.catcher.testing import RunningCatcher
from tocsin.channel import Accepted, NotSent, Rejected, Throttled
from tocsin.channel.provider_config import read_providers
from tocsin.contracts.jobs import Action, ChatContent
from tocsin.contracts.vocabulary import Channel, ChatKind, Reason
from tocsin.dispatch_chat.settings import kinds_for
from tocsin.runtime import SystemClock
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.testing.jobs import job_for

TOKEN = "xoxb-catcher"
CONTENT = ChatContent(
    title="Lost", text="<b> & *A-1*", actions=[Action(label="Open", url="https://shop.example/1")]
)
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}
BUTTON = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "x"}}


@pytest.fixture(scope="module")
def own_catcher(start_catcher: Callable[..., RunningCatcher]) -> RunningCatcher:
    return start_catcher(CATCHER_SLACK_BOT_TOKEN=TOKEN)


@pytest.fixture
def catcher(own_catcher: RunningCatcher) -> RunningCatcher:
    own_catcher.clear()
    return own_catcher


async def send(catcher: RunningCatcher, folder: Path, kind: str, **fields: Any) -> Any:
    """The answer of our provider of this kind."""
    (folder / "token").write_text(TOKEN)
    entries = {
        "slack": f'base_url = "{catcher.url}/api"\nbot_token_file = "token"\ntenants = ["*"]',
        "slack_webhook": 'hosts = ["127.0.0.1"]',
    }
    (folder / "p.toml").write_text(f'[[providers]]\nname = "c"\nkind = "{kind}"\n{entries[kind]}\n')
    kinds = kinds_for(AllowedTargets(["127.0.0.1:*"]))
    config = read_providers(folder / "p.toml", kinds, {}).configs["c"]
    provider = kinds[kind].create(config, SystemClock())
    await provider.open()
    try:
        return await provider.send(job_for(Channel.CHAT, target=kind, **fields))
    finally:
        await provider.close()


async def test_our_bots_message_is_caught_and_shown(catcher: RunningCatcher, tmp_path: Path) -> None:
    assert isinstance(await send(catcher, tmp_path, ChatKind.SLACK, content=CONTENT, address="C1"), Accepted)
    (message,) = catcher.messages(channel="chat")
    assert (message["to"], message["from"]) == ("C1", "Slack")
    assert (message["title"], message["text"]) == ("Lost", "<b> & *A-1*")
    assert message["actions"] == [{"label": "Open", "url": "https://shop.example/1"}]
    assert message["notification_id"] == job_for(Channel.CHAT).notification_id


async def test_our_webhooks_message_is_caught(catcher: RunningCatcher, tmp_path: Path) -> None:
    url = f"{catcher.url}/services/T0/B0/secret"
    assert isinstance(await send(catcher, tmp_path, ChatKind.SLACK_WEBHOOK, address=url), Accepted)
    (message,) = catcher.messages(to="T0/B0")
    assert (message["from"], message["text"]) == ("Slack webhook", "marked-body")
    assert "secret" not in json.dumps(message)


@pytest.mark.parametrize(
    ("kind", "address", "answer", "reason"),
    [
        (ChatKind.SLACK, "C0ARCHIVED", Rejected, Reason.RECIPIENT_REFUSED),
        (ChatKind.SLACK, "C0NOTMINE", Rejected, Reason.RECIPIENT_REFUSED),
        (ChatKind.SLACK, "C0UNKNOWN", Rejected, Reason.ADDRESS_INVALID),
        (ChatKind.SLACK, "C0BUSY", Throttled, None),
        (ChatKind.SLACK_WEBHOOK, "/services/T0/B0/gone", Rejected, Reason.ADDRESS_GONE),
        (ChatKind.SLACK_WEBHOOK, "/services/T0/B0/archived", Rejected, Reason.RECIPIENT_REFUSED),
        (ChatKind.SLACK_WEBHOOK, "/services/T0/B0/prohibited", Rejected, Reason.RECIPIENT_REFUSED),
        (ChatKind.SLACK_WEBHOOK, "/services/T0/B0/busy", Throttled, None),
        (ChatKind.SLACK_WEBHOOK, "/nothing/here", NotSent, Reason.RECIPIENT_REFUSED),
    ],
)
async def test_places_that_are_not_well(
    *, catcher: RunningCatcher, tmp_path: Path, kind: str, address: str, answer: type, reason: Reason | None
) -> None:
    url = f"{catcher.url}{address}" if address.startswith("/") else address
    got = await send(catcher, tmp_path, kind, address=url)
    assert (type(got), getattr(got, "reason", None)) == (answer, reason)
    assert catcher.messages() == []


@pytest.mark.parametrize(
    ("message", "headers", "error"),
    [
        ({"channel": "C1", "text": "x"}, {"authorization": ""}, "not_authed"),
        ({"channel": "C1", "text": "x"}, {"authorization": "Bearer xoxb-other"}, "invalid_auth"),
        ({"channel": "C1", "text": "x"}, {"content-type": "text/plain"}, "invalid_post_type"),
        ([], {}, "invalid_arguments"),
        ({"text": "x"}, {}, "channel_not_found"),
        ({"channel": "C1"}, {}, "no_text"),
        ({"channel": "C1", "text": "x", "colour": "red"}, {}, "invalid_arguments"),
        ({"channel": "C1", "text": "x" * 40_001}, {}, "msg_too_long"),
        ({"channel": "C1", "blocks": "x"}, {}, "invalid_blocks_format"),
        ({"channel": "C1", "blocks": [SECTION] * 51}, {}, "invalid_blocks"),
        ({"channel": "C1", "blocks": [{"type": "poem"}]}, {}, "invalid_blocks"),
        ({"channel": "C1", "blocks": [SECTION | {"text": {"type": "mrkdwn", "text": "x" * 3001}}]}, {}, "invalid_blocks"),
        ({"channel": "C1", "blocks": [{"type": "actions", "elements": [BUTTON, BUTTON]}]}, {}, "invalid_blocks"),
        ({"channel": "C1", "blocks": [{"type": "actions", "elements": [BUTTON | {"url": "ftp://x"}]}]}, {}, "invalid_blocks"),
        ({"channel": "C1", "blocks": [SECTION | {"text": {"type": "mrkdwn", "text": "x" * 3000}}] * 5}, {}, "msg_blocks_too_long"),
    ],
)  # fmt: skip
def test_what_slack_refuses(
    catcher: RunningCatcher, message: object, headers: dict[str, str], error: str
) -> None:
    given = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"} | headers
    answer = httpx.post(f"{catcher.url}/api/chat.postMessage", content=json.dumps(message), headers=given)
    assert answer.json() == {"ok": False, "error": error}
    assert catcher.messages() == []


@pytest.mark.parametrize("message", [{"channel": "C1", "text": "x"}, {"text": "x", "metadata": {}}, []])
def test_what_a_webhook_does_not_take(catcher: RunningCatcher, message: object) -> None:
    answer = httpx.post(f"{catcher.url}/services/T0/B0/x", json=message)
    assert (answer.status_code, answer.text) == (400, "invalid_payload")
