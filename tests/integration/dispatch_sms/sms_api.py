"""What providers of SMS have in common: an account, and what each instance must do besides the shared suite."""

from abc import abstractmethod
from typing import Any, ClassVar

import pytest
from tests.provider_account import ProviderAccount

from tocsin.channel import Accepted, Rejected
from tocsin.contracts.jobs import EmailContent, SmsContent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import ProviderSuite

ODD_TEXT = '10\u00a0000\u202f€ \u3000 \u202ecba\u202c \u200f\r\n  two  \t\n+%26&="\\👩‍👩‍👧'


class SmsApi(ProviderAccount):
    """An account for SMS."""

    channel = Channel.SMS
    longest: ClassVar[int]
    """A text of more characters is refused unsent."""

    @abstractmethod
    def texts(self) -> list[str]:
        """What it has taken."""


class SmsApiSuite(ProviderSuite):
    """No SMS is sent that the provider would refuse for certain, and what is sent is the job's text."""

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"address": ""}, Reason.ADDRESS_INVALID),
            ({"address": "4915112345678"}, Reason.ADDRESS_INVALID),
            ({"address": "+0151"}, Reason.ADDRESS_INVALID),
            ({"address": "+49 151 12345678"}, Reason.ADDRESS_INVALID),
            ({"address": "+49151123456789012"}, Reason.ADDRESS_INVALID),
            ({"content": EmailContent(subject="x", text="x")}, Reason.CONTENT_REFUSED),
        ],
        ids=range(6),
    )
    async def test_what_is_no_sms_is_rejected_unsent(
        self, world: SmsApi, fields: dict[str, Any], reason: Reason
    ) -> None:
        await assert_rejected_unsent(world, fields, reason)

    async def test_a_text_that_is_too_long_is_rejected_unsent(self, world: SmsApi) -> None:
        content = SmsContent(body="x" * (world.longest + 1))
        await assert_rejected_unsent(world, {"content": content}, Reason.TOO_LARGE)

    async def test_a_text_arrives_as_it_is(self, world: SmsApi) -> None:
        async with world.provider() as provider:
            answer = await provider.send(job_for(Channel.SMS, content=SmsContent(body=ODD_TEXT)))
        assert isinstance(answer, Accepted)
        assert world.texts() == [ODD_TEXT]

    async def test_an_instance_that_was_not_opened_says_so(self, world: SmsApi) -> None:
        provider = world.unopened()
        with pytest.raises(RuntimeError, match="not opened"):
            await provider.send(job_for(Channel.SMS))
        await provider.close()


async def assert_rejected_unsent(world: SmsApi, fields: dict[str, Any], reason: Reason) -> None:
    """The answer has this reason and does not repeat the number, and the server was not asked."""
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.SMS, **fields))
    assert isinstance(answer, Rejected)
    assert answer.reason is reason
    assert answer.detail is not None
    assert "12345678" not in answer.detail
    assert world.requests == 0
