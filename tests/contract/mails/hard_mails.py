"""Mails that parsers easily read wrongly. As a program it writes each as bytes, for `javascript_parsers.mjs`."""

import json
import sys
from typing import Final, NamedTuple

from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.dispatch_email.mailboxes import mailbox
from tocsin.dispatch_email.mime import mail

ID: Final = "3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10"
UNSUBSCRIBE: Final = "https://tocsin.example/u/abc.def-_~?x=1&y=2"


class HardMail(NamedTuple):
    """What a mail says."""

    subject: str = "Hello"
    name: str = "Shop"
    text: str = "Hello"
    html: str = "<p>Hello</p>"

    def raw(self) -> bytes:
        """The mail as bytes."""
        return mail(
            content=EmailContent(subject=self.subject, text=self.text, html=self.html),
            sender=SenderIdentity(address="shop@example.com", name=self.name),
            to=mailbox("ada@example.org"),
            delivery_id=ID,
            notification_id=ID,
            unsubscribe_url=UNSUBSCRIBE,
            now=1_767_225_600,
        )


LONG_URL: Final = "https://shop.example/o?" + "a=b.-_~%20&" * 100
HARD_MAILS: Final = {
    "emoji": HardMail(subject="👩‍👩‍👧‍👦" * 40, name="Shop 🎉", text="👩‍👩‍👧‍👦" * 20, html="<b>🎉</b>"),
    "long words": HardMail(subject="w" * 300, name="n" * 150, text="t" * 1200),
    "many words": HardMail(subject="grüße und words " * 20, name="Müller und Söhne " * 8),
    "looks encoded": HardMail(subject="=?utf-8?q?not_ours?= =?", name="=?utf-8?b?YQ==?=", text="=41=\n=?utf-8?q?a?="),
    "many scripts": HardMail(subject="Заказ 漢字 العربية ไทย Zoë " * 8, name="شركة Acme 株式会社", text="Заказ 漢字 العربية"),
    "marks of direction": HardMail(
        subject="\u202eorder\u202c \u2066שלם\u2069 \u200fend", text="\u202eorder\u202c \u200fend"
    ),
    "no-break spaces": HardMail(subject="10\u00a0000\u202f€", name="10\u00a0000\u202f€", text="10\u00a0000\u202f€"),
    "no subject": HardMail(subject=" \t "),
    "a header inside": HardMail(subject="a\r\nBcc: eve@example.org", name="b\nBcc: eve@example.org"),
    "parentheses": HardMail(name="Acme (Shop) ) ("),
    "letters and parentheses": HardMail(name="Müller (Köln)"),
    "specials": HardMail(name='Acme, "Shop": a \\ <b@c.example>; d'),
    "long URL": HardMail(text=f"End it:\n{LONG_URL}\nBye", html=f'<a href="{LONG_URL}">End</a>'),
    "dots and blanks": HardMail(text=".\n..\n.a \nb\t\n\n--\n--=_\n\nc", html="<p>\n.\n</p>"),
}  # fmt: skip

if __name__ == "__main__":
    json.dump({name: hard.raw().decode("ascii") for name, hard in HARD_MAILS.items()}, sys.stdout)
