"""The loop of a receipt, provider by provider: our adapter sends, the catcher keeps and tells, and our reader of callbacks takes it."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.aws_judge import KEY_ID, SECRET
from tests.threaded_server import answering

from tocsin.catcher.receipts.keys import write_receipt_keys
from tocsin.catcher.receipts.sns import TOPIC
from tocsin.catcher.testing import (
    MAILGUN_DOMAIN,
    MAILGUN_KEY,
    POSTMARK_TOKEN,
    SENDGRID_KEY,
    RunningCatcher,
)
from tocsin.channel import Accepted
from tocsin.channel.receipts import ProviderEvent, RawRequest, Receipts, Refused
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.callbacks import RECEIPTS as OF_EMAIL
from tocsin.dispatch_email.settings import KINDS as EMAIL
from tocsin.dispatch_sms.callbacks import RECEIPTS as OF_SMS
from tocsin.dispatch_sms.settings import KINDS as SMS
from tocsin.runtime import SystemClock
from tocsin.testing.jobs import job_for

REF = "r" * 400
APPLICATION = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
AWS = {"region": "eu-central-1", "access_key_id": KEY_ID, "secret_access_key_file": "secret"}
SENDS: dict[str, dict[str, str]] = {
    "ses": AWS,
    "sendgrid": {"api_key_file": "sendgrid"},
    "mailgun": {"domain": MAILGUN_DOMAIN, "api_key_file": "mailgun"},
    "postmark": {"server_token_file": "postmark"},
    "vonage": {"application_id": APPLICATION, "private_key_file": "keys/vonage-application-key.pem"},
    "aws_sms": AWS,
}
SNS = {"topics": [TOPIC], "stand_in_certificate_file": "keys/sns-certificate.pem"}
READS: dict[str, dict[str, Any]] = {
    "ses": SNS,
    "sendgrid": {"public_key_files": ["keys/sendgrid-verification-key.pem"]},
    "mailgun": {"signing_key_files": ["keys/mailgun-signing-key"]},
    "postmark": {"login_files": ["keys/postmark-login"]},
    "vonage": {"signature_secret_files": ["keys/vonage-signature-secret"]},
    "aws_sms": SNS,
}
OF_A_MAIL = ["delivered", "bounced", "undelivered", "complained", "unsubscribed", "opened", "clicked"]
OF_A_TEXT = ["delivered", "undelivered"]
PLAYS = {kind: OF_A_MAIL if kind in EMAIL else OF_A_TEXT for kind in SENDS}
every_kind = pytest.mark.parametrize("kind", sorted(SENDS))


class Taker:
    """Who takes callbacks: keeps them, and answers as it is told to."""

    def __init__(self) -> None:
        self.url = ""
        self.answers = 200
        self.taken: list[RawRequest] = []

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        parts = urlsplit(path)
        rest = parts.path.partition("/callbacks/")[2].partition("/")[2]
        self.taken.append(RawRequest(f"{self.url}{path}", rest, parts.query, headers, body))
        return self.answers


@pytest.fixture(scope="module")
def shared_taker() -> Iterator[Taker]:
    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(running.take(self.path, headers, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    running = Taker()
    with answering(Answers) as running.url:
        yield running


@pytest.fixture
def taker(shared_taker: Taker) -> Taker:
    shared_taker.taken.clear()
    shared_taker.answers = 200
    return shared_taker


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secrets of all instances."""
    made = tmp_path_factory.mktemp("providers")
    write_receipt_keys(made / "keys")
    secrets = {"secret": SECRET, "sendgrid": SENDGRID_KEY, "mailgun": MAILGUN_KEY, "postmark": POSTMARK_TOKEN}
    for name, text in secrets.items():
        (made / name).write_text(text)
    return made


@pytest.fixture(scope="module")
def own_catcher(
    start_catcher: Callable[..., RunningCatcher], folder: Path, shared_taker: Taker
) -> RunningCatcher:
    return start_catcher(
        CATCHER_VONAGE_APPLICATION_ID=APPLICATION,
        CATCHER_VONAGE_PUBLIC_KEY_FILE=str(folder / "keys" / "vonage-application-public-key.pem"),
        CATCHER_AWS_ACCESS_KEY_ID=KEY_ID,
        CATCHER_AWS_SECRET_ACCESS_KEY=SECRET,
        CATCHER_CALLBACKS_URL=shared_taker.url,
        CATCHER_RECEIPT_KEYS_FOLDER=str(folder / "keys"),
    )


@pytest.fixture
def catcher(own_catcher: RunningCatcher) -> RunningCatcher:
    own_catcher.clear()
    return own_catcher


def instance(kind: str) -> str:
    return f"catcher-{kind.replace('_', '-')}"


async def caught(catcher: RunningCatcher, kind: str, folder: Path, *, callbacks: str, ref: str | None) -> str:
    """The id of a message that our adapter of this kind sent with this ref."""
    channel, adapter = (Channel.EMAIL, EMAIL[kind]) if kind in EMAIL else (Channel.SMS, SMS[kind])
    entry: dict[str, Any] = {"name": instance(kind), "kind": kind, "base_url": catcher.url, **SENDS[kind]}
    if kind == "vonage":
        entry["webhook_url"] = f"{callbacks}/sms/callbacks/{instance(kind)}"
    provider = adapter.create(adapter.config.model_validate(entry, context={"folder": folder}), SystemClock())
    provider.seal_ref = lambda _job: ref  # type: ignore[attr-defined]  # each of these kinds carries one
    await provider.open()
    try:
        assert isinstance(await provider.send(job_for(channel)), Accepted)
    finally:
        await provider.close()
    [message] = catcher.messages()
    assert message["provider"] == kind
    return str(message["id"])


def reader(kind: str, folder: Path) -> Receipts:
    receipts = OF_EMAIL[kind] if kind in OF_EMAIL else OF_SMS[kind]
    config = receipts.config.model_validate(READS[kind], context={"folder": folder})
    return receipts.create(config, SystemClock())


@every_kind
async def test_what_is_played_is_what_the_callbacks_role_reads(
    catcher: RunningCatcher, taker: Taker, folder: Path, kind: str
) -> None:
    identity = await caught(catcher, kind, folder, callbacks=taker.url, ref=REF)
    assert catcher.message(identity)["plays"] == PLAYS[kind]
    reads = reader(kind, folder)
    for name in PLAYS[kind]:
        assert catcher.play(identity, name).status_code == 204
        callback = taker.taken[-1]
        assert f"/callbacks/{instance(kind)}" in callback.url
        (event,) = await reads.verify(callback)
        assert isinstance(event, ProviderEvent)
        assert (event.ref, event.status) == (REF, name)
        assert not event.automated
        if name == "bounced":
            assert (event.code, event.reason) == ("5.1.1", "hard_bounce")


@every_kind
async def test_keys_of_another_catcher_are_not_believed(
    catcher: RunningCatcher, taker: Taker, folder: Path, tmp_path: Path, kind: str
) -> None:
    identity = await caught(catcher, kind, folder, callbacks=taker.url, ref=REF)
    assert catcher.play(identity, "delivered").status_code == 204
    write_receipt_keys(tmp_path / "keys")
    with pytest.raises(Refused, match="signature"):
        await reader(kind, tmp_path).verify(taker.taken[-1])


@pytest.mark.parametrize("kind", ["ses", "sendgrid", "mailgun", "postmark"])
async def test_nothing_can_be_told_of_a_mail_without_a_ref(
    catcher: RunningCatcher, taker: Taker, folder: Path, kind: str
) -> None:
    identity = await caught(catcher, kind, folder, callbacks=taker.url, ref=None)
    assert catcher.message(identity)["plays"] == []
    assert catcher.play(identity, "bounced").status_code == 404
    assert taker.taken == []


async def test_what_the_role_refuses_is_said(catcher: RunningCatcher, taker: Taker, folder: Path) -> None:
    identity = await caught(catcher, "sendgrid", folder, callbacks=taker.url, ref=REF)
    taker.answers = 503
    answer = catcher.play(identity, "opened")
    assert (answer.status_code, answer.json()["detail"]) == (502, "It was answered with 503.")


async def test_keys_that_are_not_written_yet_are_named(
    start_catcher: Callable[..., RunningCatcher], taker: Taker, folder: Path, tmp_path: Path
) -> None:
    catcher = start_catcher(
        CATCHER_CALLBACKS_URL=taker.url, CATCHER_RECEIPT_KEYS_FOLDER=str(tmp_path / "later")
    )
    identity = await caught(catcher, "postmark", folder, callbacks=taker.url, ref=REF)
    answer = catcher.play(identity, "clicked")
    assert answer.status_code == 502
    assert "write it with `receipt-keys`" in answer.json()["detail"]
    write_receipt_keys(tmp_path / "later")
    assert catcher.play(identity, "clicked").status_code == 204
    assert json.loads(taker.taken[-1].body)["RecordType"] == "Click"
