"""Our cards for Teams, judged by Microsoft's own library for Adaptive Cards."""

from pathlib import Path
from typing import Any

import pytest
from tests.node_judge import told_by_node

from tocsin.contracts.jobs import Action, ChatContent
from tocsin.dispatch_chat.teams_card import message_of

pytestmark = pytest.mark.npm

PINS = Path(__file__).parent / "adaptivecards"
HOSTILE = "[click](https://evil.example) **bold** <at>all</at> \u2028 # h 👩‍👩‍👧"
LINK = Action(label="Open [x](https://evil.example)", url="https://shop.example/1?a=b&c=d")


def judged(*cards: Any) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = told_by_node(PINS, "judge.js", list(cards))
    return told


def test_our_cards_are_sound_and_read_as_they_were_written() -> None:
    contents = [
        ChatContent(text="Hello"),
        ChatContent(text="one\ntwo\n\nthree", title="Title"),
        ChatContent(text=HOSTILE, title=HOSTILE, actions=[LINK, LINK, LINK]),
        ChatContent(text="x" * 20_000),
    ]
    cards = [message_of(content)["attachments"][0]["content"] for content in contents]
    told = judged(*cards)
    assert [each["faults"] for each in told] == [[]] * len(contents)
    assert told[1]["texts"] == ["Title", "one", "two", "three"]
    assert told[2]["texts"] == [HOSTILE, *HOSTILE.splitlines()]
    assert told[2]["links"] == [LINK.url] * 3


def test_the_judge_finds_faults() -> None:
    sound = message_of(ChatContent(text="Hello", actions=[LINK]))["attachments"][0]["content"]
    unsound = [
        sound | {"body": [{"type": "Paragraph", "text": "x"}]},
        sound | {"actions": [{"type": "Action.OpenUrl", "title": "x"}]},
        sound | {"type": "Card"},
    ]
    assert all(each["faults"] for each in judged(*unsound))
