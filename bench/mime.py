"""What our own mail encoder is worth: the same mail by it and by the standard library.

`python bench/mime.py` prints microseconds a mail and the ratio, which travels between machines; the figures do not.
"""

import timeit
from email import policy
from email.message import EmailMessage
from email.utils import formatdate

from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.dispatch_email.mailboxes import mailbox
from tocsin.dispatch_email.mime import mail

DELIVERY = "3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10"
URL = "https://tocsin.example/u/abcdefghijklmnopqrstuvwxyz"
CONTENT = EmailContent(
    subject="Deine Bestellung ist unterwegs, schöne Grüße",
    text="Hallo Zoë,\n\n" + "deine Bestellung 4711 ist unterwegs.\n" * 10,
    html="<p>Hallo Zoë</p>\n" + "<p>deine Bestellung 4711 ist unterwegs.</p>\n" * 20,
)
SENDER = SenderIdentity(address="shop@example.com", name="Müller, GmbH", reply_to="help@example.com")
NOW = 1_767_225_600.0


def ours() -> bytes:
    return mail(
        content=CONTENT,
        sender=SENDER,
        to=mailbox("ada@example.org"),
        delivery_id=DELIVERY,
        notification_id=DELIVERY,
        unsubscribe_url=URL,
        now=NOW,
    )


def standard_library() -> bytes:
    message = EmailMessage(policy=policy.SMTP)
    message["Date"] = formatdate(NOW)
    message["Message-ID"] = f"<{DELIVERY}@example.com>"
    message["From"] = f'"{SENDER.name}" <{SENDER.address}>'
    message["Reply-To"] = SENDER.reply_to
    message["To"] = "ada@example.org"
    message["Subject"] = CONTENT.subject
    message["List-Unsubscribe"] = f"<{URL}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["X-Tocsin-Notification"] = DELIVERY
    assert CONTENT.text is not None
    assert CONTENT.html is not None
    message.set_content(CONTENT.text, cte="quoted-printable")
    message.add_alternative(CONTENT.html, subtype="html", cte="quoted-printable")
    return message.as_bytes()


def microseconds(build: object, number: int) -> float:
    return min(timeit.repeat("build()", globals={"build": build}, number=number, repeat=5)) / number * 1e6


if __name__ == "__main__":
    theirs, own = microseconds(standard_library, 200), microseconds(ours, 5000)
    print(f"standard library {theirs:8.1f} us a mail ({len(standard_library())} bytes)")
    print(f"ours             {own:8.1f} us a mail ({len(ours())} bytes), {theirs / own:.0f} times as fast")
