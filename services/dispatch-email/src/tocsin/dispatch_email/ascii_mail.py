"""A mail as MIME for an API that takes it so: what goes out by SMTP, with addresses in ASCII alone, since these APIs know no SMTPUTF8."""

from collections.abc import Sequence

from tocsin.channel import Rejected
from tocsin.channel.preparation import File
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.mailboxes import MailAddress, ascii_mailbox
from tocsin.dispatch_email.mime import mail
from tocsin.runtime import Clock


def ascii_mail(
    job: Job,
    content: EmailContent,
    sender: SenderIdentity,
    to: MailAddress,
    *,
    clock: Clock,
    provider: str,
    largest: int,
    ref: str | None = None,
    files: Sequence[File] = (),
) -> bytes | Rejected:
    """The mail, 7-bit ASCII, at most `largest` bytes; or why `provider` would refuse it. `ref` stands in its header. Raises NoMail and NoMailbox."""
    if (refusal := unknown_letters(to, provider=provider)) is not None:
        return refusal
    for address in (sender.address, sender.reply_to):
        if address:
            ascii_mailbox(address, provider=provider)
    message = mail(
        content=content,
        sender=sender,
        to=to,
        delivery_id=job.delivery_id,
        notification_id=job.notification_id,
        unsubscribe_url=job.private.unsubscribe_url,
        ref=ref,
        files=files,
        now=clock.time_ms() / 1000,
    )
    return too_large(len(message), provider=provider, largest=largest) or message


def unknown_letters(to: MailAddress, *, provider: str) -> Rejected | None:
    """The refusal of a recipient whose address needs SMTPUTF8."""
    if not to.international:
        return None
    detail = f"{provider} takes no recipient with letters outside ASCII before the @."
    return Rejected(reason=Reason.ADDRESS_INVALID, detail=detail)


def too_large(size: int, *, provider: str, largest: int) -> Rejected | None:
    """The refusal of a mail of more than `largest` bytes."""
    if size <= largest:
        return None
    detail = f"The mail takes {size} bytes; {provider} takes {largest}. Shorten the template, or attach less."
    return Rejected(reason=Reason.TOO_LARGE, detail=detail)
