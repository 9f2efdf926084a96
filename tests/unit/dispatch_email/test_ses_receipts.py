"""What SES tells by SNS: what each event means, one event for each recipient that a bounce names, and no word of SES's."""

from datetime import UTC, datetime
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from tests.sns_sender import NOW, TOPIC, SnsServer, event, message, posted, signed

from tocsin.channel.receipts import Cause, ProviderEvent, Refused
from tocsin.channel.ref import RefKey, Refs
from tocsin.channel.sns_receipts import SnsReceipts, SnsReceiptsConfig
from tocsin.contracts.jobs import EmailContent
from tocsin.contracts.vocabulary import Channel, Reason, StatusName
from tocsin.dispatch_email.callbacks import RECEIPTS
from tocsin.dispatch_email.mailboxes import mailbox
from tocsin.dispatch_email.mime import mail
from tocsin.dispatch_email.ses_receipts import SES_RECEIPTS, read_events
from tocsin.testing import ManualClock
from tocsin.testing.jobs import job_for

AT = datetime(2025, 12, 31, 23, 59, 53, 669_000, tzinfo=UTC)
TIME = "2025-12-31T23:59:53.669Z"
# As https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html shows them.
MAIL: dict[str, Any] = {
    "timestamp": "2025-12-31T23:59:50.000Z", "source": "marked <marked@example.com>", "messageId": "EXAMPLE7c191be45",
    "sourceArn": "arn:aws:ses:eu-central-1:123456789012:identity/marked@example.com", "destination": ["marked@example.org"],
    "headersTruncated": False,
    "headers": [
        {"name": "From", "value": "marked <marked@example.com>"}, {"name": "Subject", "value": "marked"},
        {"name": "x-tocsin-ref", "value": "the-\r\n ref"}, {"name": "X-Tocsin-Ref", "value": "another"},
    ],
    "commonHeaders": {"subject": "marked", "to": ["marked@example.org"]}, "tags": {"ses:configuration-set": ["marked"]},
}  # fmt: skip


def bounce(kind: str, sub: str = "General", *codes: str | None) -> dict[str, Any]:
    named = [
        {"emailAddress": "marked@example.org", "action": "failed"}
        | ({"status": code, "diagnosticCode": "smtp; marked"} if code else {})
        for code in codes or ("5.1.1",)
    ]
    told = {
        "bounceType": kind,
        "bounceSubType": sub,
        "bouncedRecipients": named,
        "timestamp": TIME,
        "feedbackId": "marked",
    }
    return {"eventType": "Bounce", "mail": MAIL, "bounce": told | {"reportingMTA": "dsn; marked.example"}}


def complaint(**fields: Any) -> dict[str, Any]:
    told = {
        "complainedRecipients": [{"emailAddress": "marked@example.org"}],
        "timestamp": TIME,
        "userAgent": "marked",
    }
    return {"eventType": "Complaint", "mail": MAIL, "complaint": told | fields}


def timed(name: str, **fields: Any) -> dict[str, Any]:
    told = {
        "timestamp": TIME,
        "recipients": ["marked@example.org"],
        "link": "https://marked.example/",
        "ipAddress": "192.0.2.1",
    }
    return {"eventType": name, "mail": MAIL, name.lower(): told | fields}


def preferences(*left: str, everything: bool = False) -> dict[str, Any]:
    topics = [
        {"topicName": name, "subscriptionStatus": "OptOut" if name in left else "OptIn"}
        for name in ("marked", "other")
    ]
    return {"unsubscribeAll": everything, "topicSubscriptionStatus": topics}


def subscription(old: Any, new: Any) -> dict[str, Any]:
    told = {"contactList": "marked", "timestamp": TIME, "source": "UnsubscribeHeader"}
    return {
        "eventType": "Subscription",
        "mail": MAIL,
        "subscription": told | {"oldTopicPreferences": old, "newTopicPreferences": new},
    }


MEANINGS: list[tuple[dict[str, Any], StatusName | None, str | None, Reason | None]] = [
    ({"eventType": "Send", "mail": MAIL, "send": {}}, None, None, None),
    (timed("Delivery", smtpResponse="250 marked", reportingMTA="marked"), StatusName.DELIVERED, None, None),
    (timed("Open", userAgent="marked"), StatusName.OPENED, None, None),
    (timed("Click", linkTags={"marked": ["marked"]}), StatusName.CLICKED, None, None),
    (bounce("Permanent"), StatusName.BOUNCED, "5.1.1", Reason.HARD_BOUNCE),
    (bounce("Permanent", "NoEmail", None), StatusName.BOUNCED, None, Reason.HARD_BOUNCE),
    (bounce("Permanent", "General", "5.7.1"), StatusName.BOUNCED, "5.7.1", Reason.BLOCKED),
    (bounce("Permanent", "Suppressed", None), StatusName.BOUNCED, None, Reason.PROVIDER_SUPPRESSED),
    (bounce("Permanent", "OnAccountSuppressionList"), StatusName.BOUNCED, None, Reason.PROVIDER_SUPPRESSED),
    (bounce("Undetermined", "Undetermined", None), StatusName.BOUNCED, None, Reason.SOFT_BOUNCE),
    (bounce("Transient", "General", "4.4.7"), None, None, None),
    (bounce("Transient", "OfALaterYear", None), None, None, None),
    (bounce("Transient", "MailboxFull", "5.2.2"), StatusName.BOUNCED, "5.2.2", Reason.SOFT_BOUNCE),
    (bounce("Transient", "CustomTimeoutExceeded", None), StatusName.BOUNCED, None, Reason.SOFT_BOUNCE),
    (bounce("Transient", "MessageTooLarge", "5.3.4"), StatusName.BOUNCED, "5.3.4", Reason.BLOCKED),
    (bounce("Transient", "ContentRejected", None), StatusName.BOUNCED, None, Reason.BLOCKED),
    (bounce("Transient", "AttachmentRejected", None), StatusName.BOUNCED, None, Reason.BLOCKED),
    (complaint(complaintFeedbackType="abuse"), StatusName.COMPLAINED, None, None),
    (complaint(), StatusName.COMPLAINED, None, None),
    (complaint(complaintFeedbackType="not-spam"), None, None, None),
    (complaint(complaintSubType="OnAccountSuppressionList"), StatusName.UNDELIVERED, None, Reason.PROVIDER_SUPPRESSED),
    ({"eventType": "Reject", "mail": MAIL, "reject": {"reason": "marked"}}, StatusName.UNDELIVERED, None, Reason.CONTENT_REFUSED),
    (
        {"eventType": "Rendering Failure", "mail": MAIL, "failure": {"errorMessage": "marked", "templateName": "marked"}},
        StatusName.UNDELIVERED, None, Reason.CONTENT_REFUSED,
    ),
    ({"eventType": "DeliveryDelay", "mail": MAIL, "deliveryDelay": {"delayType": "MailboxFull", "timestamp": TIME}}, None, None, None),
    (subscription(preferences(), preferences(everything=True)), StatusName.UNSUBSCRIBED, None, None),
    (subscription(preferences(), preferences("other")), StatusName.UNSUBSCRIBED, None, None),
    (subscription(None, preferences("marked")), StatusName.UNSUBSCRIBED, None, None),
    (subscription(preferences("other"), preferences("other")), None, None, None),
    (subscription(preferences(everything=True), preferences()), None, None, None),
    ({"eventType": "OfALaterYear", "mail": MAIL}, None, None, None),
    (timed("Delivery") | {"eventType": None, "notificationType": "Delivery"}, StatusName.DELIVERED, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("content", "status", "code", "reason"), MEANINGS, ids=range(len(MEANINGS)))
async def test_what_each_event_means_and_that_nothing_else_of_it_is_kept(
    content: dict[str, Any], status: StatusName | None, code: str | None, reason: Reason | None
) -> None:
    content = {name: value for name, value in content.items() if value is not None}
    (told,) = await receipts().verify(event(content))
    assert told == ProviderEvent(
        ref="the-ref", status=status, id=told.id, at=told.at, code=code, reason=reason, detail=told.detail
    )
    if status is not None and content.get("eventType") not in {"Reject", "Rendering Failure"}:
        assert told.at == AT
    assert (told.detail is None) is (reason is None)
    assert "marked" not in repr(told)


def receipts() -> SnsReceipts:
    return SnsReceipts(
        SnsReceiptsConfig(topics=(TOPIC,)), ManualClock(NOW), read_events=read_events, fetch=SnsServer().fetch
    )


async def test_a_bounce_that_names_several_recipients_is_told_of_each() -> None:
    content = bounce("Permanent", "General", "5.1.1", "5.7.1", None)
    posted_once = event(content)
    told = await receipts().verify(posted_once)
    assert [(one.code, one.reason) for one in told] == [
        ("5.1.1", Reason.HARD_BOUNCE),
        ("5.7.1", Reason.BLOCKED),
        (None, Reason.HARD_BOUNCE),
    ]
    assert len({one.id for one in told}) == 3
    assert await receipts().verify(posted_once) == told


async def test_a_bounce_that_names_nobody_is_told_once_and_one_that_names_many_is_bounded() -> None:
    content = bounce("Undetermined")
    content["bounce"]["bouncedRecipients"] = []
    assert len(await receipts().verify(event(content))) == 1
    content["bounce"]["bouncedRecipients"] = [{"emailAddress": "a"}] * 1000
    assert len(await receipts().verify(event(content))) == 100


@pytest.mark.parametrize("headers", [None, [], [{"name": "Subject", "value": "x"}]])
async def test_without_the_header_it_says_so(headers: Any) -> None:
    told_of = {name: value for name, value in (MAIL | {"headers": headers}).items() if value is not None}
    (told,) = await receipts().verify(event({"eventType": "Delivery", "mail": told_of}))
    assert (told.ref, told.status, told.at) == (None, StatusName.DELIVERED, None)


@pytest.mark.parametrize(
    "text", ["{}", '{"mail": 1}', '{"mail": {"headers": [1]}}', "Successfully validated SNS topic"]
)
async def test_what_is_signed_and_no_event_is_unreadable(text: str) -> None:
    with pytest.raises(Refused) as refused:
        await receipts().verify(posted(signed(message(Message=text))))
    assert refused.value.cause is Cause.UNREADABLE


async def test_the_ref_of_a_mail_comes_back_by_its_header() -> None:
    job = job_for(Channel.EMAIL)
    refs = Refs([RefKey("1", "k" * 32)], channel=Channel.EMAIL, instance="ses")
    assert job.sender is not None
    assert isinstance(job.private.content, EmailContent)
    raw = mail(
        content=job.private.content,
        sender=job.sender,
        to=mailbox(job.private.address),
        delivery_id=job.delivery_id,
        notification_id=job.notification_id,
        unsubscribe_url=None,
        ref=refs.seal(job),
        now=0.0,
    )
    headers = [{"name": name, "value": value} for name, value in BytesParser().parsebytes(raw).items()]
    (told,) = await receipts().verify(event({"eventType": "Delivery", "mail": {"headers": headers}}))
    opened = refs.open(told.ref or "")
    assert opened is not None
    assert opened.delivery_id == job.delivery_id


def test_the_kind_is_known_and_makes_what_reads_it(tmp_path: Path) -> None:
    assert RECEIPTS["ses"] is SES_RECEIPTS
    config = SES_RECEIPTS.config.model_validate({"topics": [TOPIC]}, context={"folder": tmp_path})
    assert isinstance(SES_RECEIPTS.create(config, ManualClock(NOW)), SnsReceipts)


def test_the_kind_says_which_statuses_it_tells() -> None:
    assert SES_RECEIPTS.tells == {status for _, status, _, _ in MEANINGS if status is not None}
