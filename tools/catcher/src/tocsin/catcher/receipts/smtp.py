"""Mails over SMTP: what is told of one comes back as mail, and whoever takes the bounce address hands it over."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tocsin.catcher.messages import AnyMessage, Email

from .mail_reports import REPORTS, report
from .telling import NotTellable, Told

_REF: Final = "x-tocsin-ref"


class MailTeller:
    """`url` is where mails that came back are handed over, `token` what is shown there."""

    def __init__(self, *, url: str | None, token: str | None, now: Callable[[], datetime]) -> None:
        self._url = url
        self._token = token
        self._now = now

    def names(self, message: AnyMessage) -> list[str]:
        """All, of a mail that bears a ref."""
        if self._url is None or not isinstance(message, Email):
            return []
        return list(REPORTS) if any(name.lower() == _REF for name, _ in message.headers) else []

    def tell(self, message: AnyMessage, name: str) -> Told:
        """The report, handed over."""
        if self._url is None or not isinstance(message, Email):
            raise NotTellable("Only mails come back as mails.")
        shown = {"Authorization": f"Bearer {self._token}", "Content-Type": "message/rfc822"}
        return Told(self._url, shown, report(message, name, now=self._now()))
