"""What we send to SendGrid, judged by its own OpenAPI document: its schema by a validator, its endpoint by Prism.

Installing Prism takes long, so `make nightly` asks it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from tests.attached_files import here
from tests.contract.provider_documents import mail_send_document

from tocsin.channel import Accepted, Answer, NotSent, Rejected
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dev.npm_packages import installed
from tocsin.dev.processes import end, free_port, spawn, wait_for_port
from tocsin.dispatch_email.composing import composed
from tocsin.dispatch_email.http_calls import HttpCalls
from tocsin.dispatch_email.http_provider import MailResponse
from tocsin.dispatch_email.sendgrid import SendGridConfig, SendGridProvider
from tocsin.dispatch_email.sendgrid_answers import answer_of
from tocsin.dispatch_email.sendgrid_body import mail_send_body
from tocsin.runtime import SystemClock
from tocsin.testing.jobs import job_for

pytestmark = pytest.mark.npm

MESSAGE: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "ada@example.org"}]}],
    "from": {"email": "shop@example.com"},
    "subject": "Hello",
    "content": [{"type": "text/plain", "value": "Hello"}],
}
PATH = "/v3/mail/send"
HOSTILE = 'ä\r\nBcc: eve@example.org\0 \u2028 "\\<>,;: 👩‍👩‍👧'


our_mails = pytest.mark.parametrize(
    "fields",
    [
        {},
        {"unsubscribe_url": "https://tocsin.example/u/abc.def?x=1"},
        {"sender": SenderIdentity(address="shop@example.com")},
        {"sender": SenderIdentity(address="shop@example.com", name=HOSTILE)},
        {"content": EmailContent(subject="s", text="t")},
        {"content": EmailContent(subject="s", html="<p>h</p>", text="")},
        {"content": EmailContent(subject=HOSTILE, html=HOSTILE, text=HOSTILE)},
    ],
    ids=range(7),
)
forbidden = pytest.mark.parametrize(
    "message",
    [
        *({name: value for name, value in MESSAGE.items() if name != left_out} for left_out in MESSAGE),
        MESSAGE | {"personalizations": [{"to": [{"email": "ada"}]}]},
        MESSAGE | {"from": {"name": "Shop"}},
        MESSAGE | {"subject": ""},
        MESSAGE | {"content": [{"type": "text/plain", "value": ""}]},
        MESSAGE | {"tracking_settings": {"open_tracking": {"enable": "no"}}},
        MESSAGE | {"categories": ["a"] * 2},
    ],
    ids=range(10),
)


def body_of(fields: dict[str, Any]) -> bytes:
    files = [here(name=HOSTILE), here(b"png", type="image/png", inline="logo")]
    body = composed(job_for(Channel.EMAIL, **fields), partial(mail_send_body, files=files))
    assert isinstance(body, bytes)
    return body


@pytest.fixture(scope="module")
def schema() -> OAS30Validator:
    document = json.loads(mail_send_document().read_text())
    content = document["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]
    return OAS30Validator(
        content["schema"] | {"components": document["components"]}, format_checker=oas30_format_checker
    )


@our_mails
def test_the_schema_takes_our_mails(schema: OAS30Validator, fields: dict[str, Any]) -> None:
    message = json.loads(body_of(fields))
    assert [error.message for error in schema.iter_errors(message)] == []
    assert message.keys() <= schema.schema["properties"].keys()


@forbidden
def test_the_schema_refuses_what_it_forbids(schema: OAS30Validator, message: dict[str, Any]) -> None:
    assert not schema.is_valid(message)


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = installed(Path(__file__).parent / "prism") / "node_modules/@stoplight/prism-cli/dist/index.js"
    port, log = free_port(), tmp_path_factory.mktemp("prism") / "prism.log"
    command = ["node", str(program), "mock", "--errors", "--port", str(port), str(mail_send_document())]
    process = spawn(command, log=log)
    try:
        wait_for_port(port, process=process, name="Prism", log=log, timeout=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


Send = Callable[[bytes], Awaitable[Answer]]


@pytest.fixture
async def mail_send(prism: str, tmp_path: Path) -> AsyncIterator[Send]:
    """Sends a body as the provider sends its own."""
    (tmp_path / "key").write_text("SG.a")
    entry = {
        "name": "prism",
        "kind": "sendgrid",
        "api_key_file": "key",
        "base_url": prism,
        "call_timeout": 20,
    }
    config = SendGridConfig.model_validate(entry, context={"folder": tmp_path})
    provider = SendGridProvider(config, SystemClock())
    calls = HttpCalls(timeout=20, connect_timeout=20, connections=1, clock=SystemClock())

    async def send(body: bytes) -> Answer:
        response = await calls.post(provider.mail_send(body))
        return provider.answer(response) if isinstance(response, MailResponse) else response

    yield send
    await calls.close()


@pytest.mark.nightly
@our_mails
async def test_prism_takes_our_mails(mail_send: Send, fields: dict[str, Any]) -> None:
    assert isinstance(await mail_send(body_of(fields)), Accepted)


@pytest.mark.nightly
@forbidden
async def test_prism_refuses_what_the_document_forbids(mail_send: Send, message: dict[str, Any]) -> None:
    assert isinstance(await mail_send(encode(message)), Rejected)


@pytest.mark.nightly
async def test_prism_refuses_a_mail_without_a_key(prism: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(f"{prism}{PATH}", json=MESSAGE)
    answer: Answer = answer_of(response.status_code, response.content)
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.CREDENTIALS_REFUSED
