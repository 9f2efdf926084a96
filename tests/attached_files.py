"""Attachments as requests name them, for tests of whoever takes, carries or sends them."""

from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from tocsin.channel.preparation import File
from tocsin.contracts.attachments import Attachment, encoded_lines
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel
from tocsin.testing.jobs import job_for

PDF = b"%PDF-1.7 marked-body of an invoice"
NAMES = (
    "invoice.pdf",
    "we\"ird; name='x'.pdf",
    "Rechnung für März.pdf",
    "請求書" * 40 + ".pdf",
    "x" * 150,
    "\u05d7\u05e9\u05d1\u05d5\u05e0\u05d9\u05ea.pdf",
    "🎉" * 100,
    "100%25 =?utf-8?q?sure?=.pdf",
)
"""What names of files people have."""


def file(**fields: Any) -> dict[str, Any]:
    """What a request says of one; `fields` replace its own."""
    return {
        "name": "invoice.pdf",
        "url": "https://files.shop.example/marked-body-invoice.pdf?signature=marked-body",
        "sha256": sha256(PDF).hexdigest(),
        "size": len(PDF),
        "type": "application/pdf",
    } | fields


def attachment(content: bytes = PDF, **fields: Any) -> Attachment:
    """The record of one with this content."""
    return Attachment(**file(sha256=sha256(content).hexdigest(), size=len(content), **fields))


def here(content: bytes = PDF, **fields: Any) -> File:
    """One that was fetched."""
    return File(attachment(content, **fields), encoded_lines(content))


def mail_with(*files: Attachment, **fields: Any) -> Job:
    """A mail's job with these attachments."""
    job = job_for(Channel.EMAIL, **fields)
    private = replace(job.intent.private, attachments=list(files))
    return replace(job, intent=replace(job.intent, private=private))
