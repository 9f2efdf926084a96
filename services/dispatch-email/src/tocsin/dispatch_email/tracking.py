"""Links and a picture by which a mail tells that it was opened and what was clicked, where its category says so.

A mail of a category that says nothing is left as it is, and so are links that say `data-notrack`, lead elsewhere than to http or https, or
unsubscribe. The text part has no such links.
"""

import os
from math import ceil
from typing import Final
from urllib.parse import quote

from msgspec.structs import replace

from tocsin.channel.ref import SealedJob, sealed_job
from tocsin.channel.sealing import RefKey
from tocsin.contracts.jobs import EmailContent, Job
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.html_links import Link, links_of, rewritten
from tocsin.dispatch_email.link_tokens import MOST_CHARS, AnyMail, LinkKind, LinkTokens, SealedLink
from tocsin.observability import get_logger, metrics
from tocsin.observability.tally import Tally
from tocsin.runtime import Clock

log = get_logger(__name__)

ROUTE: Final = "/t/"
MOST_LINKS: Final = 100
"""Of one mail; what stands after them is not tracked. Each makes the mail longer by 350 characters."""
_SAFE: Final = "!#$%&'()*+,-./:;=?@[]^_`{|}~"
"""What a browser sends as it is written."""
_WANTED: Final = ("aggregate", "individual")
_OUTCOMES: Final = ("tracked", "no_url", "no_html", "no_ids")


class Tracking:
    """Of one dispatcher. `url` is where the role `callbacks` is reached, without `/t`; None where the operator has not said it."""

    def __init__(self, *, url: str | None, keys: list[RefKey], clock: Clock) -> None:
        self._clock = clock
        self._base = f"{url}{ROUTE}"
        self._own = f"{url}/"
        self._tokens = LinkTokens(keys, channel=Channel.EMAIL) if url is not None else None
        self._lines: Tally[str] = Tally(_say_no_url)
        metrics.begin_at_zero(metrics.tracked_messages, [Channel.EMAIL], _WANTED, _OUTCOMES)

    def content(self, job: Job, content: EmailContent) -> EmailContent:
        """What this mail says, with other links where it is tracked."""
        if job.tracking == "off" or job.required:
            return content
        outcome, tracked = self._outcome(job, content)
        metrics.tracked_messages.labels(Channel.EMAIL, job.tracking, outcome).inc()
        return tracked

    def close(self) -> None:
        """Tell what was not told yet."""
        self._lines.close()

    def _outcome(self, job: Job, content: EmailContent) -> tuple[str, EmailContent]:
        if self._tokens is None:
            self._lines.note(job.tenant, job.category)
            return "no_url", content
        if not content.html:
            return "no_html", content
        if (about := _about(job)) is None:
            return "no_ids", content
        html = self._rewritten(content.html, self._tokens, about, job.private.unsubscribe_url)
        return "tracked", replace(content, html=html)

    def _rewritten(
        self, html: str, tokens: LinkTokens, about: SealedJob | AnyMail, unsubscribe: str | None
    ) -> str:
        sent = ceil(self._clock.time_ms() / 1000)
        urls: dict[str, str | None] = {}

        def tracked(link: Link) -> str | None:
            if link.untracked or (unsubscribe is not None and link.url.startswith(unsubscribe)):
                return None
            if link.url not in urls and len(urls) < MOST_LINKS:
                urls[link.url] = self._url(tokens, about, link.url, sent)
            return urls.get(link.url)

        pixel = self._base + tokens.seal(SealedLink(LinkKind.OPENED, sent, about))
        picture = f'<img src="{pixel}" alt="" width="1" height="1" style="border:0;width:1px;height:1px">'
        return rewritten(html, links_of(html), tracked, picture)

    def _url(self, tokens: LinkTokens, about: SealedJob | AnyMail, url: str, sent: int) -> str | None:
        target = redirectable(url)
        if target is None or target.startswith(self._own):
            return None
        tracked = self._base + tokens.seal(SealedLink(LinkKind.CLICKED, sent, about, target))
        return tracked if len(tracked) <= MOST_CHARS else None


def redirectable(url: str) -> str | None:
    """The URL as a browser sends it, in ASCII. None where it is not of http or https, or browsers do not agree on what it is."""
    scheme, separator, rest = url.partition("://")
    if scheme.lower() not in {"http", "https"} or not separator or rest[:1] in {"", "/", "?", "#"}:
        return None
    if "\\" in url or any(ord(letter) < 32 or ord(letter) == 127 for letter in url):
        return None
    try:
        return quote(url, safe=_SAFE)
    except UnicodeEncodeError:
        return None


def _about(job: Job) -> SealedJob | AnyMail | None:
    if job.tracking == "individual":
        return sealed_job(job)
    return AnyMail(os.urandom(8), job.workflow, job.category, job.template, job.test)


def _say_no_url(tenant: str | None, category: object, times: int, seconds: float) -> None:
    log.warning(
        "mails are not tracked although their category wants it: DISPATCH_EMAIL_TRACKING_URL is not set",
        tenant=tenant,
        category=category,
        times=times,
        seconds=seconds,
    )
