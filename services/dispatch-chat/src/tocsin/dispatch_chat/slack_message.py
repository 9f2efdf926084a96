"""A message as Slack's blocks, the same for a bot and for a webhook.

Limits from Slack's documentation ("Block Kit": header 150 characters, text objects 3,000, buttons 75 and a URL of 3,000; "chat.postMessage":
50 blocks). All blocks together may have about 13,000 characters: that figure is in no document, so 12,000 are the most here, the limit that Slack
states for a text in Markdown.
"""

from typing import Any, Final

from tocsin.channel import Rejected
from tocsin.contracts.jobs import Action, ChatContent
from tocsin.dispatch_chat.chat_job import too_long

LONGEST_TEXT: Final = 12_000
_LONGEST_SECTION: Final = 3_000
_LONGEST_ENTITY: Final = len("&amp;")


def message_of(content: ChatContent) -> dict[str, Any] | Rejected:
    """`text`, which notifications and screen readers use, and `blocks`, which are shown."""
    text = escaped(content.text)
    if len(text) > LONGEST_TEXT:
        return too_long(len(text), LONGEST_TEXT, "characters")
    blocks = [_section(piece) for piece in pieces(text)]
    if content.title is not None:
        blocks.insert(0, {"type": "header", "text": _plain(content.title)})
    if content.actions:
        buttons = [_button(number, action) for number, action in enumerate(content.actions, start=1)]
        blocks.append({"type": "actions", "elements": buttons})
    summary = text if content.title is None else f"{escaped(content.title)}\n{text}"
    # No previews of links: they would show more than the template says.
    return {"text": summary, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def escaped(text: str) -> str:
    """The text, in which nothing calls people (`<!channel>`) or makes links (`<https://…|…>`): Slack, "Formatting message text"."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def pieces(text: str) -> list[str]:
    """An escaped text in parts that a section takes, cut between lines where there are some, and never within an entity."""
    found: list[str] = []
    while len(text) > _LONGEST_SECTION:
        end = _end_of_piece(text)
        found.append(text[:end].rstrip())
        text = text[end:].lstrip()
    found.append(text)
    return [piece for piece in found if piece]


def _end_of_piece(text: str) -> int:
    for gap in ("\n", " "):
        end = text.rfind(gap, 1, _LONGEST_SECTION)
        if end > _LONGEST_SECTION // 2:
            return end
    entity = text.rfind("&", _LONGEST_SECTION - _LONGEST_ENTITY, _LONGEST_SECTION)
    if entity > 0 and ";" not in text[entity:_LONGEST_SECTION]:
        return entity
    return _LONGEST_SECTION


def _section(text: str) -> dict[str, Any]:
    # Verbatim: names of channels and people in it stay words.
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _button(number: int, action: Action) -> dict[str, Any]:
    return {"type": "button", "action_id": f"link-{number}", "text": _plain(action.label), "url": action.url}
