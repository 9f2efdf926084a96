"""What we send to Postmark, judged by its own OpenAPI document, which is older than message streams and metadata."""

import json
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator
from tests.attached_files import here
from tests.contract.provider_documents import postmark_document

from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.composing import composed
from tocsin.dispatch_email.mailboxes import MailAddress
from tocsin.dispatch_email.postmark_body import email_body
from tocsin.testing.jobs import job_for

pytestmark = pytest.mark.npm

HOSTILE = 'ä\r\nBcc: eve@example.org\0 \u2028 "\\<>,;: 👩‍👩‍👧'
FILES = [here(name=HOSTILE), here(b"png", type="image/png", inline="logo")]
YOUNGER = {"MessageStream", "Metadata"}


def body(job: Job, content: EmailContent, sender: SenderIdentity, to: MailAddress) -> Any:
    return email_body(job, content, sender, to, stream="outbound", ref="r" * 560, files=FILES)


@pytest.fixture(scope="module")
def schema() -> OAS30Validator:
    document = json.loads(postmark_document().read_text())
    assert document["info"]["x-origin"][0]["url"] == "https://postmarkapp.com/swagger/server.yml"
    request = document["components"]["schemas"]["SendEmailRequest"]
    return OAS30Validator(request | {"components": document["components"]})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"unsubscribe_url": "https://tocsin.example/u/abc.def?x=1"},
        {"sender": SenderIdentity(address="shop@example.com")},
        {"sender": SenderIdentity(address="shop@example.com", name=HOSTILE)},
        {"content": EmailContent(subject="s", text="t")},
        {"content": EmailContent(subject=HOSTILE, html=HOSTILE, text=HOSTILE)},
    ],
    ids=range(6),
)
def test_the_schema_takes_our_mails(schema: OAS30Validator, fields: dict[str, Any]) -> None:
    sent = composed(job_for(Channel.EMAIL, **fields), body)
    assert isinstance(sent, bytes)
    message = json.loads(sent)
    assert [error.message for error in schema.iter_errors(message)] == []
    assert message.keys() <= schema.schema["properties"].keys() | YOUNGER


@pytest.mark.parametrize(
    "message",
    [{"Subject": 1}, {"TrackOpens": "no"}, {"TrackLinks": "All"}, {"Headers": [{"Name": 1}]}, {"To": ["a@b.example"]}],
    ids=range(5),
)  # fmt: skip
def test_the_schema_refuses_what_it_forbids(schema: OAS30Validator, message: dict[str, Any]) -> None:
    assert not schema.is_valid(message)
