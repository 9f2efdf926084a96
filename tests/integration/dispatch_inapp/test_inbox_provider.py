"""The provider of inboxes, judged by the suite that all providers pass, over a real PostgreSQL."""

import asyncio

import pytest

from tocsin.channel import Accepted, Rejected
from tocsin.contracts.vocabulary import Reason
from tocsin.testing.provider_suite import Behaviour, ProviderSuite, World

from .conftest import Inboxes, inapp_job
from .postgres_behind_proxy import PostgresBehindProxy

pytestmark = pytest.mark.postgres


class TestInbox(ProviderSuite):
    @pytest.fixture
    async def world(self, inboxes: Inboxes, database_url: str) -> World:
        return PostgresBehindProxy(inboxes, database_url)


@pytest.fixture
def world(inboxes: Inboxes, database_url: str) -> PostgresBehindProxy:
    return PostgresBehindProxy(inboxes, database_url)


async def test_a_delivery_that_is_sent_again_is_one_item_and_told_again(world: PostgresBehindProxy):
    job = inapp_job()
    async with world.provider() as provider:
        assert isinstance(await provider.send(job), Accepted)
        assert isinstance(await provider.send(job), Accepted)
        both = await asyncio.gather(provider.send(job), provider.send(job))
    assert all(isinstance(answer, Accepted) for answer in both)
    assert world.taken == 1
    assert set(world.delivered.told) == {job.delivery_id}


async def test_one_that_is_refused_takes_no_other_with_it(world: PostgresBehindProxy):
    await world.behave(Behaviour.REFUSES_RECIPIENT)
    jobs = [inapp_job(recipient=recipient) for recipient in ("ben", "ada", "clara")]
    async with world.provider() as provider:
        answers = await asyncio.gather(*map(provider.send, jobs))
    assert [type(answer) for answer in answers] == [Accepted, Rejected, Accepted]
    assert world.taken == 2


async def test_an_id_that_is_none_is_refused(world: PostgresBehindProxy):
    async with world.provider() as provider:
        answer = await provider.send(inapp_job(delivery_id="no uuid"))
    assert isinstance(answer, Rejected)
    assert (answer.reason, answer.code) == (Reason.CONTENT_REFUSED, "not_an_item")
