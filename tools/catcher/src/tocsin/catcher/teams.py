"""Workflows of Microsoft Teams that a webhook starts, at `POST /workflows/{workflow}/triggers/manual/paths/invoke?sig=…`.

Some workflows say how they are, by their name: `gone`, `off`, `busy`. A card that Teams could not show is refused at once, where the real workflow
would fail later and tell nobody.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .mailbox import Mailbox
from .messages import Chat, uuid_or_none

_LARGEST: Final = 28_000
_CARD: Final = "application/vnd.microsoft.card.adaptive"
_ELEMENTS: Final = {"TextBlock", "RichTextBlock"}


@dataclass(frozen=True)
class TeamsAnswer:
    """A status, and the code of an error; 202 has none."""

    status: int = 202
    code: str | None = None


_WORKFLOWS: Final = {
    "gone": TeamsAnswer(404, "WorkflowNotFound"),
    "off": TeamsAnswer(400, "WorkflowTriggerIsNotEnabled"),
    "busy": TeamsAnswer(429, "TooManyRequests"),
}
_UNSIGNED = TeamsAnswer(401, "DirectApiAuthorizationRequired")
_NO_JSON = TeamsAnswer(400, "InvalidRequestContent")
_OTHER_FORM = TeamsAnswer(400, "TriggerInputSchemaMismatch")
_TOO_LARGE = TeamsAnswer(413, "RequestEntityTooLarge")


class TeamsEndpoint:
    """Any workflow."""

    def __init__(self, *, mailbox: Mailbox, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._now = now

    def invoke(
        self, payload: object, *, workflow: str, signature: str, headers: Mapping[str, str]
    ) -> TeamsAnswer:
        """202, or why not."""
        if not signature:
            return _UNSIGNED
        if (answer := _WORKFLOWS.get(workflow)) is not None:
            return answer
        if payload is None:
            return _NO_JSON
        card = _card_of(payload)
        if card is None:
            return _OTHER_FORM
        if len(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()) > _LARGEST:
            return _TOO_LARGE
        self._keep(card, to=workflow, headers=headers)
        return TeamsAnswer()

    def _keep(self, card: dict[str, Any], *, to: str, headers: Mapping[str, str]) -> None:
        blocks = [(block, "".join(_texts(block))) for block in card["body"]]
        titles = [text for block, text in blocks if _is_title(block)]
        self._mailbox.add(
            Chat(
                received_at=self._now(),
                to=to,
                sender="Teams",
                provider="teams",
                title=titles[0] if titles else "",
                text="\n".join(text for block, text in blocks if not _is_title(block)),
                actions=tuple(
                    {"label": action["title"], "url": action["url"]} for action in card.get("actions", [])
                ),
                request=card,
                notification_id=uuid_or_none(headers.get("x-tocsin-notification")),
                delivery_id=uuid_or_none(headers.get("x-tocsin-delivery")),
            )
        )


def _card_of(payload: object) -> dict[str, Any] | None:
    """The one card of the envelope, if Teams could show it."""
    match payload:
        case {
            "type": "message",
            "attachments": [
                {
                    "contentType": str(kind),
                    "content": {"type": "AdaptiveCard", "version": str(), "body": [*body]} as card,
                }
            ],
        } if kind == _CARD and body and all(map(_is_shown, body)):
            return card if all(map(_is_link, card.get("actions", []))) else None
    return None


def _is_shown(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") in _ELEMENTS and bool(list(_texts(block)))


def _is_link(action: object) -> bool:
    match action:
        case {"type": "Action.OpenUrl", "title": str(title), "url": str(url)}:
            return bool(title) and url.startswith(("https://", "http://"))
    return False


def _texts(block: Mapping[str, Any]) -> Iterator[str]:
    runs = block.get("inlines") if block.get("type") == "RichTextBlock" else [block]
    for run in runs if isinstance(runs, list) else []:
        if isinstance(run, dict) and isinstance(run.get("text"), str):
            yield run["text"]


def _is_title(block: Mapping[str, Any]) -> bool:
    return any(run.get("weight") == "bolder" for run in block.get("inlines", [block]))
