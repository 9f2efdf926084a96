"""A message as Slack's blocks: nothing in a value calls people, and no limit of Slack's is passed."""

import html

from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from tocsin.channel import Rejected
from tocsin.contracts.jobs import Action, ChatContent
from tocsin.dispatch_chat.slack_message import LONGEST_TEXT, escaped, message_of, pieces
from tocsin.dispatch_chat.webhook_provider import is_one_of


def test_what_slack_reads_as_control_characters_is_escaped() -> None:
    assert escaped("<!channel> & <@U1>") == "&lt;!channel&gt; &amp; &lt;@U1&gt;"


def test_a_long_text_is_cut_between_lines_else_between_words_and_never_in_an_entity() -> None:
    assert pieces("a" * 2000 + "\n" + "b" * 2000) == ["a" * 2000, "b" * 2000]
    assert pieces("a" * 2000 + " " + "b" * 2000) == ["a" * 2000, "b" * 2000]
    assert pieces("a" * 2998 + "&amp;") == ["a" * 2998, "&amp;"]
    assert pieces("a" * 2995 + "&amp;b") == ["a" * 2995 + "&amp;", "b"]


@given(
    text=st.text(st.characters(codec="utf-8", exclude_characters="\r\n\t "), min_size=1, max_size=4000),
    title=st.none() | st.text(min_size=1, max_size=150).filter(lambda text: bool(text.strip())),
    labels=st.lists(st.text(min_size=1, max_size=75), max_size=3),
)
def test_slacks_sdk_takes_any_message_that_we_do_not_refuse(
    text: str, title: str | None, labels: list[str]
) -> None:
    actions = [Action(label=label, url="https://shop.example/1") for label in labels]
    message = message_of(ChatContent(text=text, title=title, actions=actions))
    if isinstance(message, Rejected):
        assert len(escaped(text)) > LONGEST_TEXT
        return
    for block in Block.parse_all(message["blocks"]):
        block.validate_json()
    shown = "".join(block["text"]["text"] for block in message["blocks"] if block["type"] == "section")
    assert html.unescape(shown).split() == html.unescape(escaped(text)).split() or len(text) > 2900
    assert "<" not in shown


def test_which_hosts_are_a_providers() -> None:
    hosts = ["hooks.slack.com", "*.logic.example"]
    assert is_one_of("HOOKS.slack.com.", hosts)
    assert is_one_of("prod-1.west.logic.example", hosts)
    for other in (
        "slack.com",
        "a.hooks.slack.com",
        "logic.example",
        "evil-logic.example",
        "x.logic.example.org",
        "",
    ):
        assert not is_one_of(other, hosts)
