"""The catcher in place of Teams' workflows: what our provider sends is caught, and what the real one refuses is refused."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tocsin.catcher.testing import RunningCatcher
from tocsin.channel import Accepted, Rejected, Throttled
from tocsin.channel.provider_config import read_providers
from tocsin.contracts.jobs import Action, ChatContent
from tocsin.contracts.vocabulary import Channel, ChatKind, Reason
from tocsin.dispatch_chat.settings import kinds_for
from tocsin.dispatch_chat.teams_card import message_of
from tocsin.runtime import SystemClock
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.testing.jobs import job_for

CONTENT = ChatContent(
    text="<b> & *A-1*\nis late", title="Lost", actions=[Action(label="Open", url="https://shop.example/1")]
)
SIGNED = "triggers/manual/paths/invoke?api-version=2016-06-01&sig=secret"


async def send(catcher: RunningCatcher, folder: Path, workflow: str) -> Any:
    """The answer of our provider."""
    (folder / "p.toml").write_text('[[providers]]\nname = "c"\nkind = "teams"\nhosts = ["127.0.0.1"]\n')
    kinds = kinds_for(AllowedTargets(["127.0.0.1:*"]))
    config = read_providers(folder / "p.toml", kinds, {}).configs["c"]
    provider = kinds["teams"].create(config, SystemClock())
    await provider.open()
    try:
        address = f"{catcher.url}/workflows/{workflow}/{SIGNED}"
        return await provider.send(
            job_for(Channel.CHAT, target=ChatKind.TEAMS, content=CONTENT, address=address)
        )
    finally:
        await provider.close()


async def test_our_card_is_caught_and_shown(catcher: RunningCatcher, tmp_path: Path) -> None:
    assert isinstance(await send(catcher, tmp_path, "0a1b"), Accepted)
    (message,) = catcher.messages(channel="chat")
    assert (message["to"], message["from"]) == ("0a1b", "Teams")
    assert (message["title"], message["text"]) == ("Lost", "<b> & *A-1*\nis late")
    assert message["actions"] == [{"label": "Open", "url": "https://shop.example/1"}]
    assert message["notification_id"] == job_for(Channel.CHAT).notification_id
    assert "secret" not in json.dumps(message)


@pytest.mark.parametrize(
    ("workflow", "answer", "reason"),
    [
        ("gone", Rejected, Reason.ADDRESS_GONE),
        ("off", Rejected, Reason.RECIPIENT_REFUSED),
        ("busy", Throttled, None),
    ],
)
async def test_workflows_that_are_not_well(
    catcher: RunningCatcher, tmp_path: Path, workflow: str, answer: type, reason: Reason | None
) -> None:
    got = await send(catcher, tmp_path, workflow)
    assert (type(got), getattr(got, "reason", None)) == (answer, reason)
    assert catcher.messages() == []


CARD = message_of(CONTENT)["attachments"][0]["content"]


def envelope(**card: Any) -> dict[str, Any]:
    attached = {"contentType": "application/vnd.microsoft.card.adaptive", "content": CARD | card}
    return {"type": "message", "attachments": [attached]}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (envelope(), 202, None),
        ({"text": "Hello"}, 400, "TriggerInputSchemaMismatch"),
        ({"type": "message", "attachments": None}, 400, "TriggerInputSchemaMismatch"),
        (envelope(type="Card"), 400, "TriggerInputSchemaMismatch"),
        (envelope(body=[]), 400, "TriggerInputSchemaMismatch"),
        (envelope(body=[{"type": "Paragraph", "text": "x"}]), 400, "TriggerInputSchemaMismatch"),
        (envelope(body=[{"type": "RichTextBlock", "inlines": None}]), 400, "TriggerInputSchemaMismatch"),
        (envelope(actions=[{"type": "Action.OpenUrl", "title": "x"}]), 400, "TriggerInputSchemaMismatch"),
        (envelope(body=[{"type": "TextBlock", "text": "x" * 28_000}]), 413, "RequestEntityTooLarge"),
        (None, 400, "InvalidRequestContent"),
    ],
)
def test_what_teams_would_not_show_is_refused(
    catcher: RunningCatcher, body: object, status: int, code: str | None
) -> None:
    url = f"{catcher.url}/workflows/0a1b/{SIGNED}"
    answer = httpx.post(url, content=b"{" if body is None else json.dumps(body).encode())
    assert answer.status_code == status
    assert (answer.json()["error"]["code"] if code else None) == code
    assert len(catcher.messages()) == (status == 202)


def test_a_url_without_its_signature_is_refused(catcher: RunningCatcher) -> None:
    answer = httpx.post(f"{catcher.url}/workflows/0a1b/triggers/manual/paths/invoke", json=envelope())
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "DirectApiAuthorizationRequired"
