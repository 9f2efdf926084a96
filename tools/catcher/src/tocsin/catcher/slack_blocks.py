"""What Slack takes as a message's text and blocks, of the kinds that Tocsin sends (https://docs.slack.dev/reference/block-kit)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

_MOST_BLOCKS: Final = 50
_LONGEST_TEXT: Final = 40_000
_LONGEST_OF_ALL: Final = 13_000
"""Of all blocks together; measured by others, and documented nowhere."""
_FIELDS: Final = {"channel", "text", "blocks", "unfurl_links", "unfurl_media", "metadata"}


def message_fault(message: Mapping[str, Any]) -> str | None:
    """Slack's word for what is wrong with it."""
    text, blocks = message.get("text", ""), message.get("blocks", [])
    if message.keys() - _FIELDS:
        return "invalid_arguments"
    if not isinstance(text, str) or not isinstance(blocks, list):
        return "invalid_blocks_format"
    if not text and not blocks:
        return "no_text"
    if len(text) > _LONGEST_TEXT:
        return "msg_too_long"
    if len(blocks) > _MOST_BLOCKS or not all(isinstance(block, dict) and _right(block) for block in blocks):
        return "invalid_blocks"
    return "msg_blocks_too_long" if len(str(blocks)) > _LONGEST_OF_ALL else None


def title_of(message: Mapping[str, Any]) -> str:
    """The first header's words."""
    headers = [block for block in message.get("blocks", []) if block["type"] == "header"]
    return str(headers[0]["text"]["text"]) if headers else ""


def text_of(message: Mapping[str, Any]) -> str:
    """What a reader sees below the title."""
    sections = [block["text"]["text"] for block in message.get("blocks", []) if block["type"] == "section"]
    shown = "\n".join(sections) or str(message.get("text", ""))
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def actions_of(message: Mapping[str, Any]) -> list[dict[str, str]]:
    """The buttons: `label` and `url`."""
    return [
        {"label": element["text"]["text"], "url": element["url"]}
        for block in message.get("blocks", [])
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def _right(block: Mapping[str, Any]) -> bool:
    judge = _KINDS.get(str(block.get("type")))
    return judge is not None and judge(block)


def _header(block: Mapping[str, Any]) -> bool:
    return _text(block.get("text"), kinds={"plain_text"}, longest=150)


def _section(block: Mapping[str, Any]) -> bool:
    return _text(block.get("text"), kinds={"plain_text", "mrkdwn"}, longest=3000)


def _actions(block: Mapping[str, Any]) -> bool:
    elements = block.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= 25:
        return False
    names = [element.get("action_id") for element in elements if isinstance(element, dict)]
    return len(set(names)) == len(elements) and all(map(_button, elements))


def _button(element: Mapping[str, Any]) -> bool:
    url = element.get("url", "https://a")
    return (
        element.get("type") == "button"
        and _text(element.get("text"), kinds={"plain_text"}, longest=75)
        and isinstance(url, str)
        and url.startswith(("http://", "https://"))
        and len(url) <= 3000
    )


def _text(value: object, *, kinds: set[str], longest: int) -> bool:
    if not isinstance(value, dict) or value.get("type") not in kinds:
        return False
    text = value.get("text")
    return isinstance(text, str) and 1 <= len(text) <= longest


_KINDS: Final[dict[str, Callable[[Mapping[str, Any]], bool]]] = {
    "header": _header,
    "section": _section,
    "actions": _actions,
}
