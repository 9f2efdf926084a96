"""A message as an Adaptive Card, in the envelope that workflows of Teams take (Microsoft Learn, "Microsoft Teams connector", "Microsoft Teams
Webhook").

The text stands in rich text blocks, which know no Markdown ("RichTextBlock", adaptivecards.io): so no value can make a link or a heading. A line is a
block of its own, because a text run has no line breaks.
"""

from typing import Any, Final

from tocsin.contracts.jobs import Action, ChatContent

VERSION: Final = "1.4"
"""Of the cards that Teams takes from whoever is no bot ("Types of cards")."""
_SCHEMA: Final = "http://adaptivecards.io/schemas/adaptive-card.json"
_TYPE: Final = "application/vnd.microsoft.card.adaptive"


def message_of(content: ChatContent) -> dict[str, Any]:
    """The envelope with one card: title, text, up to three buttons that open links."""
    body = _blocks(content.text)
    if content.title is not None:
        body.insert(0, _block(content.title, size="large", weight="bolder"))
    card: dict[str, Any] = {"$schema": _SCHEMA, "type": "AdaptiveCard", "version": VERSION, "body": body}
    if content.actions:
        card["actions"] = [_button(action) for action in content.actions]
    return {"type": "message", "attachments": [{"contentType": _TYPE, "contentUrl": None, "content": card}]}


def _blocks(text: str) -> list[dict[str, Any]]:
    """A block for each line that says something; those of one paragraph stand close together."""
    blocks: list[dict[str, Any]] = []
    new_paragraph = True
    for line in text.splitlines():
        if not line.strip():
            new_paragraph = True
            continue
        block = _block(line)
        if not new_paragraph:
            block["spacing"] = "none"
        blocks.append(block)
        new_paragraph = False
    return blocks


def _block(text: str, **look: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **look}]}


def _button(action: Action) -> dict[str, Any]:
    return {"type": "Action.OpenUrl", "title": action.label, "url": action.url}
