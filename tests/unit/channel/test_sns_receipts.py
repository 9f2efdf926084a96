"""Messages of Amazon SNS: only what it has signed, now, for one of our topics is read; nothing else is called than SNS's own server."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.sns_sender import (
    CERTIFICATE,
    CONFIRM,
    HOST,
    NOW,
    TOPIC,
    SnsServer,
    certificate,
    key,
    message,
    posted,
    signed,
)

from tocsin.channel.receipts import Cause, ProviderEvent, RawRequest, Refused
from tocsin.channel.sns_certificates import KEPT_SECONDS, MOST_AT_ONCE, MOST_KEPT, Certificates
from tocsin.channel.sns_receipts import SnsReceipts, SnsReceiptsConfig
from tocsin.contracts.vocabulary import StatusName
from tocsin.testing import ManualClock

OTHER_TOPIC = TOPIC.replace("tocsin", "others")


def read_events(text: str, message_id: str) -> list[ProviderEvent]:
    """A kind of AWS's whose message is a status."""
    return [ProviderEvent(ref="r", status=StatusName(msgspec.json.decode(text, type=str)), id=message_id)]


def receipts(server: SnsServer, clock: ManualClock | None = None) -> SnsReceipts:
    config = SnsReceiptsConfig(topics=(TOPIC, OTHER_TOPIC.replace("others", "more")))
    return SnsReceipts(config, clock or ManualClock(NOW), read_events=read_events, fetch=server.fetch)


DELIVERED = message(Message='"delivered"', Subject="Amazon SES Email Event Notification")


async def cause(reader: SnsReceipts, request: RawRequest) -> Cause | None:
    try:
        await reader.verify(request)
    except Refused as refused:
        return refused.cause
    return None


async def test_a_notification_of_ours_is_read() -> None:
    server = SnsServer()
    (event,) = await receipts(server).verify(posted(signed(DELIVERED)))
    assert event == ProviderEvent(ref="r", status=StatusName.DELIVERED, id=DELIVERED["MessageId"])
    assert server.asked == [CERTIFICATE]


@settings(max_examples=40, deadline=None)
@given(text=st.text(), subject=st.none() | st.text())
async def test_any_text_that_is_signed_is_read(text: str, subject: str | None) -> None:
    got: list[str] = []

    def keep(told: str, _message_id: str) -> list[ProviderEvent]:
        got.append(told)
        return []

    reader = SnsReceipts(
        SnsReceiptsConfig(topics=(TOPIC,)), ManualClock(NOW), read_events=keep, fetch=SnsServer().fetch
    )
    assert await reader.verify(posted(signed(message(Message=text, Subject=subject)))) == []
    assert got == [text]


@pytest.mark.parametrize(
    "changed",
    [
        {"Message": '"complained"'},
        {"MessageId": "other"},
        {"Subject": "other"},
        {"Subject": None},
        {"Timestamp": "2026-01-01T00:00:01.000Z"},
        {"TopicArn": OTHER_TOPIC.replace("others", "more")},
        {"Type": "SubscriptionConfirmation", "SubscribeURL": CONFIRM, "Token": "x"},
        {"Signature": ""},
        {"Signature": "no base64"},
        {"Signature": "ü"},
        {"Signature": None},
        {"SignatureVersion": "1"},
        {"SignatureVersion": "3"},
        {"Message": "\ud800"},
    ],
    ids=range(14),
)
async def test_anything_changed_is_refused(changed: dict[str, Any]) -> None:
    told = {name: value for name, value in (signed(DELIVERED) | changed).items() if value is not None}
    assert await cause(receipts(SnsServer()), posted(told)) is Cause.SIGNATURE


async def test_a_signature_by_another_key_or_of_version_1_is_refused() -> None:
    reader = receipts(SnsServer())
    assert await cause(reader, posted(signed(DELIVERED, by=key(1)))) is Cause.SIGNATURE
    first = signed(DELIVERED | {"SignatureVersion": "1"}, digest=SHA1())
    assert await cause(reader, posted(first)) is Cause.SIGNATURE


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"no json", b"{}", b"[" * 200_000, b'"delivered"', b'{"Type": "\xff"}']
)
async def test_what_is_no_message_of_sns_is_refused(body: bytes) -> None:
    assert await cause(receipts(SnsServer()), posted(body)) is Cause.SIGNATURE


async def test_another_topic_is_refused_and_nothing_is_fetched_for_it() -> None:
    server = SnsServer()
    for kind in ("Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"):
        assert (
            await cause(receipts(server), posted(signed(message(kind, TopicArn=OTHER_TOPIC)))) is Cause.TOPIC
        )
    assert server.asked == []


@pytest.mark.parametrize(
    "url",
    [
        CERTIFICATE.replace("https:", "http:"),
        CERTIFICATE.replace("amazonaws.com", "amazonaws.com.evil.example"),
        CERTIFICATE.replace("sns.", "evil.sns."),
        CERTIFICATE.replace("sns.", "s3."),
        CERTIFICATE.replace("https://", "https://evil.example/"),
        CERTIFICATE.replace("https://", "https://evil.example@"),
        CERTIFICATE.replace("https://sns.", "https://sns.evil.example#."),
        CERTIFICATE.replace(".com/", ".com:8443/"),
        CERTIFICATE.replace(".com/", ".com/../"),
        CERTIFICATE.replace(".com/", ".com@evil.example/"),
        CERTIFICATE.replace("eu-central-1", "us-east-1"),
        CERTIFICATE.replace(".com/", ".com.cn/"),
        CERTIFICATE + "?x=1",
        CERTIFICATE + "\n",
        f"{HOST}/?Action=ConfirmSubscription&x=.pem",
        f"{HOST}/other.pem",
        "",
    ],
)
async def test_a_certificate_elsewhere_is_not_fetched(url: str) -> None:
    server = SnsServer(pages={url: certificate()})
    assert (
        await cause(receipts(server), posted(signed(DELIVERED | {"SigningCertURL": url}))) is Cause.SIGNATURE
    )
    assert server.asked == []


async def test_topics_in_china_have_their_host_there() -> None:
    topic = TOPIC.replace("arn:aws:", "arn:aws-cn:").replace("eu-central-1", "cn-north-1")
    url = CERTIFICATE.replace("eu-central-1", "cn-north-1").replace(".com/", ".com.cn/")
    server = SnsServer(pages={url: certificate(name="sns.cn-north-1.amazonaws.com.cn")})
    reader = SnsReceipts(
        SnsReceiptsConfig(topics=(topic,)), ManualClock(NOW), read_events=read_events, fetch=server.fetch
    )
    told = signed(DELIVERED | {"TopicArn": topic, "SigningCertURL": url})
    assert await cause(reader, posted(told)) is None


EC_KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"<html>",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        certificate(name="evil.example"),
        certificate(name="sns.amazonaws.com.evil.example"),
        certificate(name="sns.eu-central-1.amazonaws.org"),
        certificate(begins=NOW + timedelta(seconds=1)),
        certificate(begins=NOW - timedelta(days=91)),
        certificate(EC_KEY),
    ],
    ids=range(9),
)
async def test_what_is_no_certificate_of_sns_proves_nothing(page: bytes) -> None:
    server = SnsServer(pages={CERTIFICATE: page})
    assert await cause(receipts(server), posted(signed(DELIVERED))) is Cause.SIGNATURE


@pytest.mark.parametrize(
    "name", ["sns.amazonaws.com", "sns.eu-central-1.amazonaws.com", "sns-signing.eu-south-2.amazonaws.com"]
)
async def test_names_that_certificates_of_sns_have(name: str) -> None:
    server = SnsServer(pages={CERTIFICATE: certificate(name=name)})
    assert await cause(receipts(server), posted(signed(DELIVERED))) is None


@pytest.mark.parametrize(
    ("late", "expected"), [(-301, Cause.STALE), (-299, None), (3600, None), (3899, None), (3901, Cause.STALE)]
)
async def test_a_time_beyond_what_sns_may_repeat_is_refused(late: int, expected: Cause | None) -> None:
    told = signed(message(Message='"delivered"', at=NOW - timedelta(seconds=late)))
    assert await cause(receipts(SnsServer()), posted(told)) is expected


@pytest.mark.parametrize("time", ["soon", "", "2026-01-01T00:00:00"])
async def test_a_signed_time_that_is_none(time: str) -> None:
    assert (
        await cause(receipts(SnsServer()), posted(signed(DELIVERED | {"Timestamp": time})))
        is Cause.UNREADABLE
    )


@pytest.mark.parametrize("text", ["", "no json", "{}", "[" * 100_000])
async def test_what_is_signed_and_no_event_is_unreadable(text: str) -> None:
    assert await cause(receipts(SnsServer()), posted(signed(message(Message=text)))) is Cause.UNREADABLE


async def test_a_type_that_nobody_knows_is_unreadable() -> None:
    assert await cause(receipts(SnsServer()), posted(signed(message("OfALaterYear")))) is Cause.UNREADABLE


async def test_a_subscription_of_ours_is_confirmed() -> None:
    server = SnsServer()
    (event,) = await receipts(server).verify(posted(signed(message("SubscriptionConfirmation"))))
    assert event.status is None
    assert server.asked == [CERTIFICATE, CONFIRM]


async def test_an_unsigned_wish_for_a_subscription_confirms_nothing() -> None:
    server = SnsServer()
    told = message("SubscriptionConfirmation")
    assert await cause(receipts(server), posted(signed(told, by=key(1)))) is Cause.SIGNATURE
    assert server.asked == [CERTIFICATE]


@pytest.mark.parametrize(
    "url",
    [
        CONFIRM.replace("https:", "http:"),
        CONFIRM.replace("amazonaws.com", "amazonaws.com.evil.example"),
        CONFIRM.replace("eu-central-1", "us-east-1"),
        CONFIRM.replace("ConfirmSubscription", "Unsubscribe"),
        CONFIRM.replace(".com/", ".com@evil.example/"),
        "http://169.254.169.254/",
        "",
    ],
)
async def test_a_subscription_is_confirmed_nowhere_but_at_sns(url: str) -> None:
    server = SnsServer()
    told = signed(message("SubscriptionConfirmation", SubscribeURL=url))
    assert await cause(receipts(server), posted(told)) is Cause.UNREADABLE
    assert server.asked == [CERTIFICATE]


async def test_while_sns_does_not_answer_it_is_to_ask_again() -> None:
    server = SnsServer(away=True)
    reader = receipts(server)
    assert await cause(reader, posted(signed(DELIVERED))) is Cause.UNREACHABLE
    server.away = False
    assert await cause(reader, posted(signed(DELIVERED))) is None
    server.away = True
    assert await cause(reader, posted(signed(message("SubscriptionConfirmation")))) is Cause.UNREACHABLE


async def test_that_a_subscription_has_ended_is_only_told() -> None:
    server = SnsServer()
    (event,) = await receipts(server).verify(posted(signed(message("UnsubscribeConfirmation"))))
    assert event.status is None
    assert server.asked == [CERTIFICATE]  # it is not subscribed again


async def test_a_certificate_is_fetched_once_a_day() -> None:
    server, clock = SnsServer(), ManualClock(NOW)
    certificates = Certificates(clock, fetch=server.fetch)
    await asyncio.gather(*(certificates.key(CERTIFICATE) for _ in range(20)))
    assert len(server.asked) == 1
    clock.advance(KEPT_SECONDS + 1)
    await certificates.key(CERTIFICATE)
    assert len(server.asked) == 2


async def test_few_are_fetched_at_once_and_what_is_kept_is_there_meanwhile() -> None:
    server, go_on = SnsServer(), asyncio.Event()

    async def slowly(url: str) -> bytes:
        if url != CERTIFICATE:
            await go_on.wait()
        return await server.fetch(url)

    certificates = Certificates(ManualClock(NOW), fetch=slowly)
    await certificates.key(CERTIFICATE)
    waiting = [
        asyncio.create_task(certificates.key(f"{HOST}/{number}.pem")) for number in range(MOST_AT_ONCE)
    ]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as refused:
        await certificates.key(f"{HOST}/more.pem")
    assert refused.value.cause is Cause.UNREACHABLE
    await certificates.key(CERTIFICATE)
    go_on.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in ended] == [Refused] * MOST_AT_ONCE
    server.pages[f"{HOST}/more.pem"] = certificate()
    await certificates.key(f"{HOST}/more.pem")


async def test_who_waits_for_a_certificate_may_leave() -> None:
    server, go_on = SnsServer(), asyncio.Event()

    async def slowly(url: str) -> bytes:
        await go_on.wait()
        return await server.fetch(url)

    certificates = Certificates(ManualClock(NOW), fetch=slowly)
    first, second = (asyncio.create_task(certificates.key(CERTIFICATE)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    go_on.set()
    assert await second == key().public_key()
    assert first.cancelled()


async def test_certificates_that_are_kept_are_bounded() -> None:
    pages = {f"{HOST}/{number}.pem": certificate() for number in range(MOST_KEPT + 1)}
    server = SnsServer(pages=pages)
    certificates = Certificates(ManualClock(NOW), fetch=server.fetch)
    for url in pages:
        await certificates.key(url)
    await certificates.key(f"{HOST}/{MOST_KEPT}.pem")
    assert len(server.asked) == MOST_KEPT + 1
    await certificates.key(f"{HOST}/0.pem")
    assert len(server.asked) == MOST_KEPT + 2


@pytest.mark.parametrize(
    "topics",
    [
        [],
        [TOPIC] * 21,
        ["tocsin-events"],
        [TOPIC + ".fifo"],
        [TOPIC.replace("sns", "sqs")],
        [TOPIC.replace("eu-central-1", "evil.example/")],
        [TOPIC + "\n"],
        [TOPIC + ":subscription"],
    ],
)
def test_what_is_no_list_of_topics_stops_the_start(topics: list[str]) -> None:
    with pytest.raises(ValidationError):
        SnsReceiptsConfig.model_validate({"topics": topics})


def test_the_sender_signs_what_it_shows() -> None:
    """The tests above would prove nothing if it signed no more than a part."""
    told = signed(DELIVERED)
    assert json.loads(posted(told).body) == told


# A stand-in for SNS

NOBODYS_TOPIC = TOPIC.replace("123456789012", "000000000000")


def stand_in(folder: Path, pem: bytes, *topics: str) -> SnsReceiptsConfig:
    (folder / "certificate.pem").write_bytes(pem)
    entry = {"topics": topics, "stand_in_certificate_file": "certificate.pem"}
    return SnsReceiptsConfig.model_validate(entry, context={"folder": folder})


async def test_a_stand_in_signs_with_its_own_certificate_and_nothing_is_fetched(tmp_path: Path) -> None:
    server = SnsServer()
    config = stand_in(tmp_path, certificate(key(1)), NOBODYS_TOPIC)
    reader = SnsReceipts(config, ManualClock(NOW), read_events=read_events, fetch=server.fetch)
    told = DELIVERED | {"TopicArn": NOBODYS_TOPIC}
    (event,) = await reader.verify(posted(signed(told, by=key(1))))
    assert event.status is StatusName.DELIVERED
    assert await cause(reader, posted(signed(told))) is Cause.SIGNATURE  # of SNS itself
    assert await cause(reader, posted(signed(DELIVERED, by=key(1)))) is Cause.TOPIC
    assert server.asked == []


async def test_a_stand_in_whose_certificate_is_over_is_not_believed(tmp_path: Path) -> None:
    pem = certificate(key(1), begins=NOW - timedelta(days=9), days=1)
    reader = SnsReceipts(stand_in(tmp_path, pem, NOBODYS_TOPIC), ManualClock(NOW), read_events=read_events)
    told = signed(DELIVERED | {"TopicArn": NOBODYS_TOPIC}, by=key(1))
    assert await cause(reader, posted(told)) is Cause.SIGNATURE


@pytest.mark.parametrize("topics", [(TOPIC,), (NOBODYS_TOPIC, TOPIC)], ids=["of AWS", "one of AWS"])
def test_no_topic_of_aws_has_a_stand_in(tmp_path: Path, topics: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="every topic beside it must be of the account 000000000000"):
        stand_in(tmp_path, certificate(), *topics)
