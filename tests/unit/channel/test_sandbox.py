"""The sandbox: every magic recipient on every channel, and everyone else."""

import pytest

from tocsin.channel import Accepted, Ambiguous, NotSent, Rejected, Throttled
from tocsin.channel.sandbox import Sandbox
from tocsin.contracts.channels import CHANNELS, SandboxBehaviour
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.testing.jobs import job_for

MAGIC = [
    (SandboxBehaviour.BOUNCE, "bounce@sandbox.tocsin.test", "+15005550001", "sandbox-invalid", Rejected),
    (SandboxBehaviour.GONE, "gone+7@Sandbox.Tocsin.Test", "+15005550004", "sandbox-unregistered-7", Rejected),
    (SandboxBehaviour.FAIL, "fail@sandbox.tocsin.test", "+15005550002", "sandbox-unavailable", NotSent),
    (
        SandboxBehaviour.THROTTLE,
        "throttle@sandbox.tocsin.test",
        "+15005550007",
        "sandbox-throttled",
        Throttled,
    ),
    (SandboxBehaviour.SILENT, "silent@sandbox.tocsin.test", "+15005550008", "sandbox-silent", Ambiguous),
    (SandboxBehaviour.DELAY, "delay@sandbox.tocsin.test", "+15005550009", "sandbox-delay", Accepted),
]


async def no_time(_seconds: float) -> None:
    """Two seconds, in a test."""


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("row", MAGIC)
async def test_magic_recipients(channel: Channel, row: tuple[SandboxBehaviour, str, str, str, type]) -> None:
    behaviour, mail, phone, token, kind = row
    place = "sandbox-gone" if behaviour is SandboxBehaviour.GONE else token
    address = {
        Channel.EMAIL: mail,
        Channel.SMS: phone,
        Channel.PUSH: token,
        Channel.CHAT: place,
        Channel.WEBHOOK: place,
        Channel.INAPP: place,
    }[channel]
    sandbox = Sandbox(channel=channel, sleep=no_time)
    assert sandbox.behaviour(address) is behaviour
    answer = await sandbox.send(job_for(channel, address=address, test=True))
    assert type(answer) is kind
    assert address not in repr(answer)


async def test_what_a_gone_address_is_called() -> None:
    answers = {
        channel: await Sandbox(channel=channel).send(job_for(channel, address=address, test=True))
        for channel, address in (
            (Channel.EMAIL, "gone@sandbox.tocsin.test"),
            (Channel.SMS, "+15005550004"),
            (Channel.PUSH, "sandbox-unregistered"),
            (Channel.CHAT, "sandbox-gone-7"),
        )
    }
    reasons = {channel: answer.reason for channel, answer in answers.items() if isinstance(answer, Rejected)}
    assert reasons == {
        Channel.EMAIL: Reason.RECIPIENT_REFUSED,
        Channel.SMS: Reason.RECIPIENT_REFUSED,
        Channel.PUSH: Reason.DEVICE_GONE,
        Channel.CHAT: Reason.ADDRESS_GONE,
    }


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        (Channel.EMAIL, "bounce@example.org"),
        (Channel.EMAIL, "anyone@sandbox.tocsin.test"),
        (Channel.EMAIL, "bounce"),
        (Channel.SMS, "+15005550006"),
        (Channel.PUSH, "sandbox-invalidated"),
        (Channel.PUSH, "bounce@sandbox.tocsin.test"),
    ],
)
async def test_everyone_else_is_taken(channel: Channel, address: str) -> None:
    job = job_for(channel, address=address, test=True)
    answer = await Sandbox(channel=channel).send(job)
    assert answer == Accepted(message_id=f"sandbox-{job.delivery_id}", code="sandbox")


@pytest.mark.parametrize("channel", Channel)
def test_every_channel_has_an_address_for_every_behaviour(channel: Channel) -> None:
    sandbox = Sandbox(channel=channel)
    addresses = CHANNELS[channel].sandbox
    assert {behaviour: sandbox.behaviour(address) for behaviour, address in addresses.items()} == {
        behaviour: behaviour for behaviour in SandboxBehaviour
    }
