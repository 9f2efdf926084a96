"""What mail servers and mail programs say of a mail, as mail: a DSN (RFC 3464), a feedback report (RFC 5965) or an MDN (RFC 8098)."""

from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from tocsin.catcher.messages import Email

_BOUNDARY: Final = "=_caught"
_Fields = Callable[[Email], str]


def _delivered(mail: Email) -> str:
    return _of_server(mail, "delivered", "2.0.0", "250 2.0.0 the catcher took it")


def _bounced(mail: Email) -> str:
    return _of_server(mail, "failed", "5.1.1", "550 5.1.1 the catcher knows no such mailbox")


def _of_server(mail: Email, action: str, code: str, words: str) -> str:
    return (
        "Reporting-MTA: dns; catcher.localhost\r\n\r\n"
        f"Final-Recipient: rfc822; {mail.to}\r\nAction: {action}\r\nStatus: {code}\r\nDiagnostic-Code: smtp; {words}\r\n"
    )


def _complained(mail: Email) -> str:
    return f"Feedback-Type: abuse\r\nUser-Agent: Tocsin-catcher/1.0\r\nVersion: 1\r\nOriginal-Rcpt-To: {mail.to}\r\n"


def _read(mail: Email) -> str:
    return (
        f"Reporting-UA: catcher.localhost; Tocsin catcher\r\nFinal-Recipient: rfc822; {mail.to}\r\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\r\n"
    )


REPORTS: Final[dict[str, tuple[str, str, _Fields]]] = {
    "delivered": ("delivery-status", "Delivered", _delivered),
    "bounced": ("delivery-status", "Undelivered mail returned to sender", _bounced),
    "complained": ("feedback-report", "Complaint", _complained),
    "read": ("disposition-notification", "Read", _read),
}
"""What can be said of a mail: the kind of report, its subject, its machine-readable part."""


def report(mail: Email, name: str, *, now: datetime) -> bytes:
    """The report, with the headers of the mail as they came."""
    kind, subject, fields = REPORTS[name]
    headers = mail.raw.replace("\r\n", "\n").partition("\n\n")[0].replace("\n", "\r\n")
    parts = (
        ("text/plain; charset=utf-8", f"{subject}: {mail.to}\r\n"),
        (f"message/{kind}", fields(mail)),
        ("text/rfc822-headers", f"{headers}\r\n"),
    )
    body = "".join(f"--{_BOUNDARY}\r\nContent-Type: {of}\r\n\r\n{content}\r\n" for of, content in parts)
    head = (
        f"From: MAILER-DAEMON@catcher.localhost\r\nTo: {mail.envelope_from}\r\nSubject: {subject}\r\n"
        f"Date: {format_datetime(now)}\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="{_BOUNDARY}"\r\n\r\n'
    )
    return f"{head}{body}--{_BOUNDARY}--\r\n".encode()
