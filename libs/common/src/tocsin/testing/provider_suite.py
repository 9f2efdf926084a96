"""What every provider must do, whatever it talks to. An adapter's tests subclass `ProviderSuite` and give it a world.

class TestSmtp(ProviderSuite):
    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        async with SmtpWorld() as world:
            yield world
"""
# ruff: noqa: S101 - a suite is made of assertions

import asyncio
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Any, Protocol

import pytest
from prometheus_client import generate_latest

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Provider, Rejected, Throttled
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.testing.jobs import MARKERS, content_for, job_for


class Behaviour(StrEnum):
    """What the world's server does from now on, with new connections and requests."""

    TAKES = "takes the message"
    REFUSES_RECIPIENT = "refuses the recipient for good"
    THROTTLES = "asks for patience"
    REFUSES_CREDENTIALS = "refuses the credentials"
    REFUSES_CONNECTIONS = "does not listen"
    SILENT = "reads the message and says nothing"
    RESETS = "reads the message and resets the connection"
    BABBLES = "reads the message and answers what is no answer"


class World(Protocol):
    """A server under the test's control, and providers that talk to it."""

    channel: Channel
    server_loggers: tuple[str, ...]
    """Loggers of the server: what it logs is not the provider's doing."""

    def provider(self, *, call_timeout: float = 10.0) -> AbstractAsyncContextManager[Provider]:
        """A provider, opened, closed at the end."""
        ...

    async def behave(self, how: Behaviour) -> None:
        """Change the server."""
        ...

    @property
    def taken(self) -> int:
        """Messages that the server has taken."""
        ...


def job_of(world: World, **fields: Any) -> Job:
    """A job for the world's provider. A world of one target among its channel's says in `job_fields` what its jobs have."""
    return job_for(world.channel, **(getattr(world, "job_fields", {}) | fields))


class ProviderSuite:
    """Answers are right, nothing raises, nothing private is said."""

    @pytest.fixture(autouse=True)
    def listening(self, caplog: pytest.LogCaptureFixture) -> None:
        """Hear everything that is logged."""
        caplog.set_level("DEBUG")

    async def answer(
        self, world: World, how: Behaviour, caplog: pytest.LogCaptureFixture, *, call_timeout: float = 10.0
    ) -> Answer:
        """The answer to one job; nothing private may be in it, in logs or in metrics."""
        await world.behave(how)
        async with world.provider(call_timeout=call_timeout) as provider:
            answer = await provider.send(job_of(world))
        lines = [
            f"{record.getMessage()} {record.exc_text or ''} {vars(record)!r}"
            for record in caplog.records
            if not record.name.startswith(world.server_loggers)
        ]
        everything_said = "\n".join([repr(answer), *lines, generate_latest().decode()])
        assert [marker for marker in MARKERS if marker in everything_said] == []
        return answer

    async def test_it_hands_a_message_over(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        answer = await self.answer(world, Behaviour.TAKES, caplog)
        assert isinstance(answer, Accepted)
        assert answer.message_id
        assert world.taken == 1

    async def test_a_refused_recipient_is_rejected(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await self.answer(world, Behaviour.REFUSES_RECIPIENT, caplog)
        assert isinstance(answer, Rejected)
        refusals = {
            Reason.RECIPIENT_REFUSED,
            Reason.ADDRESS_INVALID,
            Reason.ADDRESS_GONE,
            Reason.DEVICE_GONE,
            Reason.ENDPOINT_GONE,
            Reason.PROVIDER_SUPPRESSED,
            Reason.RECIPIENT_STOPPED,
        }
        assert answer.reason in refusals
        assert answer.code

    async def test_a_request_for_patience_is_throttled(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert isinstance(await self.answer(world, Behaviour.THROTTLES, caplog), Throttled)

    async def test_refused_credentials_are_not_the_messages_fault(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await self.answer(world, Behaviour.REFUSES_CREDENTIALS, caplog)
        assert isinstance(answer, NotSent)
        assert answer.reason is Reason.CREDENTIALS_REFUSED

    async def test_a_refused_connection_is_not_sent(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await self.answer(world, Behaviour.REFUSES_CONNECTIONS, caplog)
        assert isinstance(answer, NotSent)
        assert answer.reason is Reason.UNREACHABLE

    async def test_silence_after_the_message_is_ambiguous(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await self.answer(world, Behaviour.SILENT, caplog, call_timeout=2.0)
        assert isinstance(answer, Ambiguous)

    async def test_a_reset_after_the_message_is_ambiguous(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert isinstance(await self.answer(world, Behaviour.RESETS, caplog), Ambiguous)

    async def test_what_is_no_answer_is_ambiguous(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert isinstance(await self.answer(world, Behaviour.BABBLES, caplog), Ambiguous)

    async def test_it_works_again_after_trouble(self, world: World) -> None:
        async with world.provider() as provider:
            for trouble in (Behaviour.RESETS, Behaviour.THROTTLES, Behaviour.REFUSES_RECIPIENT):
                await world.behave(trouble)
                assert not isinstance(await provider.send(job_of(world)), Accepted)
            before = world.taken
            await world.behave(Behaviour.TAKES)
            assert isinstance(await provider.send(job_of(world)), Accepted)
            assert world.taken == before + 1

    async def test_from_a_flaky_server_each_message_is_told_as_it_went(self, world: World) -> None:
        """Trouble comes and goes between calls of one provider: what it says it handed over has arrived, what it did not has not."""
        troubles = [how for how in Behaviour if how is not Behaviour.TAKES]
        async with world.provider(call_timeout=2.0) as provider:
            for how in (step for trouble in troubles for step in (Behaviour.TAKES, trouble)):
                await world.behave(how)
                before = world.taken
                answer = await provider.send(job_of(world))
                assert isinstance(answer, Accepted) is (how is Behaviour.TAKES), (how, answer)
                assert world.taken - before == isinstance(answer, Accepted), how

    async def test_many_at_once_all_arrive(self, world: World) -> None:
        await world.behave(Behaviour.TAKES)
        async with world.provider() as provider:
            answers = await asyncio.gather(*(provider.send(job_of(world)) for _ in range(100)))
        assert all(isinstance(answer, Accepted) for answer in answers)
        assert world.taken == 100

    async def test_a_cancelled_call_leaves_the_provider_usable(self, world: World) -> None:
        await world.behave(Behaviour.SILENT)
        async with world.provider() as provider:
            call = asyncio.create_task(provider.send(job_of(world)))
            await asyncio.sleep(0.05)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await world.behave(Behaviour.TAKES)
            assert isinstance(await provider.send(job_of(world)), Accepted)

    async def test_content_of_another_channel_is_rejected(self, world: World) -> None:
        other = next(channel for channel in Channel if channel is not world.channel)
        async with world.provider() as provider:
            answer = await provider.send(job_of(world, content=content_for(other)))
        assert isinstance(answer, Rejected)
        assert answer.reason is Reason.CONTENT_REFUSED
