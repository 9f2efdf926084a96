"""Slack's incoming webhooks against one, and where their URLs may lead."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from slack_sdk.webhook import WebhookClient
from tests.integration.dispatch_chat.slack_server import HOOK, SlackHook

from tocsin.channel import Accepted, Provider, Rejected
from tocsin.channel.breaker import Verdict, verdict_of
from tocsin.contracts.jobs import ChatContent, Job
from tocsin.contracts.vocabulary import Channel, ChatKind, Reason
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SlackHook]:
    hook = SlackHook(tmp_path)
    await hook.listen()
    yield hook
    await hook.hang_up()


def job(world: SlackHook, **fields: object) -> Job:
    return job_for(Channel.CHAT, **(world.job_fields | fields))


async def sent(provider: Provider, address: str) -> Rejected:
    answer = await provider.send(job_for(Channel.CHAT, target=ChatKind.SLACK_WEBHOOK, address=address))
    assert isinstance(answer, Rejected)
    assert address not in repr(answer)
    return answer


class TestSlackWebhookProvider(ProviderSuite):
    async def test_refused_credentials_are_not_the_messages_fault(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        """We have none: the URL is its own, so a refusal says something of the address, and nothing of Slack."""
        answer = await self.answer(world, Behaviour.REFUSES_CREDENTIALS, caplog)
        assert isinstance(answer, Rejected)
        assert answer.reason is Reason.ADDRESS_INVALID
        assert verdict_of(answer) is Verdict.WORKS


async def test_the_delivery_is_the_messages_id(world: SlackHook) -> None:
    message = job(world, content=ChatContent(text="a < b"))
    async with world.provider() as provider:
        assert await provider.send(message) == Accepted(message_id=message.delivery_id)
    assert world.messages[0]["text"] == "a &lt; b"


async def test_slacks_own_client_sends_the_same_fields(world: SlackHook) -> None:
    async with world.provider() as provider:
        await provider.send(job(world))
    ours = world.messages[0]
    kept: list[dict[str, object]] = []
    client = WebhookClient(f"{world.url}{HOOK}")
    client.send_dict = lambda body, headers=None: kept.append(body)  # type: ignore[assignment, return-value]
    client.send(**ours)
    assert {name: value for name, value in kept[0].items() if value is not None} == ours


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/services/T/B/x",
        "https://hooks.slack.com.example.com/services/T/B/x",
        "https://hooks.slack.com@example.com/services/T/B/x",
        "http://hooks.slack.com/services/T/B/x",
        "https://hooks.slack.com:8443/services/T/B/x",
        "https://user:secret@hooks.slack.com/services/T/B/x",
        "https://10.0.0.1/services/T/B/x",
        "not-a-url",
        "https://[::1",
    ],
)
async def test_no_other_place_is_called(world: SlackHook, address: str) -> None:
    async with world.provider(hosts=["hooks.slack.com", "hooks.slack-gov.com"], allow=[]) as provider:
        assert (await sent(provider, address)).reason is Reason.ADDRESS_INVALID


async def test_a_host_of_the_provider_that_is_not_public_is_not_called(world: SlackHook) -> None:
    async with world.provider(allow=[]) as provider:
        answer = await sent(provider, f"{world.url}{HOOK}")
    assert answer.reason is Reason.ADDRESS_INVALID
    assert world.requests == 0
