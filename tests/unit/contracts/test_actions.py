"""What the buttons of a message may render to, on the channels that have some."""

import pytest

from tocsin.contracts.actions import CHAT_ACTIONS, INBOX_ACTIONS, InboxAction
from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.jobs import InappContent
from tocsin.contracts.vocabulary import Channel

TRACK = {"name": "track", "label": "Track it", "url": "https://shop.example/orders?a=1"}
LATER = {"name": "later", "label": "Später erinnern"}


def parts(*actions: dict[str, str]) -> dict[str, str]:
    return {
        f"actions.{number}.{field}": text
        for number, action in enumerate(actions, start=1)
        for field, text in action.items()
    }


def test_actions_become_what_the_app_is_shown():
    texts = {"title": "On its way", "body": "Today", "data.order": "A-1"} | parts(TRACK, LATER)
    content = CHANNELS[Channel.INAPP].content_of(texts)
    assert isinstance(content, InappContent)
    assert content.actions == [InboxAction(**TRACK), InboxAction(**LATER)]
    assert (content.data, content.link) == ({"order": "A-1"}, None)


def test_a_number_that_is_left_out_is_no_action():
    texts = {"actions.3.name": "later", "actions.3.label": "Later"}
    assert INBOX_ACTIONS.actions_of(texts) == [InboxAction(name="later", label="Later")]


@pytest.mark.parametrize(
    ("actions", "names", "missing"),
    [
        (CHAT_ACTIONS, {"text", "actions.3.label"}, "actions.3.url"),
        (CHAT_ACTIONS, {"text", "actions.3.url"}, "actions.3.label"),
        (CHAT_ACTIONS, {"actions.1.label", "actions.1.url"}, None),
        (CHAT_ACTIONS, {"actions.4.label"}, None),
        (INBOX_ACTIONS, {"actions.1.label", "actions.1.url"}, "actions.1.name"),
        (INBOX_ACTIONS, {"actions.2.url"}, "actions.2.name"),
        (INBOX_ACTIONS, {"actions.2.name"}, "actions.2.label"),
        (INBOX_ACTIONS, {"actions.2.name", "actions.2.label"}, None),
        (INBOX_ACTIONS, set(), None),
    ],
)
def test_a_half_action_is_noticed(actions, names, missing):
    assert actions.incomplete(names) == missing


def test_two_actions_of_one_name_are_noticed():
    assert INBOX_ACTIONS.repeated(parts(TRACK, LATER)) is None
    assert INBOX_ACTIONS.repeated(parts(TRACK, LATER, TRACK)) == "actions.3.name"
    assert CHAT_ACTIONS.repeated(parts({"label": "a", "url": "b"}, {"label": "a", "url": "b"})) is None


@pytest.mark.parametrize(
    ("field", "text", "fits"),
    [
        ("name", "track-it_2", True),
        ("name", "t" * 32, True),
        ("name", "t" * 33, False),
        ("name", "Track it", False),
        ("name", "track\n", False),
        ("name", "../x", False),
        ("label", "x" * 75, True),
        ("label", "x" * 76, False),
        ("url", "https://shop.example/1", True),
        ("url", "javascript:alert(1)", False),
        ("url", "//shop.example", False),
    ],
)
def test_each_part_has_its_form(field, text, fits):
    assert CHANNELS[Channel.INAPP].forms[f"actions.1.{field}"].fits(text) is fits
