"""A workflow of Microsoft Teams as its documentation describes it: it takes one envelope with one card, and answers 202."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from tests.provider_account import NOW

from tocsin.channel import Provider, ProviderKind
from tocsin.contracts.vocabulary import Channel, ChatKind
from tocsin.dispatch_chat.settings import kinds_for
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.testing.clock import ManualClock
from tocsin.testing.http_world import HttpWorld, Response
from tocsin.testing.provider_suite import Behaviour

PATH = "/workflows/0a1b/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=marked-address"
_LARGEST = 28_000


def refusal(status: int, code: str, **headers: str) -> Response:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return (
        status,
        told,
        json.dumps({"error": {"code": code, "message": "marked-address is refused"}}).encode(),
    )


class TeamsWorkflow(HttpWorld):
    """One workflow. `cards` are those that it took."""

    channel = Channel.CHAT
    server_loggers: tuple[str, ...] = ("httpx",)
    """Its lines hold whole URLs: services log none of them (`observability.logging`)."""
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(404, "WorkflowNotFound"),
        Behaviour.THROTTLES: refusal(429, "TooManyRequests", Retry_After="7"),
        Behaviour.REFUSES_CREDENTIALS: refusal(401, "DirectApiAuthorizationRequired"),
    }

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.clock = ManualClock(NOW)
        self.cards: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []

    @property
    def job_fields(self) -> dict[str, object]:
        return {"target": ChatKind.TEAMS, "address": f"{self.url}{PATH}"}

    @asynccontextmanager
    async def provider(
        self, *, call_timeout: float = 10.0, allow: Sequence[str] = ("127.0.0.1:*",), **fields: object
    ) -> AsyncIterator[Provider]:
        kind: ProviderKind[Any] = kinds_for(AllowedTargets(allow))["teams"]
        entry = {"name": "test", "kind": "teams", "hosts": ["*.logic.azure.com", "127.0.0.1"]}
        config = kind.config.model_validate(entry | {"call_timeout": call_timeout} | fields)
        provider = kind.create(config, self.clock)
        await provider.open()
        yield provider
        await provider.close()

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        assert first == f"POST {PATH} HTTP/1.1"
        assert head["content-type"] == "application/json"
        assert len(body) <= _LARGEST
        message = json.loads(body)
        assert message["type"] == "message"
        [attached] = message["attachments"]
        assert attached.keys() == {"contentType", "contentUrl", "content"}
        assert attached["contentType"] == "application/vnd.microsoft.card.adaptive"
        self.cards.append(attached["content"])
        self.heads.append(head)
        self.taken += 1
        return 202, {}, b""
