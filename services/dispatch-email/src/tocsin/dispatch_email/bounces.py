"""What an enhanced status code (RFC 3463) says of an address that mail came back from: pure."""

from typing import Final

from tocsin.contracts.vocabulary import Reason

_NOBODY_THERE: Final = frozenset(
    {
        "5.1.1",  # the mailbox does not exist
        "5.1.2",  # the destination system does not exist, or takes no mail
        "5.1.3",  # the address is malformed
        "5.1.6",  # the mailbox has moved, and left no forwarding address
        "5.1.10",  # the domain says that it takes no mail (RFC 7505)
    }
)
"""Not 5.1.0 and 5.0.0, which say nothing, nor 5.2.1 (disabled): Gmail also says it where somebody gets too much mail at once."""

DETAILS: Final = {
    Reason.HARD_BOUNCE: "The recipient's side says that the address does not exist, or takes no mail.",
    Reason.SOFT_BOUNCE: "The recipient's side did not take the mail; it may take another one.",
    Reason.BLOCKED: "The recipient's side refuses the sender, its server or what the mail says.",
}
"""Our sentence for each class of bounces."""


def bounce_class(code: str | None) -> Reason:
    """Why a mail came back. What a code does not say clearly is soft: only a hard bounce costs the address all further mail."""
    if code in _NOBODY_THERE:
        return Reason.HARD_BOUNCE
    if code is not None and code.startswith("5.7."):  # security or policy
        return Reason.BLOCKED
    return Reason.SOFT_BOUNCE
