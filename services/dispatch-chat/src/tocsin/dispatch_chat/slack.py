"""Provider kind `slack`: a bot that writes to the channels and people of its workspace (Slack, "chat.postMessage method")."""

from typing import Annotated, Any, Final, Literal

import httpx
from pydantic import AfterValidator, Field

from tocsin.channel import (
    Answer,
    Idempotency,
    NotSent,
    ProviderKind,
    Rejected,
    SecretFile,
    TargetedConfig,
    one_word,
)
from tocsin.channel.http import http_client, no_answer, retry_after
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import Job
from tocsin.contracts.limits import ACTIONS_PER_MESSAGE
from tocsin.contracts.vocabulary import ChatKind, Reason
from tocsin.dispatch_chat.chat_job import content_of, far_end_of, ids_of
from tocsin.dispatch_chat.slack_errors import answer_of
from tocsin.dispatch_chat.slack_message import LONGEST_TEXT, message_of
from tocsin.runtime import Clock

EVERY_TENANT: Final = "*"


class SlackConfig(TargetedConfig):
    """`[[providers]]` with `kind = "slack"`."""

    kind: Literal["slack"]
    bot_token_file: Annotated[SecretFile, AfterValidator(one_word)]
    """The token of the bot (`xoxb-…`), which needs the scope `chat:write`."""
    tenants: tuple[str, ...] = Field(min_length=1)
    """Whose messages the bot writes: one tenant's must not come into another's workspace. `*`: everybody's."""
    base_url: str = Field(default="https://slack.com/api", pattern=r"^https?://\S*[^\s/]$")


class SlackProvider:
    """One bot. Slack knows no idempotency keys: a second send arrives twice. Of a channel it takes about one message a second ("Rate limits"),
    so each channel is a far end. Redirects are not followed: they would take the token elsewhere."""

    def __init__(self, config: SlackConfig, clock: Clock) -> None:
        self.name = config.name
        self._config = config
        self._clock = clock
        self._url = f"{config.base_url}/chat.postMessage"
        self._headers = {
            "Authorization": f"Bearer {config.bot_token_file.get_secret_value()}",
            "Content-Type": "application/json; charset=utf-8",
        }
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make the client; connections come with the first messages."""
        self._client = http_client(
            timeout=self._config.call_timeout,
            connect_timeout=self._config.connecting,
            connections=self._config.max_in_flight,
        )

    def far_end(self, job: Job) -> str | None:
        """The channel, as a hash."""
        return far_end_of(job)

    async def send(self, job: Job) -> Answer:
        """Write one message, within `call_timeout` seconds."""
        if not {EVERY_TENANT, job.tenant}.intersection(self._config.tenants):
            detail = "This bot writes no messages of this tenant: see `tenants` of the provider instance."
            return NotSent(reason=Reason.SENDER_REFUSED, detail=detail)
        body = _body_of(job)
        if isinstance(body, Rejected):
            return body
        if self._client is None:
            raise RuntimeError("the provider was not opened")
        try:
            response = await self._client.post(
                self._url, content=encode(body), headers=self._headers | ids_of(job)
            )
        except httpx.TransportError as error:
            return no_answer(error)
        pause = retry_after(response, now=self._clock.now())
        return answer_of(response.status_code, response.content, retry_after=pause)

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()


def _body_of(job: Job) -> dict[str, Any] | Rejected:
    content = content_of(job)
    if isinstance(content, Rejected):
        return content
    message = message_of(content)
    if isinstance(message, Rejected):
        return message
    ids = {"notification": job.notification_id, "delivery": job.delivery_id}
    # Apps of the workspace that may read metadata can tell by it which message this is.
    metadata = {"event_type": "tocsin_notification", "event_payload": ids}
    return {"channel": job.private.address, **message, "metadata": metadata}


SLACK = ProviderKind(
    title="Slack, by a bot",
    limit=f"{LONGEST_TEXT:,} characters a text",
    actions=f"{ACTIONS_PER_MESSAGE} buttons",
    config=SlackConfig,
    create=SlackProvider,
    idempotency=Idempotency.NONE,
    targets=frozenset({ChatKind.SLACK}),
)
