"""Slack as its documentation describes it: `chat.postMessage` for one bot, and one incoming webhook. Blocks are judged by Slack's own SDK."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from slack_sdk.models.blocks import Block
from tests.provider_account import NOW

from tocsin.channel import Provider, ProviderKind
from tocsin.contracts.vocabulary import Channel, ChatKind
from tocsin.dispatch_chat.settings import kinds_for
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.testing.clock import ManualClock
from tocsin.testing.http_world import HttpWorld, Response
from tocsin.testing.provider_suite import Behaviour

TOKEN = "xoxb-marked-token"
HOOK = "/services/T0/B0/marked-address"


def judge_blocks(blocks: list[dict[str, Any]]) -> None:
    """Slack's SDK reads every block, and finds nothing wrong with its lengths and values."""
    read = Block.parse_all(blocks)
    assert [block.type for block in read] == [block["type"] for block in blocks]
    for block in read:
        block.validate_json()
    assert len(blocks) <= 50


def error(word: str, status: int = 200, **headers: str) -> Response:
    """A refusal by the Web API."""
    body = {"ok": False, "error": word, "needed": "marked-body", "provided": "C0MARKEDADDRESS"}
    return status, headers, json.dumps(body).encode()


class SlackWorld(HttpWorld):
    """What a bot and a webhook have in common."""

    channel = Channel.CHAT
    server_loggers: tuple[str, ...] = ("httpx",)
    """Its lines hold whole URLs: services log none of them (`observability.logging`)."""
    kind: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.clock = ManualClock(NOW)
        self.messages: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []
        (folder / "token").write_text(TOKEN)

    @property
    def job_fields(self) -> dict[str, object]:
        return {"target": self.kind}

    def entry(self) -> dict[str, object]:
        return {"name": "test", "kind": self.kind}

    @asynccontextmanager
    async def provider(
        self, *, call_timeout: float = 10.0, allow: Sequence[str] = ("127.0.0.1:*",), **fields: object
    ) -> AsyncIterator[Provider]:
        kind: ProviderKind[Any] = kinds_for(AllowedTargets(allow))[self.kind]
        entry = self.entry() | {"call_timeout": call_timeout} | fields
        config = kind.config.model_validate(entry, context={"folder": self.folder})
        provider = kind.create(config, self.clock)
        await provider.open()
        yield provider
        await provider.close()

    def keep(self, head: dict[str, str], body: bytes) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(body)
        judge_blocks(message["blocks"])
        assert 1 <= len(message["text"]) <= 40_000
        self.messages.append(message)
        self.heads.append(head)
        self.taken += 1
        return message


class SlackBot(SlackWorld):
    """One workspace with one bot."""

    kind = ChatKind.SLACK
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: error("channel_not_found"),
        Behaviour.THROTTLES: error("ratelimited", 429, **{"Retry-After": "7"}),
        Behaviour.REFUSES_CREDENTIALS: error("invalid_auth"),
    }

    def entry(self) -> dict[str, object]:
        return super().entry() | {
            "bot_token_file": "token",
            "tenants": ["acme"],
            "base_url": f"{self.url}/api",
        }

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        assert first == "POST /api/chat.postMessage HTTP/1.1"
        assert head["authorization"] == f"Bearer {TOKEN}"
        assert head["content-type"] == "application/json; charset=utf-8"
        message = self.keep(head, body)
        assert message.keys() == {"channel", "text", "blocks", "unfurl_links", "unfurl_media", "metadata"}
        ts = f"1503435956.{self.taken:06}"
        told = {"ok": True, "channel": message["channel"], "ts": ts, "message": {"text": message["text"]}}
        return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()


class SlackHook(SlackWorld):
    """One incoming webhook."""

    kind = ChatKind.SLACK_WEBHOOK
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: (404, {}, b"no_service"),
        Behaviour.THROTTLES: (429, {"Retry-After": "7"}, b"rate_limited"),
        Behaviour.REFUSES_CREDENTIALS: (403, {}, b"invalid_token"),
    }

    @property
    def job_fields(self) -> dict[str, object]:
        return super().job_fields | {"address": f"{self.url}{HOOK}"}

    def entry(self) -> dict[str, object]:
        return super().entry() | {"hosts": ["hooks.slack.com", "127.0.0.1"]}

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        assert first == f"POST {HOOK} HTTP/1.1"
        assert head["content-type"] == "application/json"
        message = self.keep(head, body)
        assert message.keys() == {"text", "blocks", "unfurl_links", "unfurl_media"}
        return 200, {"Content-Type": "text/html"}, b"ok"
