"""What tracking costs: processor time of one composed mail, untracked and tracked, side by side.

.venv/bin/python bench/tracking.py
"""

from time import process_time

from tocsin.channel.ref import RefKey
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.composing import Links, as_it_is, composed
from tocsin.dispatch_email.mailboxes import MailAddress
from tocsin.dispatch_email.mime import mail
from tocsin.dispatch_email.tracking import Tracking
from tocsin.runtime import SystemClock
from tocsin.testing.jobs import job_for

MAILS = 2_000
ROUNDS = 7
PARAGRAPH = '<p style="margin: 0">Hello &amp; welcome, <b>Ada</b>. Your order is on its way.</p>\n'
LINK = '<a href="https://shop.example/orders/{}?a=1&amp;b=2" style="color: #123">Order {}</a>\n'
HTML = "<html><body>" + "".join(PARAGRAPH * 6 + LINK.format(n, n) for n in range(10)) + "</body></html>"


def compose(job: Job, content: EmailContent, sender: SenderIdentity, to: MailAddress) -> bytes:
    return mail(
        content=content,
        sender=sender,
        to=to,
        delivery_id=job.delivery_id,
        notification_id=job.notification_id,
        unsubscribe_url=None,
        now=1_767_225_600,
    )


def microseconds(job: Job, links: Links) -> float:
    began = process_time()
    for _ in range(MAILS):
        composed(job, compose, links=links)
    return (process_time() - began) / MAILS * 1e6


def main() -> None:
    tracking = Tracking(
        url="https://links.example.com/email", keys=[RefKey("1", "k" * 32)], clock=SystemClock()
    )
    content = EmailContent(subject="Your order", html=HTML, text="Hello")
    off = job_for(Channel.EMAIL, content=content)
    on = job_for(Channel.EMAIL, content=content, tracking="individual")
    ways = {
        "without the code of tracking": (off, as_it_is),
        "not tracked": (off, tracking.content),
        "tracked, ten links": (on, tracking.content),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, (job, links) in ways.items():
            best[name] = min(best[name], microseconds(job, links))
    print(f"a mail of {len(HTML):,} characters of HTML, the best of {ROUNDS} rounds")
    for name, spent in best.items():
        print(f"{name:32} {spent:7.1f} µs of processor time")


if __name__ == "__main__":
    main()
