"""The buttons of a mail: links that say which one was pressed, whether the mail is tracked or not, for pressing is an answer.

In HTML they stand where the template says `<!-- actions -->`, else at the end of the body; in the text part they are lines at its end.
"""

from html import escape
from math import ceil
from typing import Final

from tocsin.channel.ref import SealedJob, sealed_job
from tocsin.channel.sealing import RefKey
from tocsin.contracts.actions import InboxAction
from tocsin.contracts.jobs import EmailContent, Job
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.html_links import links_of, rewritten
from tocsin.dispatch_email.link_tokens import MOST_CHARS, LinkKind, LinkTokens, SealedLink
from tocsin.dispatch_email.tracking import redirectable
from tocsin.observability import get_logger, metrics
from tocsin.observability.tally import Tally
from tocsin.runtime import Clock

log = get_logger(__name__)

ROUTE: Final = "/a/"
PLACE: Final = "<!-- actions -->"
_OUTCOMES: Final = ("told", "not_told", "left_out")
_STYLE: Final = (
    "display:inline-block;margin:0 8px 8px 0;padding:12px 20px;border-radius:6px;background:#1d4ed8;color:#ffffff;"
    "font-family:sans-serif;font-weight:bold;text-decoration:none"
)


class Buttons:
    """Of one dispatcher. `url` is where the role `callbacks` is reached, without `/a`; None where the operator has not said it: then
    buttons with a URL lead there themselves, and others are left out."""

    def __init__(self, *, url: str | None, keys: list[RefKey], clock: Clock) -> None:
        self._clock = clock
        self._base = f"{url}{ROUTE}"
        self._tokens = LinkTokens(keys, channel=Channel.EMAIL) if url is not None else None
        self._lines: Tally[str] = Tally(_say_left_out)
        metrics.begin_at_zero(metrics.message_buttons, [Channel.EMAIL], _OUTCOMES)

    def content(self, job: Job, content: EmailContent) -> EmailContent:
        """What this mail says, with its buttons."""
        if not content.actions:
            return content
        about = sealed_job(job)
        links = [(action.label, self._link(job, about, action)) for action in content.actions]
        shown = [(label, url) for label, url in links if url is not None]
        html, text = content.html, content.text
        return EmailContent(
            subject=content.subject,
            text=_text_with(text, shown) if text is not None else None,
            html=_html_with(html, shown) if html is not None else None,
        )

    def close(self) -> None:
        """Tell what was not told yet."""
        self._lines.close()

    def _link(self, job: Job, about: SealedJob | None, action: InboxAction) -> str | None:
        outcome, url = "told", self._telling(about, action)
        if url is None:
            outcome, url = ("not_told", action.url) if action.url is not None else ("left_out", None)
        metrics.message_buttons.labels(Channel.EMAIL, outcome).inc()
        if outcome == "left_out":
            self._lines.note(job.tenant, job.workflow)
        return url

    def _telling(self, about: SealedJob | None, action: InboxAction) -> str | None:
        """None where nothing can tell: without an address, and where its own is too long or of a form on which browsers do not agree."""
        target = redirectable(action.url) if action.url is not None else None
        if self._tokens is None or about is None or (target is None and action.url is not None):
            return None
        sent, label = ceil(self._clock.time_ms() / 1000), action.label if target is None else None
        link = SealedLink(LinkKind.PRESSED, sent, about, target, action.name, label)
        url = self._base + self._tokens.seal(link)
        return url if len(url) <= MOST_CHARS else None


def _text_with(text: str, links: list[tuple[str, str]]) -> str:
    return text.rstrip() + "".join(f"\n\n{label}:\n{url}" for label, url in links) + "\n"


def _html_with(html: str, links: list[tuple[str, str]]) -> str:
    buttons = "\n".join(
        f'<a class="tocsin-action" href="{escape(url)}" style="{_STYLE}">{escape(label)}</a>'
        for label, url in links
    )
    block = f'<p style="margin:24px 0">{buttons}</p>'
    if PLACE in html:
        return html.replace(PLACE, block, 1)
    return rewritten(html, links_of(html), lambda _: None, block)


def _say_left_out(tenant: str | None, workflow: object, times: int, seconds: float) -> None:
    log.warning(
        "buttons without a URL are left out of mails: DISPATCH_EMAIL_TRACKING_URL is not set",
        tenant=tenant,
        workflow=workflow,
        times=times,
        seconds=seconds,
    )
