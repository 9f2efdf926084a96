"""What the part `actions` of a message in the app may render to."""

import json

import pytest

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.inbox_actions import INBOX_ACTIONS, InboxAction
from tocsin.contracts.jobs import InappContent
from tocsin.contracts.vocabulary import Channel

TRACK = {"name": "track", "label": "Track it", "url": "https://shop.example/orders?a=1"}
LATER = {"name": "later", "label": "Später erinnern"}


def test_actions_become_what_the_app_is_shown():
    content = CHANNELS[Channel.INAPP].content_of(
        {"title": "On its way", "body": "Today", "actions": json.dumps([TRACK, LATER]), "data.order": "A-1"}
    )
    assert isinstance(content, InappContent)
    assert content.actions == [InboxAction(**TRACK), InboxAction(**LATER)]
    assert (content.data, content.link) == ({"order": "A-1"}, None)


@pytest.mark.parametrize("actions", [[TRACK], [LATER], [TRACK, LATER, {"name": "3", "label": "x"}]])
def test_up_to_three_are_taken(actions: list[dict[str, str]]):
    assert INBOX_ACTIONS.fits(json.dumps(actions))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "track",
        "{}",
        "null",
        '["track"]',
        json.dumps([{"name": f"a{number}", "label": "x"} for number in range(4)]),
        json.dumps([LATER, LATER]),
        json.dumps([TRACK | {"url": "javascript:alert(1)"}]),
        json.dumps([TRACK | {"url": "//shop.example"}]),
        json.dumps([TRACK | {"url": ""}]),
        json.dumps([TRACK | {"style": "red"}]),
        json.dumps([TRACK | {"name": "Track it"}]),
        json.dumps([TRACK | {"name": "t" * 33}]),
        json.dumps([TRACK | {"label": ""}]),
        json.dumps([TRACK | {"label": "   "}]),
        json.dumps([TRACK | {"label": "a\u202eb"}]),
        json.dumps([TRACK | {"label": "x" * 61}]),
        json.dumps([{"name": "track"}]),
        "[" * 100_000,
        '[{"name": "a", "label": "\ud800"}]',
    ],
)
def test_all_else_is_refused(text: str):
    assert not INBOX_ACTIONS.fits(text)
