"""An address that comes alone is judged as a recipient's would be, and compared without what spellings differ in."""

import pytest

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.address import judge_address
from tocsin.contracts.vocabulary import Channel, Reason


@pytest.mark.parametrize(
    ("channel", "text", "canonical"),
    [
        (Channel.EMAIL, "Ann@Example.COM", "Ann@example.com"),
        (Channel.SMS, "+49 30 12345678", "+493012345678"),
        (Channel.PUSH, "Token:1", "Token:1"),
    ],
)
def test_each_channel_has_its_own_form(channel: Channel, text: str, canonical: str):
    assert judge_address(channel, text) == canonical


@pytest.mark.parametrize(
    ("channel", "text", "code"),
    [
        (Channel.EMAIL, "+493012345678", Reason.EMAIL_INVALID),
        (Channel.EMAIL, "a@b.example" * 100, Reason.EMAIL_INVALID),
        (Channel.SMS, "ann@example.com", Reason.PHONE_INVALID),
        (Channel.PUSH, "a b", Reason.DEVICE_INVALID),
        (Channel.PUSH, "", Reason.DEVICE_INVALID),
    ],
)
def test_what_is_none_is_refused_without_being_repeated(channel: Channel, text: str, code: Reason):
    with pytest.raises(ValueRefused) as refused:
        judge_address(channel, text)
    assert refused.value.code == code
    assert not text or text not in refused.value.detail


@pytest.mark.parametrize(
    ("channel", "address", "comparable"),
    [
        (Channel.EMAIL, "Ann.Lee+Shop@example.com", "ann.lee+shop@example.com"),
        (Channel.EMAIL, "Zoë@example.com", "Zoë@example.com"),
        (Channel.SMS, "+493012345678", "+493012345678"),
        (Channel.PUSH, "aA", "aA"),
    ],
)
def test_only_the_case_of_mail_addresses_is_left_out(channel: Channel, address: str, comparable: str):
    assert CHANNELS[channel].address.comparable(address) == comparable
