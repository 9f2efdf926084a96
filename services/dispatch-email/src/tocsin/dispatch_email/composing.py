"""What stands between a job and a mail, whoever sends it: content, sender and recipient, looked at once."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from tocsin.channel import Rejected
from tocsin.channel.preparation import FilesOf
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.mailboxes import MailAddress, NoMailbox, mailbox
from tocsin.dispatch_email.own_headers import NoMail

T = TypeVar("T")


def composed(
    job: Job, compose: Callable[[Job, EmailContent, SenderIdentity, MailAddress], T]
) -> T | Rejected:
    """What `compose` makes of the job, its content, its sender and its recipient; or why there can be no mail.

    `compose` may raise NoMail, and NoMailbox when an address of the sender is none.
    """
    if not isinstance(job.private.content, EmailContent):
        return Rejected(reason=Reason.CONTENT_REFUSED, detail="The job's content is no mail.")
    if job.sender is None:
        return Rejected(reason=Reason.SENDER_MISSING, detail="The tenant has no sender identity for mail.")
    try:
        recipient = mailbox(job.private.address)
    except NoMailbox as refusal:
        return Rejected(reason=Reason.ADDRESS_INVALID, detail=f"Recipient: {refusal}.")
    try:
        return compose(job, job.private.content, job.sender, recipient)
    except NoMailbox as refusal:
        return Rejected(reason=Reason.CONTENT_REFUSED, detail=f"Sender identity: {refusal}.")
    except NoMail as refusal:
        return Rejected(reason=Reason.CONTENT_REFUSED, detail=f"{refusal}.")


async def composed_with_files(job: Job, compose: Callable[..., T], files_of: FilesOf) -> T | Rejected:
    """The same with the job's attachments, which `compose` takes as `files`. In a thread: megabytes are copied and hashed."""
    files = files_of(job)
    if len(files) != len(job.intent.private.attachments):
        detail = "This dispatcher fetches no attachments, and the mail needs them."
        return Rejected(reason=Reason.CONTENT_REFUSED, detail=detail)
    return await asyncio.to_thread(composed, job, partial(compose, files=files))
