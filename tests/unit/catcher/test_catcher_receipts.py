"""Receipts that the catcher plays: those who take a provider's take them, and what cannot be told is not offered."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from twilio.request_validator import RequestValidator

from tocsin.catcher.mail import read_mail
from tocsin.catcher.messages import AnyMessage, Email, Push, Sms
from tocsin.catcher.receipts import NotPlayed, Played, Receipts
from tocsin.catcher.receipts.providers import tellers
from tocsin.catcher.settings import CatcherSettings
from tocsin.channel.receipts import Cause, ProviderEvent, RawRequest
from tocsin.contracts.vocabulary import StatusName
from tocsin.dispatch_email.mail_receipts import MailReceipts, MailReceiptsConfig
from tocsin.dispatch_email.own_headers import ref_field
from tocsin.dispatch_sms.twilio_receipts import TwilioReceipts, TwilioReceiptsConfig
from tocsin.testing import ManualClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REF = "r" * 230
ENTRY = "http://127.0.0.1:8080"
MAIL_URL = f"{ENTRY}/email/callbacks/catcher/mail"
SMS_URL = f"{ENTRY}/sms/callbacks/catcher?ref={REF}"
MAIL_TOKEN, TWILIO_TOKEN = "m" * 32, "t" * 32
SOURCE = (
    b"From: shop@acme.example\r\nTo: ada@example.com\r\n"
    + ref_field(REF)
    + b"Subject: Hello\r\n\r\nIt left.\r\n"
)


def caught_mail(source: bytes = SOURCE, *, provider: str = "smtp") -> Email:
    return read_mail(
        source, envelope_from="shop@acme.example", to="ada@example.com", received_at=NOW, provider=provider
    )


def caught_sms(request: dict[str, str]) -> Sms:
    return Sms(
        received_at=NOW, to="+4915112345678", sender="+15005550006", sid="SM" + "2" * 32, body="Hello", encoding="GSM-7",
        units=5, segments=1, request=request, provider="twilio",
    )  # fmt: skip


SMS = caught_sms({"StatusCallback": SMS_URL})
PUSH = Push(
    received_at=NOW, to="token", sender="p", name="n", project="p", token="t", title="", body="", data={}, request={}, provider="fcm",
)  # fmt: skip


class Taker:
    """Who takes callbacks, and keeps them."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.status == 0:
            raise httpx.ConnectError("refused")
        return httpx.Response(self.status)

    def receipts(self, *, mail_url: str | None = MAIL_URL, token: str | None = TWILIO_TOKEN) -> Receipts:
        settings = CatcherSettings(
            mail_callback_url=mail_url,
            mail_callback_token=MAIL_TOKEN if mail_url else None,
            twilio_account_sid="AC1" if token else None,
            twilio_auth_token=token,
        )
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return Receipts(client=client, tellers=tellers(settings, now=lambda: NOW))

    @property
    def raw(self) -> RawRequest:
        """The last one as the role's adapter sees it."""
        request = self.requests[-1]
        parts = urlsplit(str(request.url))
        return RawRequest(
            str(request.url),
            parts.path.partition("/callbacks/catcher")[2].lstrip("/"),
            parts.query,
            {name.lower(): value for name, value in request.headers.items()},
            request.content,
        )


def secret(folder: Path, value: str) -> str:
    (folder / "secret").write_text(value)
    return "secret"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("delivered", StatusName.DELIVERED, None),
        ("bounced", StatusName.BOUNCED, "5.1.1"),
        ("complained", StatusName.COMPLAINED, None),
        ("read", StatusName.READ, None),
    ],
)
async def test_mails_come_back_as_mail_servers_write_them(
    name: str, status: StatusName, code: str | None, tmp_path: Path
) -> None:
    taker = Taker()
    receipts, mail = taker.receipts(), caught_mail()
    assert name in receipts.names(mail)
    assert await receipts.play(mail, name) == Played()
    config = {"token_files": [secret(tmp_path, MAIL_TOKEN)]}
    reader = MailReceipts(
        MailReceiptsConfig.model_validate(config, context={"folder": tmp_path}), ManualClock(NOW)
    )
    (event,) = await reader.verify(taker.raw)
    assert isinstance(event, ProviderEvent)
    assert (event.ref, event.status, event.code, event.at) == (REF, status, code, NOW)
    assert not event.automated


@pytest.mark.parametrize(
    ("name", "status"), [("delivered", StatusName.DELIVERED), ("undelivered", StatusName.UNDELIVERED)]
)
async def test_text_messages_are_told_of_as_twilio_does(
    name: str, status: StatusName, tmp_path: Path
) -> None:
    taker = Taker()
    receipts = taker.receipts()
    assert name in receipts.names(SMS)
    assert await receipts.play(SMS, name) == Played()
    raw = taker.raw
    form = dict(parse_qsl(raw.body.decode()))
    assert RequestValidator(TWILIO_TOKEN).validate(SMS_URL, form, raw.headers["x-twilio-signature"])
    config = {"auth_token_files": [secret(tmp_path, TWILIO_TOKEN)]}
    reader = TwilioReceipts(
        TwilioReceiptsConfig.model_validate(config, context={"folder": tmp_path}), ManualClock(NOW)
    )
    (event,) = await reader.verify(raw)
    assert not isinstance(event, Cause)
    assert (event.ref, event.status) == (REF, status)


NOTHING: list[tuple[str, AnyMessage, Callable[[Taker], Receipts]]] = [
    ("no ref", caught_mail(SOURCE.replace(b"X-Tocsin-Ref", b"X-Other")), Taker.receipts),
    ("by a provider's API", caught_mail(provider="ses"), Taker.receipts),
    ("no address", caught_mail(), lambda taker: taker.receipts(mail_url=None)),
    ("no callback", caught_sms({}), Taker.receipts),
    ("no account", SMS, lambda taker: taker.receipts(token=None)),
    ("push", PUSH, Taker.receipts),
]


@pytest.mark.parametrize(("_", "message", "of"), NOTHING, ids=[name for name, *_ in NOTHING])
def test_what_cannot_be_told_is_not_offered(
    _: str, message: AnyMessage, of: Callable[[Taker], Receipts]
) -> None:
    assert of(Taker()).names(message) == []


@pytest.mark.parametrize(
    ("status", "reason"), [(0, "Nobody took it (ConnectError)."), (403, "It was answered with 403.")]
)
async def test_what_nobody_took_is_said(status: int, reason: str) -> None:
    assert await Taker(status).receipts().play(SMS, "delivered") == NotPlayed(reason)


async def test_a_callback_that_is_no_address_is_said() -> None:
    message = caught_sms({"StatusCallback": "http://127.0.0.1:port/"})
    assert await Taker().receipts().play(message, "delivered") == NotPlayed("Nobody took it (InvalidURL).")
