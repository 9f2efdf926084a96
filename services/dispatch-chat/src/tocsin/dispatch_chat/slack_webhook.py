"""Provider kind `slack_webhook`: incoming webhooks of Slack, each a URL that may write to one channel (Slack, "Sending messages using incoming
webhooks"). The URLs are secrets of the tenants who give them."""

from functools import partial
from typing import Any, Final, Literal

import httpx
from pydantic import Field

from tocsin.channel import Answer, Idempotency, ProviderKind, Rejected
from tocsin.channel.guarded_http import AllowedTargets
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import Job
from tocsin.contracts.limits import ACTIONS_PER_MESSAGE
from tocsin.contracts.vocabulary import ChatKind
from tocsin.dispatch_chat.chat_job import content_of
from tocsin.dispatch_chat.slack_message import LONGEST_TEXT, message_of
from tocsin.dispatch_chat.slack_webhook_answers import answer_of
from tocsin.dispatch_chat.webhook_provider import Hosts, WebhookConfig, WebhookProvider

SLACK_HOSTS: Final = ("hooks.slack.com", "hooks.slack-gov.com")


class SlackWebhookConfig(WebhookConfig):
    """`[[providers]]` with `kind = "slack_webhook"`."""

    kind: Literal["slack_webhook"]
    hosts: Hosts = Field(default=SLACK_HOSTS, min_length=1)


class SlackWebhookProvider(WebhookProvider):
    """All incoming webhooks of Slack. They take about one message a second each ("Rate limits")."""

    not_an_address = "The address is no incoming webhook of Slack."

    def body(self, job: Job) -> bytes | Rejected:
        """The blocks of a bot's message; the URL says where they go."""
        content = content_of(job)
        message: dict[str, Any] | Rejected = content if isinstance(content, Rejected) else message_of(content)
        return message if isinstance(message, Rejected) else encode(message)

    def answer(self, job: Job, response: httpx.Response, *, retry_after: float | None) -> Answer:
        """What the response means."""
        return answer_of(
            response.status_code, response.content, message_id=job.delivery_id, retry_after=retry_after
        )


def slack_webhook_kind(allowed: AllowedTargets) -> ProviderKind[SlackWebhookConfig]:
    """The kind, whose URLs may lead to `allowed` among its hosts."""
    return ProviderKind(
        title="Slack webhooks",
        limit=f"{LONGEST_TEXT:,} characters a text",
        actions=f"{ACTIONS_PER_MESSAGE} buttons",
        config=SlackWebhookConfig,
        create=partial(SlackWebhookProvider, allowed=allowed),
        idempotency=Idempotency.NONE,
        targets=frozenset({ChatKind.SLACK_WEBHOOK}),
    )
