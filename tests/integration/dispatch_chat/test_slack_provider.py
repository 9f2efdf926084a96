"""Slack's bot against a workspace, and against what Slack's own client sends."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from slack_sdk import WebClient
from tests.integration.dispatch_chat.slack_server import TOKEN, SlackBot

from tocsin.channel import Accepted, FarEnds, NotSent, ProvidersInvalid, Rejected, Throttled, check_providers
from tocsin.channel.breaker import Verdict, verdict_of
from tocsin.contracts.jobs import Action, ChatContent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_chat.settings import KINDS
from tocsin.dispatch_chat.slack import SlackConfig
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import ProviderSuite

CONTENT = ChatContent(
    title="Lost & found",
    text="<!channel> *A-1* is <https://x|here> & gone",
    actions=[
        Action(label="Open", url="https://shop.example/1"),
        Action(label="Close", url="https://shop.example/2"),
    ],
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SlackBot]:
    bot = SlackBot(tmp_path)
    await bot.listen()
    yield bot
    await bot.hang_up()


class TestSlackProvider(ProviderSuite):
    pass


async def test_the_message_is_what_the_job_says(world: SlackBot) -> None:
    job = job_for(Channel.CHAT, content=CONTENT)
    async with world.provider() as provider:
        assert await provider.send(job) == Accepted(message_id="1503435956.000001")
    (message,), (head,) = world.messages, world.heads
    escaped = "&lt;!channel&gt; *A-1* is &lt;https://x|here&gt; &amp; gone"
    assert message["channel"] == job.private.address
    assert message["text"] == f"Lost &amp; found\n{escaped}"
    header, section, actions = message["blocks"]
    assert header["text"] == {"type": "plain_text", "text": "Lost & found", "emoji": False}
    assert section["text"] == {"type": "mrkdwn", "text": escaped, "verbatim": True}
    assert [(button["text"]["text"], button["url"]) for button in actions["elements"]] == [
        ("Open", "https://shop.example/1"),
        ("Close", "https://shop.example/2"),
    ]
    assert message["metadata"]["event_payload"] == {
        "notification": job.notification_id,
        "delivery": job.delivery_id,
    }
    assert head["x-tocsin-delivery"] == job.delivery_id


async def test_slacks_own_client_sends_the_same_message(world: SlackBot) -> None:
    """Its fields are those that ours has; the server asserts the method, the path and the headers of both."""
    async with world.provider() as provider:
        await provider.send(job_for(Channel.CHAT, content=CONTENT))
    ours = world.messages[0]
    prepared = WebClient(token=TOKEN)
    kept: dict[str, object] = {}
    prepared.api_call = lambda method, **call: kept.update(call | {"method": method})  # type: ignore[assignment]
    prepared.chat_postMessage(**ours)
    assert kept["method"] == "chat.postMessage"
    sent = {name: value for name, value in dict(kept["json"]).items() if value is not None}  # type: ignore[call-overload]
    assert json.loads(json.dumps(sent)) == ours


async def test_patience_is_the_channels(world: SlackBot) -> None:
    world.scripted = (429, {"Retry-After": "7"}, b"")
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.CHAT))
        assert isinstance(answer, Throttled)
        assert answer.retry_after == 7
        assert isinstance(provider, FarEnds)
        assert provider.far_end(job_for(Channel.CHAT, address_hash="k.here")) == "k.here"


async def test_another_tenants_message_is_not_written(world: SlackBot) -> None:
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.CHAT, tenant="other"))
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.SENDER_REFUSED
    assert verdict_of(answer) is Verdict.WORKS
    assert world.requests == 0


async def test_a_bot_of_everybody_writes_it(world: SlackBot) -> None:
    async with world.provider(tenants=["*"]) as provider:
        assert isinstance(await provider.send(job_for(Channel.CHAT, tenant="other")), Accepted)


async def test_a_long_text_goes_in_several_sections_and_a_longer_one_not_at_all(world: SlackBot) -> None:
    async with world.provider() as provider:
        assert isinstance(
            await provider.send(job_for(Channel.CHAT, content=ChatContent(text="x" * 12_000))), Accepted
        )
        answer = await provider.send(job_for(Channel.CHAT, content=ChatContent(text="&" * 2_401)))
    assert [len(block["text"]["text"]) for block in world.messages[0]["blocks"]] == [3000] * 4
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.TOO_LARGE
    assert world.requests == 1


async def test_a_redirect_is_not_followed(world: SlackBot) -> None:
    world.scripted = (307, {"Location": f"{world.url}/api/chat.postMessage"}, b"")
    async with world.provider() as provider:
        assert isinstance(await provider.send(job_for(Channel.CHAT)), NotSent)
    assert world.requests == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"tenants": None}, "`tenants` is missing."),
        ({"bot_token_file": None}, "`bot_token_file` is missing."),
        ({"targets": ["slack_webhook"]}, "`targets` may name only what this kind serves: slack."),
    ],
)
def test_one_sentence_for_each_fault(tmp_path: Path, fields: dict[str, object], sentence: str) -> None:
    entry = SlackBot(tmp_path).entry() | fields
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items() if value is not None]
    (tmp_path / "providers.toml").write_text("[[providers]]\n" + "\n".join(lines))
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(tmp_path / "providers.toml", KINDS)
    assert [fault.partition("provider test: ")[2] for fault in invalid.value.faults] == [sentence]


def test_the_token_is_never_shown(tmp_path: Path) -> None:
    config = SlackConfig.model_validate(SlackBot(tmp_path).entry(), context={"folder": tmp_path})
    assert TOKEN not in repr(config) + str(config.model_dump())
