"""Whose fault it is that something is not sent."""

from typing import Final

from tocsin.contracts.vocabulary import Reason, StatusName

_OF_THE_OWNER: Final = frozenset(
    {
        Reason.TENANT_UNKNOWN,
        Reason.WORKFLOW_UNKNOWN,
        Reason.WORKFLOW_UNUSABLE,
        Reason.CATEGORY_UNKNOWN,
        Reason.CHANNEL_UNKNOWN,
        Reason.SENDER_MISSING,
        Reason.TEMPLATE_MISSING,
        Reason.TEMPLATE_FAILED,
        Reason.TOO_LARGE,
    }
)
"""What whoever runs the workflow has to mend, before the next message meets it."""


def status_for(reason: Reason) -> StatusName:
    """`failed` for a fault of the owner; `skipped` for the recipient's or the policy's will."""
    return StatusName.FAILED if reason in _OF_THE_OWNER else StatusName.SKIPPED
