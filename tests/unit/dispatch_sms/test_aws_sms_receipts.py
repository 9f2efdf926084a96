"""What AWS End User Messaging tells by SNS: what each type of events means, and no word of AWS's but its type."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.loaders import Loader
from tests.sns_sender import NOW, TOPIC, SnsServer, event, message, posted, signed

from tocsin.channel.receipts import Cause, ProviderEvent, Refused
from tocsin.channel.sns_receipts import SnsReceipts, SnsReceiptsConfig
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_sms.aws_sms_receipts import AWS_SMS_RECEIPTS, read_events
from tocsin.dispatch_sms.callbacks import RECEIPTS
from tocsin.testing import ManualClock

AT = datetime(2025, 12, 31, 23, 59, 53, 470_000, tzinfo=UTC)
# As https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html shows it.
EVENT: dict[str, Any] = {
    "eventType": "TEXT_DELIVERED", "eventVersion": "1.0", "eventTimestamp": round(AT.timestamp() * 1000), "isFinal": True,
    "originationPhoneNumber": "+12065550152", "destinationPhoneNumber": "+14255550156", "isoCountryCode": "US",
    "messageId": "862a8790-60c0-4430-9b2b-658bdexample", "messageRequestTimestamp": 1686975103170, "messageEncoding": "GSM",
    "messageType": "TRANSACTIONAL", "messageStatus": "marked", "messageStatusDescription": "marked +14255550156",
    "context": {"tocsin_ref": "the-ref", "tocsin_delivery": "x"}, "totalMessageParts": 1, "totalMessagePrice": 0.09582,
}  # fmt: skip
FAILURES = {
    "TEXT_INVALID": Reason.ADDRESS_INVALID,
    "TEXT_INVALID_MESSAGE": Reason.CONTENT_REFUSED,
    "TEXT_UNREACHABLE": Reason.RECIPIENT_REFUSED,
    "TEXT_CARRIER_UNREACHABLE": Reason.PROVIDER_ERROR,
    "TEXT_BLOCKED": Reason.RECIPIENT_REFUSED,
    "TEXT_CARRIER_BLOCKED": Reason.BLOCKED,
    "TEXT_PROTECT_BLOCKED": Reason.BLOCKED,
    "TEXT_SPAM": Reason.CONTENT_REFUSED,
    "TEXT_TTL_EXPIRED": Reason.PROVIDER_ERROR,
}
NOTHING = {"TEXT_QUEUED", "TEXT_PENDING", "TEXT_SENT", "TEXT_SUCCESSFUL", "TEXT_UNKNOWN"}


def receipts() -> SnsReceipts:
    return SnsReceipts(
        SnsReceiptsConfig(topics=(TOPIC,)), ManualClock(NOW), read_events=read_events, fetch=SnsServer().fetch
    )


async def told(**fields: Any) -> ProviderEvent:
    (one,) = await receipts().verify(event(EVENT | fields))
    assert "marked" not in repr(one)
    assert "14255550156" not in repr(one)
    return one


def test_every_type_of_texts_that_aws_knows_is_judged() -> None:
    model = Loader().load_service_model("pinpoint-sms-voice-v2", "service-2")
    known = {name for name in model["shapes"]["EventType"]["enum"] if name.startswith("TEXT_")}
    assert known == {"TEXT_ALL", "TEXT_DELIVERED"} | FAILURES.keys() | NOTHING


async def test_what_was_delivered() -> None:
    one = await told()
    assert one == ProviderEvent(ref="the-ref", status=StatusName.DELIVERED, id=one.id, at=AT)


@pytest.mark.parametrize(("name", "reason"), FAILURES.items())
async def test_what_was_not(name: str, reason: Reason) -> None:
    one = await told(eventType=name)
    assert (one.ref, one.status, one.code, one.reason, one.at) == (
        "the-ref",
        StatusName.UNDELIVERED,
        name,
        reason,
        AT,
    )
    assert one.detail is not None


@pytest.mark.parametrize("name", sorted(NOTHING | {"VOICE_ANSWERED", "OF_A_LATER_YEAR"}))
async def test_what_changes_nothing(name: str) -> None:
    one = await told(eventType=name)
    assert one == ProviderEvent(ref="the-ref", status=None, id=one.id, at=AT)


@pytest.mark.parametrize("context", [None, {}, {"tocsin_ref": 1}, {"other": "x"}])
async def test_without_a_ref_it_says_so(context: Any) -> None:
    assert (await told(context=context, eventTimestamp=None)).ref is None


@pytest.mark.parametrize("text", ["{}", "[]", '{"eventType": 1}', "Successfully validated"])
async def test_what_is_signed_and_no_event_is_unreadable(text: str) -> None:
    with pytest.raises(Refused) as refused:
        await receipts().verify(posted(signed(message(Message=text))))
    assert refused.value.cause is Cause.UNREADABLE


def test_the_kind_is_known_and_makes_what_reads_it() -> None:
    assert RECEIPTS["aws_sms"] is AWS_SMS_RECEIPTS
    config = AWS_SMS_RECEIPTS.config.model_validate({"topics": [TOPIC]})
    assert isinstance(AWS_SMS_RECEIPTS.create(config, ManualClock(NOW)), SnsReceipts)
