"""Slack: `POST /api/chat.postMessage` (https://docs.slack.dev/reference/methods/chat.postMessage) and incoming webhooks
(https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks) at `POST /services/{team}/{hook}/{secret}`.

Some channels say how they are: `C0ARCHIVED`, `C0NOTMINE` (the bot is not in it), `C0UNKNOWN`, `C0BUSY`. So do some webhooks, by their secret: `gone`,
`archived`, `prohibited`, `busy`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .mailbox import Mailbox
from .messages import Chat, uuid_or_none
from .slack_blocks import actions_of, message_fault, text_of, title_of

_CHANNELS: Final = {
    "C0ARCHIVED": "is_archived",
    "C0NOTMINE": "not_in_channel",
    "C0UNKNOWN": "channel_not_found",
    "C0BUSY": "ratelimited",
}


@dataclass(frozen=True)
class HookAnswer:
    """A status, and Slack's word."""

    status: int = 200
    word: str = "ok"


_HOOKS: Final = {
    "gone": HookAnswer(404, "no_service"),
    "archived": HookAnswer(410, "channel_is_archived"),
    "prohibited": HookAnswer(403, "action_prohibited"),
    "busy": HookAnswer(429, "rate_limited"),
}
_INVALID = HookAnswer(400, "invalid_payload")


class SlackEndpoint:
    """One workspace: one bot, and any webhook."""

    def __init__(self, *, mailbox: Mailbox, bot_token: str | None, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._bot_token = bot_token
        self._now = now
        self._posted = 0

    def post_message(self, payload: object, *, headers: Mapping[str, str]) -> dict[str, Any]:
        """Slack's answer: `{"ok": true, …}`, or `{"ok": false, "error": …}`; both have the status 200, but `ratelimited`."""
        error = self._error(payload, headers)
        if error is not None or not isinstance(payload, dict):
            return {"ok": False, "error": error}
        self._posted += 1
        at = f"{int(self._now().timestamp())}.{self._posted:06}"
        self._keep(payload, to=payload["channel"], service="Slack", provider="slack", headers=headers)
        return {"ok": True, "channel": payload["channel"], "ts": at, "message": {"type": "message", "ts": at}}

    def post_to_hook(
        self, payload: object, *, secret: str, place: str, headers: Mapping[str, str]
    ) -> HookAnswer:
        """200 `ok`, or why not."""
        if not isinstance(payload, dict) or "channel" in payload or "metadata" in payload:
            return _INVALID
        if (fault := message_fault(payload)) is not None:
            return HookAnswer(400, fault)
        if (answer := _HOOKS.get(secret)) is not None:
            return answer
        self._keep(payload, to=place, service="Slack webhook", provider="slack_webhook", headers=headers)
        return HookAnswer()

    def _error(self, payload: object, headers: Mapping[str, str]) -> str | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "not_authed"
        if self._bot_token is None or token != self._bot_token:
            return "invalid_auth"
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return "invalid_post_type"
        if not isinstance(payload, dict):
            return "invalid_arguments"
        channel = payload.get("channel")
        if not isinstance(channel, str) or not channel:
            return "channel_not_found"
        return _CHANNELS.get(channel) or message_fault(payload)

    def _keep(
        self, message: dict[str, Any], *, to: str, service: str, provider: str, headers: Mapping[str, str]
    ) -> None:
        self._mailbox.add(
            Chat(
                received_at=self._now(),
                to=to,
                sender=service,
                provider=provider,
                title=title_of(message),
                text=text_of(message),
                actions=tuple(actions_of(message)),
                request=message,
                notification_id=uuid_or_none(headers.get("x-tocsin-notification")),
                delivery_id=uuid_or_none(headers.get("x-tocsin-delivery")),
            )
        )
