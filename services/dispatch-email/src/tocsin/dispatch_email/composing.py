"""What stands between a job and a mail, whoever sends it: content, sender and recipient, looked at once."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from tocsin.channel import Provider, ProviderKind, Rejected
from tocsin.channel.preparation import FilesOf
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.mailboxes import MailAddress, NoMailbox, mailbox
from tocsin.dispatch_email.own_headers import NoMail
from tocsin.runtime import Clock

T = TypeVar("T")

Links = Callable[[Job, EmailContent], EmailContent]
"""Makes of a mail's content what goes out: with links that tell, where that is wanted."""


def as_it_is(_job: Job, content: EmailContent) -> EmailContent:
    """What `links` is until the dispatcher sets it."""
    return content


class HasLinks(Protocol):
    """A provider of mails."""

    links: Links


def composed(
    job: Job,
    compose: Callable[[Job, EmailContent, SenderIdentity, MailAddress], T],
    *,
    links: Links = as_it_is,
) -> T | Rejected:
    """What `compose` makes of the job, its content with `links`, its sender and its recipient; or why there can be no mail.

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
        return compose(job, links(job, job.private.content), job.sender, recipient)
    except NoMailbox as refusal:
        return Rejected(reason=Reason.CONTENT_REFUSED, detail=f"Sender identity: {refusal}.")
    except NoMail as refusal:
        return Rejected(reason=Reason.CONTENT_REFUSED, detail=f"{refusal}.")


def with_links(kinds: Mapping[str, ProviderKind[Any]], links: Links) -> dict[str, ProviderKind[Any]]:
    """The same kinds, whose providers send mails with these links."""

    def kind_with(kind: ProviderKind[Any]) -> ProviderKind[Any]:
        def create(config: Any, clock: Clock) -> Provider:
            provider = kind.create(config, clock)
            cast("HasLinks", provider).links = links
            return provider

        return replace(kind, create=create)

    return {name: kind_with(kind) for name, kind in kinds.items()}


async def composed_with_files(
    job: Job, compose: Callable[..., T], files_of: FilesOf, *, links: Links = as_it_is
) -> T | Rejected:
    """The same with the job's attachments, which `compose` takes as `files`. In a thread: megabytes are copied and hashed."""
    files = files_of(job)
    if len(files) != len(job.intent.private.attachments):
        detail = "This dispatcher fetches no attachments, and the mail needs them."
        return Rejected(reason=Reason.CONTENT_REFUSED, detail=detail)
    content = job.private.content
    linked = links(job, content) if isinstance(content, EmailContent) else None  # here: it writes log lines
    return await asyncio.to_thread(
        composed, job, partial(compose, files=files), links=lambda _, given: linked or given
    )
