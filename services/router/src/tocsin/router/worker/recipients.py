"""Whom an event is for: named in a direct request, or resolved from a business event as the workflow says."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

import msgspec

from tocsin.contracts.codec import encode
from tocsin.contracts.events import Event
from tocsin.contracts.recipients import InlineRecipient
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.recipient import judge_recipient
from tocsin.contracts.vocabulary import Reason
from tocsin.router.expressions import ExpressionFails, ExpressionTooCostly
from tocsin.router.worker.directory import PublishedWorkflow

RECIPIENT_BYTES: Final = 512 * 1024
"""Of one recipient that an expression makes, as JSON: twice the data of an event. An intent of it fits its topic, and a job stays small."""

RecipientRef = str | InlineRecipient
"""A recipient as an event names one: by id, or inline with what the producer knows."""


class RecipientsInvalid(Exception):
    """The event names nobody, or somebody in a way that is not taken. The message says where and why, and repeats no value."""

    def __init__(self, detail: str, *, pointer: str = "", reason: Reason = Reason.RECIPIENTS_INVALID) -> None:
        super().__init__(f"{pointer}: {detail}" if pointer else detail)
        self.reason = reason


def recipient_id(recipient: RecipientRef) -> str:
    """The id, however the recipient is given."""
    return recipient if isinstance(recipient, str) else recipient.id


def digest(recipients: Iterable[RecipientRef]) -> str:
    """SHA-256 of their ids in this order, each followed by a NUL, which no id contains; hex."""
    return sha256("\0".join([*map(recipient_id, recipients), ""]).encode()).hexdigest()


def deduplicated(
    recipients: Iterable[RecipientRef], *, address_like: bool, pointer: str = ""
) -> list[RecipientRef]:
    """The recipients in the order given, the first of each id, their values in canonical form. Raises RecipientsInvalid.

    `address_like`: the tenant's ids may look like addresses. `pointer` leads to the list.
    """
    by_id: dict[str, RecipientRef] = {}
    for index, recipient in enumerate(recipients):
        try:
            judge_recipient(recipient, address_like=address_like)
        except ValueRefused as refused:
            raise _invalid(refused, f"{pointer}/{index}") from None
        by_id.setdefault(recipient_id(recipient), recipient)
    if not by_id:
        raise RecipientsInvalid("The event names no recipient.", pointer=pointer)
    return list(by_id.values())


def judge(recipient: RecipientRef, *, address_like: bool, pointer: str) -> None:
    """Bring the recipient's values into their canonical form. Raises RecipientsInvalid; `pointer` leads to the recipient."""
    try:
        judge_recipient(recipient, address_like=address_like)
    except ValueRefused as refused:
        raise _invalid(refused, pointer) from None


def _invalid(refused: ValueRefused, pointer: str) -> RecipientsInvalid:
    return RecipientsInvalid(refused.sentence, pointer=pointer + refused.pointer, reason=Reason(refused.code))


def resolve_recipients(
    event: Event, decoded_data: Any, published: PublishedWorkflow, *, address_like: bool
) -> list[RecipientRef]:
    """The recipients of a business event: its subject, or what the workflow's expression yields. Raises RecipientsInvalid."""
    if published.workflow.recipients is None:
        if not event.subject:
            raise RecipientsInvalid("The event has no subject, which names the recipient.")
        judge(event.subject, address_like=address_like, pointer="/subject")
        return [event.subject]
    view = {"subject": event.subject, "data": decoded_data, "source": event.source, "type": event.type}
    try:
        named = published.search(view)
    except ExpressionTooCostly as error:
        raise RecipientsInvalid(str(error), reason=Reason.RECIPIENTS_TOO_COSTLY) from error
    except ExpressionFails as error:
        raise RecipientsInvalid("The workflow's recipients expression fails on this event.") from error
    if named is None:
        named = []
    refs = map(_recipient_ref, named if isinstance(named, list) else [named])
    return deduplicated(refs, address_like=address_like, pointer="recipients")


def _recipient_ref(named: Any) -> RecipientRef:
    if isinstance(named, str):
        return named
    try:
        # The object is the producer's own and may have fields of other purposes.
        recipient = msgspec.convert(named, InlineRecipient)
    except msgspec.ValidationError as error:
        raise RecipientsInvalid(
            "The workflow's recipients expression must yield ids, or objects with an `id`."
        ) from error
    # An expression may name the same data many times: so the size of the event bounds nothing.
    if len(encode(recipient)) > RECIPIENT_BYTES:
        raise RecipientsInvalid(_TOO_LARGE, reason=Reason.RECIPIENTS_TOO_COSTLY)
    return recipient


_TOO_LARGE: Final = f"A recipient that the workflow's recipients expression makes takes more than {RECIPIENT_BYTES // 1024} KiB."
