"""Workflows of Microsoft Teams against one, and where their URLs may lead."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.dispatch_chat.teams_server import PATH, TeamsWorkflow

from tocsin.channel import Accepted, Provider, Rejected
from tocsin.channel.breaker import Verdict, verdict_of
from tocsin.contracts.jobs import Action, ChatContent
from tocsin.contracts.vocabulary import Channel, ChatKind, Reason
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TeamsWorkflow]:
    workflow = TeamsWorkflow(tmp_path)
    await workflow.listen()
    yield workflow
    await workflow.hang_up()


async def sent(provider: Provider, address: str) -> Rejected:
    answer = await provider.send(job_for(Channel.CHAT, target=ChatKind.TEAMS, address=address))
    assert isinstance(answer, Rejected)
    assert address not in repr(answer)
    return answer


class TestTeamsProvider(ProviderSuite):
    async def test_refused_credentials_are_not_the_messages_fault(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        """We have none: the URL is its own, so a refusal says something of the address, and nothing of Teams."""
        answer = await self.answer(world, Behaviour.REFUSES_CREDENTIALS, caplog)
        assert isinstance(answer, Rejected)
        assert answer.reason is Reason.ADDRESS_INVALID
        assert verdict_of(answer) is Verdict.WORKS


async def test_the_delivery_is_the_messages_id(world: TeamsWorkflow) -> None:
    content = ChatContent(
        text="one\ntwo\n\nthree", title="Title", actions=[Action(label="Open", url="https://shop.example/1")]
    )
    message = job_for(Channel.CHAT, content=content, **world.job_fields)
    async with world.provider() as provider:
        assert await provider.send(message) == Accepted(message_id=message.delivery_id)
    [card] = world.cards
    assert [block["inlines"][0]["text"] for block in card["body"]] == ["Title", "one", "two", "three"]
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open", "url": "https://shop.example/1"}]
    assert world.heads[0]["x-tocsin-delivery"] == message.delivery_id


@pytest.mark.parametrize(("length", "taken"), [(27_000, True), (28_000, False)])
async def test_what_teams_would_lose_is_rejected_unsent(
    world: TeamsWorkflow, length: int, taken: bool
) -> None:
    message = job_for(Channel.CHAT, content=ChatContent(text="x" * length), **world.job_fields)
    async with world.provider() as provider:
        answer = await provider.send(message)
    assert isinstance(answer, Accepted) == taken
    assert world.requests == taken
    if isinstance(answer, Rejected):
        assert answer.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/workflows/x?sig=y",
        "https://logic.azure.com/workflows/x?sig=y",
        "https://prod-1.westeurope.logic.azure.com.example.com/workflows/x",
        "https://prod-1.westeurope.logic.azure.com@example.com/workflows/x",
        "http://prod-1.westeurope.logic.azure.com/workflows/x",
        "https://prod-1.westeurope.logic.azure.com:8443/workflows/x",
        "https://api.powerplatform.com/powerautomate/x",
        "https://10.0.0.1/workflows/x",
        "not-a-url",
    ],
)
async def test_no_other_place_is_called(world: TeamsWorkflow, address: str) -> None:
    hosts = ["*.logic.azure.com", "*.environment.api.powerplatform.com"]
    async with world.provider(hosts=hosts, allow=[]) as provider:
        assert (await sent(provider, address)).reason is Reason.ADDRESS_INVALID


async def test_a_host_of_the_provider_that_is_not_public_is_not_called(world: TeamsWorkflow) -> None:
    async with world.provider(allow=[]) as provider:
        answer = await sent(provider, f"{world.url}{PATH}")
    assert answer.reason is Reason.ADDRESS_INVALID
    assert world.requests == 0
