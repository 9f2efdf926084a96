"""The SES, SendGrid, Mailgun and Postmark endpoints: they take what our adapters send, and refuse what the real ones refuse."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tocsin.catcher.testing import (
    AWS_KEY_ID,
    AWS_SECRET,
    MAILGUN_DOMAIN,
    MAILGUN_KEY,
    POSTMARK_TOKEN,
    SENDGRID_KEY,
    RunningCatcher,
)
from tocsin.channel import Accepted, NotSent, ProviderKind, Rejected
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import EmailContent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_email.settings import KINDS
from tocsin.runtime import SystemClock
from tocsin.testing.jobs import job_for

Starter = Callable[..., RunningCatcher]
SECRETS = {"ses": AWS_SECRET, "sendgrid": SENDGRID_KEY, "mailgun": MAILGUN_KEY, "postmark": POSTMARK_TOKEN}
FIELDS: dict[str, dict[str, str]] = {
    "ses": {"region": "eu-west-1", "access_key_id": AWS_KEY_ID, "secret_access_key_file": "secret"},
    "sendgrid": {"api_key_file": "secret"},
    "mailgun": {"domain": MAILGUN_DOMAIN, "api_key_file": "secret"},
    "postmark": {"server_token_file": "secret"},
}
CONTENT = EmailContent(subject="Grüße, Ada", text="Hello\n", html="<p>Hello</p>")
every_kind = pytest.mark.parametrize("name", sorted(FIELDS))


def provider(name: str, catcher: RunningCatcher, folder: Path, *, secret: str) -> Any:
    kind: ProviderKind[Any] = KINDS[name]
    (folder / "secret").write_text(secret)
    entry = {"name": name, "kind": name, "base_url": catcher.url, **FIELDS[name]}
    return kind.create(kind.config.model_validate(entry, context={"folder": folder}), SystemClock())


@every_kind
async def test_what_our_adapter_sends_is_shown(catcher: RunningCatcher, tmp_path: Path, name: str) -> None:
    job = job_for(Channel.EMAIL, content=CONTENT, unsubscribe_url="https://tocsin.example/u/abc")
    adapter = provider(name, catcher, tmp_path, secret=SECRETS[name])
    await adapter.open()
    answer = await adapter.send(job)
    await adapter.close()
    assert isinstance(answer, Accepted)
    [mail] = catcher.messages(channel="email")
    assert (mail["to"], mail["from"].replace('"', ""), mail["subject"]) == (
        "marked-address@example.org",
        "Shop <shop@example.com>",
        "Grüße, Ada",
    )
    assert (mail["text"].strip(), mail["html"].strip()) == ("Hello", "<p>Hello</p>")
    assert (mail["notification_id"], mail["delivery_id"]) == (job.notification_id, job.delivery_id)
    assert ["List-Unsubscribe", "<https://tocsin.example/u/abc>"] in mail["headers"]


@every_kind
async def test_another_secret_is_refused(catcher: RunningCatcher, tmp_path: Path, name: str) -> None:
    adapter = provider(name, catcher, tmp_path, secret="another")
    await adapter.open()
    answer = await adapter.send(job_for(Channel.EMAIL))
    await adapter.close()
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.CREDENTIALS_REFUSED
    assert catcher.messages() == []


async def test_an_inactive_recipient_is_refused(catcher: RunningCatcher, tmp_path: Path) -> None:
    adapter = provider("postmark", catcher, tmp_path, secret=POSTMARK_TOKEN)
    await adapter.open()
    answer = await adapter.send(job_for(Channel.EMAIL, address="inactive-ada@example.org"))
    await adapter.close()
    assert isinstance(answer, Rejected)
    assert (answer.reason, answer.code) == (Reason.PROVIDER_SUPPRESSED, "406")


def test_without_settings_everybody_is_refused(start_catcher: Starter) -> None:
    catcher = start_catcher(
        CATCHER_AWS_ACCESS_KEY_ID="",
        CATCHER_AWS_SECRET_ACCESS_KEY="",
        CATCHER_SENDGRID_API_KEY="",
        CATCHER_MAILGUN_DOMAIN="",
        CATCHER_MAILGUN_API_KEY="",
        CATCHER_POSTMARK_SERVER_TOKEN="",
    )
    assert ses(catcher, SES).status_code == 403
    assert ses(catcher, SES, key=Credentials("", "")).status_code == 403
    assert ses(catcher, SES, Authorization="").status_code == 403
    for key in (MAILGUN_KEY, "", None):
        assert mailgun(catcher, {"to": "ada@example.org"}, MAIL, key=key).status_code == 401
    for key in (SENDGRID_KEY, "another", None):
        assert sendgrid(catcher, SENDGRID, key=key).status_code == 401
    for token in (POSTMARK_TOKEN, "", None):
        assert postmark(catcher, POSTMARK, token=token).status_code == 401
    assert catcher.messages() == []


# SES

MAIL = b"From: shop@acme.example\r\n\r\nHello\r\n"
OUR_KEY = Credentials(AWS_KEY_ID, AWS_SECRET)
SES: dict[str, Any] = {
    "FromEmailAddress": "shop@acme.example",
    "Destination": {"ToAddresses": ["ada@example.org"]},
    "Content": {"Raw": {"Data": b64encode(MAIL).decode()}},
}


def ses(
    catcher: RunningCatcher,
    message: Any,
    *,
    key: Credentials = OUR_KEY,
    late: timedelta = timedelta(),
    service: str = "ses",
    **headers: str,
) -> httpx.Response:
    """A SendEmail that botocore signed, `late` ago. `message` may be the body itself."""
    body = message if isinstance(message, bytes) else encode(message)
    request = AWSRequest(
        method="POST",
        url=f"{catcher.url}/v2/email/outbound-emails",
        headers={"Content-Type": "application/json"},
        data=body,
    )
    request.context["timestamp"] = (datetime.now(UTC) - late).strftime("%Y%m%dT%H%M%SZ")
    signer = SigV4Auth(key, service, "eu-west-1")
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return httpx.post(request.url, content=body, headers=dict(request.headers) | headers)


def test_what_botocore_signs_is_taken(catcher: RunningCatcher) -> None:
    for key in (OUR_KEY, Credentials(AWS_KEY_ID, AWS_SECRET, "a/token+==")):
        assert ses(catcher, SES, key=key).status_code == 200
    assert ses(catcher, SES, late=timedelta(minutes=4)).status_code == 200
    assert [mail["to"] for mail in catcher.messages()] == ["ada@example.org"] * 3


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"Authorization": ""}, "MissingAuthenticationTokenException"),
        ({"Content-Type": "text/plain"}, "InvalidSignatureException"),
        ({"X-Amz-Date": "20260101T000000Z"}, "InvalidSignatureException"),
        ({"X-Amz-Date": "yesterday"}, "InvalidSignatureException"),
    ],
)
def test_a_changed_request_is_refused(catcher: RunningCatcher, change: dict[str, Any], name: str) -> None:
    answer = ses(catcher, SES, **change)
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (403, name)


def test_another_key_an_old_request_and_another_service_are_refused(catcher: RunningCatcher) -> None:
    answers = [
        ses(catcher, SES, key=Credentials("AKIDANOTHER12345", AWS_SECRET)),
        ses(catcher, SES, late=timedelta(minutes=6)),
        ses(catcher, SES, service="sns"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 3


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ([], "BadRequestException"),
        (b"[" * 100_000, "BadRequestException"),
        (SES | {"Content": {"Simple": {}}}, "BadRequestException"),
        (SES | {"Content": {"Raw": {"Data": "no base64"}}}, "BadRequestException"),
        (SES | {"Destination": {"ToAddresses": []}}, "BadRequestException"),
        (SES | {"Destination": {"ToAddresses": ["ada"]}}, "BadRequestException"),
        (SES | {"Destination": {"ToAddresses": ["a@b.example"] * 51}}, "BadRequestException"),
        (SES | {"Content": {"Raw": {"Data": b64encode(b"Subject: x\r\n\r\n").decode()}}}, "MessageRejected"),
    ],
    ids=range(8),
)
def test_what_ses_refuses(catcher: RunningCatcher, message: Any, name: str) -> None:
    answer = ses(catcher, message)
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (400, name)
    assert catcher.messages() == []


# SendGrid

SENDGRID: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "ada@example.org"}]}],
    "from": {"email": "shop@acme.example", "name": "Shop"},
    "subject": "Hello",
    "content": [{"type": "text/plain", "value": "Hello"}],
}


def sendgrid(catcher: RunningCatcher, message: Any, *, key: str | None = SENDGRID_KEY) -> httpx.Response:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{catcher.url}/v3/mail/send", json=message, headers=headers)


def test_each_personalization_has_a_mail(catcher: RunningCatcher) -> None:
    to = [{"to": [{"email": "ada@example.org"}]}, {"to": [{"email": "grete@example.de", "name": "Grete"}]}]
    answer = sendgrid(catcher, SENDGRID | {"personalizations": to})
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["x-message-id"]
    assert {mail["to"] for mail in catcher.messages()} == {"ada@example.org", "grete@example.de"}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ([], None),
        (SENDGRID | {"sender": "x"}, "sender"),
        (SENDGRID | {"personalizations": []}, "personalizations"),
        (SENDGRID | {"personalizations": [{"to": []}]}, "personalizations.0.to"),
        (SENDGRID | {"personalizations": [{"to": [{"email": "eve"}]}]}, "personalizations.0.to.0.email"),
        (SENDGRID | {"personalizations": [{"to": [{"email": "a@b.example"}] * 2}]}, "personalizations.0.to"),
        (SENDGRID | {"personalizations": ["ada"]}, None),
        (SENDGRID | {"from": None}, "from"),
        (SENDGRID | {"from": {"email": "shop"}}, "from.email"),
        (SENDGRID | {"reply_to": {"email": "shop"}}, "reply_to.email"),
        (SENDGRID | {"subject": ""}, "subject"),
        (SENDGRID | {"content": []}, "content"),
        (SENDGRID | {"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
        (
            SENDGRID | {"content": [{"type": kind, "value": "x"} for kind in ("text/html", "text/plain")]},
            "content",
        ),
        (SENDGRID | {"headers": {"To": "eve@example.org"}}, "headers"),
        (SENDGRID | {"headers": {"X": "1\r\nBcc: eve@example.org"}}, "headers"),
        (SENDGRID | {"custom_args": {"ref": "r" * 10_001}}, "custom_args"),
    ],
    ids=range(17),
)
def test_what_sendgrid_refuses(catcher: RunningCatcher, message: Any, field: str | None) -> None:
    answer = sendgrid(catcher, message)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert catcher.messages() == []


# Mailgun


def mailgun(
    catcher: RunningCatcher,
    form: dict[str, str],
    mail: bytes | None,
    *,
    domain: str = MAILGUN_DOMAIN,
    key: str | None = MAILGUN_KEY,
) -> httpx.Response:
    return httpx.post(
        f"{catcher.url}/v3/{domain}/messages.mime",
        data=form,
        files=None if mail is None else {"message": ("mail.eml", mail)},
        auth=None if key is None else ("api", key),
    )


def test_a_form_of_another_client_is_taken_for_each_recipient(catcher: RunningCatcher) -> None:
    answer = mailgun(catcher, {"to": "ada@example.org, grete@example.de"}, MAIL)
    assert answer.json()["message"] == "Queued. Thank you."
    assert {mail["to"] for mail in catcher.messages()} == {"ada@example.org", "grete@example.de"}
    assert catcher.messages()[0]["raw"] == MAIL.decode()


@pytest.mark.parametrize(
    ("form", "mail", "domain", "status"),
    [
        ({"to": "ada"}, MAIL, MAILGUN_DOMAIN, 400),
        ({}, MAIL, MAILGUN_DOMAIN, 400),
        ({"to": "ada@example.org"}, None, MAILGUN_DOMAIN, 400),
        ({"to": "ada@example.org"}, b"Subject: x\r\n\r\n", MAILGUN_DOMAIN, 400),
        ({"to": "ada@example.org"}, MAIL, "elsewhere.example", 404),
    ],
    ids=range(5),
)
def test_what_mailgun_refuses(
    catcher: RunningCatcher, form: dict[str, str], mail: bytes | None, domain: str, status: int
) -> None:
    answer = mailgun(catcher, form, mail, domain=domain)
    assert answer.status_code == status
    assert answer.json()["message"]
    assert catcher.messages() == []


# Postmark

POSTMARK: dict[str, Any] = {"From": "shop@acme.example", "To": "ada@example.org", "TextBody": "Hello"}


def postmark(catcher: RunningCatcher, message: Any, *, token: str | None = POSTMARK_TOKEN) -> httpx.Response:
    headers = {} if token is None else {"X-Postmark-Server-Token": token}
    return httpx.post(f"{catcher.url}/email", json=message, headers=headers)


@pytest.mark.parametrize(
    ("to", "kept"),
    [
        ("ada@example.org, Grete <grete@example.de>", ["ada@example.org", "grete@example.de"]),
        ("inactive@example.org, grete@example.de", ["grete@example.de"]),
    ],
)
def test_each_recipient_has_a_mail(catcher: RunningCatcher, to: str, kept: list[str]) -> None:
    assert postmark(catcher, POSTMARK | {"To": to}).status_code == 200
    assert sorted(mail["to"] for mail in catcher.messages()) == kept


def test_no_metadata_are_as_good_as_none(catcher: RunningCatcher) -> None:
    assert postmark(catcher, POSTMARK | {"Metadata": None}).status_code == 200


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ([], 402),
        (POSTMARK | {"Html": "x"}, 403),
        (POSTMARK | {"From": "shop"}, 300),
        (POSTMARK | {"From": "shop@acme.example, b@acme.example"}, 300),
        (POSTMARK | {"To": ""}, 300),
        (POSTMARK | {"To": "ada@example.org, eve"}, 300),
        (POSTMARK | {"To": ", ".join(["ada@example.org"] * 51)}, 300),
        (POSTMARK | {"Metadata": ["ref"]}, 403),
        (POSTMARK | {"Metadata": "ref"}, 403),
        (POSTMARK | {"TextBody": ""}, 300),
        (POSTMARK | {"Metadata": {"ref": "a" * 81}}, 300),
        (POSTMARK | {"Metadata": {"a" * 21: ""}}, 300),
        (POSTMARK | {"Headers": [{"Name": "X", "Value": "1\r\nBcc: eve@example.org"}]}, 300),
        (POSTMARK | {"Headers": [{"Name": "X"}]}, 300),
        (POSTMARK | {"To": "inactive@example.org"}, 406),
    ],
    ids=range(15),
)
def test_what_postmark_refuses(catcher: RunningCatcher, message: Any, code: int) -> None:
    answer = postmark(catcher, message)
    assert (answer.status_code, answer.json()["ErrorCode"]) == (422, code)
    assert catcher.messages() == []
