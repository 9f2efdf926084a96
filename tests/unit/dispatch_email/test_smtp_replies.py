"""What replies of mail servers mean."""

import pytest

from tocsin.channel import Accepted, Ambiguous, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.smtp_replies import Step, accepted, lost, read, refused

NEVER, LATER, PATIENCE = Rejected, NotSent, Throttled


@pytest.mark.parametrize(
    ("step", "number", "text", "kind", "reason"),
    [
        (Step.CONNECT, 421, "4.7.0 too many connections", PATIENCE, None),
        (Step.CONNECT, 421, "try later", PATIENCE, None),
        (Step.CONNECT, 554, "no SMTP service here", LATER, Reason.UNREACHABLE),
        (Step.AUTH, 535, "5.7.8 bad credentials", LATER, Reason.CREDENTIALS_REFUSED),
        (Step.AUTH, 534, "5.7.9 too weak", LATER, Reason.CREDENTIALS_REFUSED),
        (Step.AUTH, 454, "4.7.0 temporary failure", LATER, Reason.PROVIDER_ERROR),
        (Step.MAIL, 530, "5.7.0 authentication required", LATER, Reason.CREDENTIALS_REFUSED),
        (Step.MAIL, 550, "5.7.8 log in", LATER, Reason.CREDENTIALS_REFUSED),
        (Step.MAIL, 452, "4.3.1 insufficient storage", LATER, Reason.PROVIDER_ERROR),
        (Step.MAIL, 452, "4.3.2 not now", PATIENCE, None),
        (Step.MAIL, 552, "5.3.4 too big", NEVER, Reason.TOO_LARGE),
        (Step.MAIL, 553, "5.1.8 bad sender", NEVER, Reason.CONTENT_REFUSED),
        (Step.MAIL, 550, "unknown sender", NEVER, Reason.CONTENT_REFUSED),
        (Step.RCPT, 450, "4.2.1 mailbox busy", LATER, Reason.RECIPIENT_REFUSED),
        (Step.RCPT, 450, "4.7.1 greylisted", PATIENCE, None),
        (Step.RCPT, 450, "mailbox busy", LATER, Reason.PROVIDER_ERROR),
        (Step.RCPT, 451, "4.3.0 local error", LATER, Reason.PROVIDER_ERROR),
        (Step.RCPT, 452, "4.2.2 full", LATER, Reason.RECIPIENT_REFUSED),
        (Step.RCPT, 452, "too many recipients", PATIENCE, None),
        (Step.MAIL, 550, "5.1.1 odd", NEVER, Reason.RECIPIENT_REFUSED),
        (Step.RCPT, 550, "5.1.1 no such user", NEVER, Reason.ADDRESS_GONE),
        (Step.MESSAGE, 550, "5.1.1 no such user", NEVER, Reason.ADDRESS_GONE),
        (Step.RCPT, 550, "5.1.2 no such domain", NEVER, Reason.ADDRESS_GONE),
        (Step.RCPT, 550, "5.1.6 moved away", NEVER, Reason.ADDRESS_GONE),
        (Step.RCPT, 556, "5.1.10 null MX", NEVER, Reason.ADDRESS_GONE),
        (Step.RCPT, 550, "no such user", NEVER, Reason.RECIPIENT_REFUSED),
        (Step.RCPT, 553, "5.1.3 bad address", NEVER, Reason.ADDRESS_INVALID),
        (Step.RCPT, 552, "mailbox full", NEVER, Reason.RECIPIENT_REFUSED),
        (Step.RCPT, 550, "5.2.1 disabled", NEVER, Reason.RECIPIENT_REFUSED),
        (Step.RCPT, 550, "5.4.1 no route", NEVER, Reason.RECIPIENT_REFUSED),
        (Step.RCPT, 554, "5.7.1 relay access denied", NEVER, Reason.CONTENT_REFUSED),
        (Step.RCPT, 550, "5.6.7 UTF-8 not supported", NEVER, Reason.ADDRESS_INVALID),
        (Step.RCPT, 501, "5.5.4 syntax", NEVER, Reason.PROVIDER_ERROR),
        (Step.RCPT, 501, "syntax", NEVER, Reason.PROVIDER_ERROR),
        (Step.DATA, 503, "bad sequence", NEVER, Reason.PROVIDER_ERROR),
        (Step.DATA, 250, "surprise", LATER, Reason.PROVIDER_ERROR),
        (Step.MESSAGE, 451, "4.7.1 slow down", PATIENCE, None),
        (Step.MESSAGE, 421, "closing", PATIENCE, None),
        (Step.MESSAGE, 452, "insufficient storage", LATER, Reason.PROVIDER_ERROR),
        (Step.MESSAGE, 550, "5.7.1 spam", NEVER, Reason.CONTENT_REFUSED),
        (Step.MESSAGE, 554, "spam", NEVER, Reason.CONTENT_REFUSED),
        (Step.MESSAGE, 552, "exceeded", NEVER, Reason.TOO_LARGE),
        (Step.MESSAGE, 354, "go ahead", Ambiguous, Reason.PROVIDER_ERROR),
    ],
)
def test_refusals(step: Step, number: int, text: str, kind: type, reason: Reason | None) -> None:
    answer = refused(step, read(number, text))
    assert type(answer) is kind
    assert getattr(answer, "reason", None) == reason
    assert getattr(answer, "code", "").startswith(str(number))


@pytest.mark.parametrize("step", Step)
def test_only_after_the_message_is_a_loss_ambiguous(step: Step) -> None:
    assert isinstance(lost(step), Ambiguous if step is Step.MESSAGE else NotSent)


def test_an_enhanced_code_of_another_class_is_ignored() -> None:
    assert read(250, "5.1.1 odd").code == "250"
    assert read(550, "5.1.1 <ada@example.org> unknown").code == "550 5.1.1"


@pytest.mark.parametrize(
    ("text", "queue_id"),
    [
        ("2.0.0 Ok: queued as 4F2A1B3C", "4F2A1B3C"),
        ("OK id=1abcDE-000001-2F", "1abcDE-000001-2F"),
        ("2.0.0 5AMCm0p1012345 Message accepted for delivery", "5AMCm0p1012345"),
        ("Ok 010001890abcdef0-12345678-1234-1234-1234-1234567890ab-000000",
         "010001890abcdef0-12345678-1234-1234-1234-1234567890ab-000000"),
        ("2.0.0 OK  1700000000 a1-20020a05.12 - gsmtp", "1700000000 a1-20020a05.12"),
        ("2.0.0 delivered to ada@example.org", None),
        ("", None),
    ],
)  # fmt: skip
def test_queue_ids(text: str, queue_id: str | None) -> None:
    assert accepted(read(250, text)) == Accepted(message_id=queue_id, code=read(250, text).code)
