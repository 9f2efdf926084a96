"""How the endpoints for mail providers refuse, and what all of them look at."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.parser import BytesHeaderParser
from typing import Any

from .mail import read_mail
from .mailbox import Mailbox

_ADDRESS = re.compile(r"[!#-'*+/-9=?A-Z^-~-]+(\.[!#-'*+/-9=?A-Z^-~-]+)*@([a-zA-Z0-9-]+\.)+[a-zA-Z0-9-]+")


@dataclass(frozen=True)
class MailRefusal:
    """An error, in the provider's own shape."""

    status: int
    body: dict[str, Any] | str
    headers: dict[str, str] = field(default_factory=dict)


def is_address(text: str) -> bool:
    """Whether a provider without SMTPUTF8 takes it."""
    return _ADDRESS.fullmatch(text) is not None


def has_one_from(source: bytes) -> bool:
    """Whether the mail has exactly one From (RFC 5322, 3.6)."""
    return len(BytesHeaderParser().parsebytes(source).get_all("From", [])) == 1


def keep(
    mailbox: Mailbox,
    source: bytes,
    *,
    envelope_from: str,
    recipients: list[str],
    now: Callable[[], datetime],
    provider: str,
    custom: Mapping[str, str] | None = None,
) -> None:
    """Puts the mail into the mailbox, once for each recipient. `custom` is what the provider is to tell again with each event."""
    for recipient in recipients:
        mailbox.add(
            read_mail(
                source,
                envelope_from=envelope_from,
                to=recipient,
                received_at=now(),
                provider=provider,
                custom=custom,
            )
        )
