"""What providers of email over HTTP have in common: an account, and what each instance must do besides the shared suite."""

from abc import abstractmethod
from typing import Any, ClassVar

import pytest
from tests.attached_files import attachment, here, mail_with
from tests.provider_account import ProviderAccount

from tocsin.channel import Accepted, Rejected, Throttled
from tocsin.channel.preparation import CarriesFiles
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite

LINK = "https://tocsin.example/u/abc.def?x=1"
JOB = job_for(Channel.EMAIL, unsubscribe_url=LINK)


class MailApi(ProviderAccount):
    """An account for mail."""

    channel = Channel.EMAIL
    asks_for_patience: ClassVar[Throttled]
    """The answer to its refusal, when it wants to be asked again in seven seconds."""
    too_large: ClassVar[int]
    """A text of so many characters is refused unsent."""

    @abstractmethod
    async def wants_to_be_asked_again(self) -> None:
        """From now on it asks for patience, and says that it is over in seven seconds."""


class AsksByRetryAfter(MailApi):
    """It says so as HTTP has it."""

    async def wants_to_be_asked_again(self) -> None:
        status, headers, body = self.scripts[Behaviour.THROTTLES]
        self.scripted = (status, headers | {"Retry-After": "7"}, body)


class MailApiSuite(ProviderSuite):
    """No mail is sent that the provider would refuse for certain, or that would say more than the job does."""

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"sender": None}, Reason.SENDER_MISSING),
            ({"sender": SenderIdentity(address="größe@example.com")}, Reason.CONTENT_REFUSED),
            ({"sender": SenderIdentity(address="a@b.example", reply_to="größe@example.com")}, Reason.CONTENT_REFUSED),
            ({"address": "größe@example.com"}, Reason.ADDRESS_INVALID),
            ({"address": "ada@example.org\r\nBcc: eve@example.org"}, Reason.ADDRESS_INVALID),
            ({"content": EmailContent(subject="x")}, Reason.CONTENT_REFUSED),
            ({"unsubscribe_url": "https://x.example/\r\nBcc: eve@example.org"}, Reason.CONTENT_REFUSED),
            ({"delivery_id": "a\r\nBcc: eve@example.org"}, Reason.CONTENT_REFUSED),
        ],
        ids=range(8),
    )  # fmt: skip
    async def test_what_no_mail_may_hold_is_rejected_unsent(
        self, world: MailApi, fields: dict[str, Any], reason: Reason
    ) -> None:
        await assert_rejected_unsent(world, fields, reason)

    async def test_a_mail_that_is_too_large_is_rejected_unsent(self, world: MailApi) -> None:
        content = EmailContent(subject="x", text="a" * world.too_large)
        await assert_rejected_unsent(world, {"content": content}, Reason.TOO_LARGE)

    async def test_no_mail_goes_without_the_files_that_it_needs(self, world: MailApi) -> None:
        async with world.provider() as provider:
            answer = await provider.send(mail_with(attachment()))
        assert isinstance(answer, Rejected)
        assert answer.reason == Reason.CONTENT_REFUSED
        assert world.requests == 0

    async def test_files_go_with_the_mail_whole(self, world: MailApi) -> None:
        files = [here(bytes(range(256)) * 4000, name="請求書.pdf")]
        async with world.provider() as provider:
            assert isinstance(provider, CarriesFiles)
            provider.files_of = lambda _job: files
            answer = await provider.send(mail_with(files[0].about))
        assert isinstance(answer, Accepted)

    async def test_when_it_wants_to_be_asked_again_is_passed_on(self, world: MailApi) -> None:
        await world.wants_to_be_asked_again()
        async with world.provider() as provider:
            assert await provider.send(JOB) == world.asks_for_patience

    async def test_an_instance_that_was_not_opened_says_so(self, world: MailApi) -> None:
        provider = world.unopened()
        with pytest.raises(RuntimeError, match="not opened"):
            await provider.send(JOB)
        await provider.close()


async def assert_rejected_unsent(world: MailApi, fields: dict[str, Any], reason: Reason) -> None:
    """The answer has this reason and names nobody, and the server was not asked."""
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.EMAIL, **fields))
    assert isinstance(answer, Rejected)
    assert answer.reason is reason
    assert answer.detail is not None
    assert "example" not in answer.detail
    assert world.requests == 0
