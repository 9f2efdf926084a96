"""Provider kind `teams`: workflows of Microsoft Teams that a webhook starts, each a URL that may write to one channel or chat (Microsoft Support,
"Create incoming webhooks with Workflows for Microsoft Teams"). The URLs are secrets of the tenants who give them."""

from functools import partial
from typing import Final, Literal

import httpx
from pydantic import Field

from tocsin.channel import Answer, Idempotency, ProviderKind, Rejected
from tocsin.channel.guarded_http import AllowedTargets
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import Job
from tocsin.contracts.limits import ACTIONS_PER_MESSAGE
from tocsin.contracts.vocabulary import ChatKind
from tocsin.dispatch_chat.chat_job import content_of, too_long
from tocsin.dispatch_chat.teams_answers import answer_of
from tocsin.dispatch_chat.teams_card import message_of
from tocsin.dispatch_chat.webhook_provider import Hosts, WebhookConfig, WebhookProvider

TEAMS_HOSTS: Final = ("*.logic.azure.com", "*.environment.api.powerplatform.com")
LARGEST: Final = 28_000
"""Bytes of a message ("Microsoft Teams connector", known issues: "approximately 28 KB"). What is larger fails after the 202, and nobody would hear of it."""


class TeamsConfig(WebhookConfig):
    """`[[providers]]` with `kind = "teams"`."""

    kind: Literal["teams"]
    hosts: Hosts = Field(default=TEAMS_HOSTS, min_length=1)


class TeamsProvider(WebhookProvider):
    """All workflows of Teams. They know no idempotency keys: a second send arrives twice."""

    not_an_address = "The address is no workflow of Teams."

    def body(self, job: Job) -> bytes | Rejected:
        """The card; the URL says where it goes."""
        content = content_of(job)
        if isinstance(content, Rejected):
            return content
        body = encode(message_of(content))
        return body if len(body) <= LARGEST else too_long(len(body), LARGEST, "bytes as a card")

    def answer(self, job: Job, response: httpx.Response, *, retry_after: float | None) -> Answer:
        """What the response means."""
        return answer_of(
            response.status_code, response.content, message_id=job.delivery_id, retry_after=retry_after
        )


def teams_kind(allowed: AllowedTargets) -> ProviderKind[TeamsConfig]:
    """The kind, whose URLs may lead to `allowed` among its hosts."""
    return ProviderKind(
        title="Teams workflows",
        limit=f"{LARGEST // 1000} KB a message",
        actions=f"{ACTIONS_PER_MESSAGE} buttons",
        config=TeamsConfig,
        create=partial(TeamsProvider, allowed=allowed),
        idempotency=Idempotency.NONE,
        targets=frozenset({ChatKind.TEAMS}),
    )
