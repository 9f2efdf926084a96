"""`/t/<token>` and `/a/<token>` of the role `callbacks`: a mail's picture, the way to where a link or a button leads, or a button's page.

Whoever follows a link gets there, whatever Kafka does: what is to be told is told behind the answer.
"""

from base64 import b64decode
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tocsin.channel.callbacks_role import CallbackSettings, MakeMore, More
from tocsin.channel.ref_settings import ref_keys
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email import link_pages
from tocsin.dispatch_email.engagements import Engagements
from tocsin.dispatch_email.link_tokens import LinkKind, LinkTokens, OpenedLink
from tocsin.dispatch_email.machines import is_machine
from tocsin.kafka import Publisher
from tocsin.observability import get_logger, metrics
from tocsin.observability.tally import Tally
from tocsin.runtime import Clock, FunctionComponent
from tocsin.web import codes
from tocsin.web.operations import NamedRoute
from tocsin.web.plain_page import PAGE_HEADERS
from tocsin.web.problem import Problem

log = get_logger(__name__)

_HEADERS: Final = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}
_PICTURE: Final = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one pixel."""


class LinksRoute:
    """What it needs to answer: tokens to open, and who is told."""

    def __init__(self, *, channel: str, tokens: LinkTokens, engagements: Engagements) -> None:
        self._channel = channel
        self._tokens = tokens
        self._engagements = engagements
        self._lines: Tally[str] = Tally(_say_refused)
        metrics.begin_at_zero(metrics.links_refused, [channel])

    @property
    def routes(self) -> list[BaseRoute]:
        """For the application of the role."""
        return [
            NamedRoute("/t/{token}", self.follow, methods=["GET"]),
            NamedRoute("/a/{token}", self.press, methods=["GET", "POST"]),
        ]

    async def follow(self, request: Request) -> Response:
        """The picture, or 302. Only what is sealed in the token is where it leads."""
        link = self._opened(request, LinkKind.OPENED, LinkKind.CLICKED)
        if link is None:
            return _refused(request)
        follows = link.kind is not LinkKind.OPENED
        self._engagements.note(link, automated=is_machine(request.method, request.headers, follows=follows))
        if not follows:
            return Response(_PICTURE, media_type="image/gif", headers=_HEADERS)
        return _redirect(link.url or "")

    async def press(self, request: Request) -> Response:
        """302 where the button leads. Where it leads nowhere, a page with a button: only a POST presses that, for scanners open every
        link."""
        link = self._opened(request, LinkKind.PRESSED)
        if link is None:
            return _refused(request)
        if link.url is None and request.method != "POST":
            return _page(link_pages.question(link.label or ""), 200)
        self._engagements.note(link, automated=is_machine(request.method, request.headers, follows=True))
        return _redirect(link.url) if link.url is not None else _page(link_pages.done(link.label or ""), 200)

    def close(self) -> None:
        """Tell what was not told yet."""
        self._lines.close()

    def _opened(self, request: Request, *kinds: LinkKind) -> OpenedLink | None:
        link = self._tokens.open(request.path_params["token"])
        if link is None or link.kind not in kinds:
            metrics.links_refused.labels(self._channel).inc()
            self._lines.note(self._channel)
            return None
        return link


def _redirect(url: str) -> Response:
    return Response(status_code=302, headers=_HEADERS | {"location": url})


def _page(html: str, status: int) -> Response:
    return Response(html, status_code=status, media_type="text/html", headers=PAGE_HEADERS)


def _refused(request: Request) -> Response:
    """People get a page; programs get a problem."""
    if "text/html" in request.headers.get("accept", ""):
        return _page(link_pages.invalid(), codes.INVALID_LINK.status)
    raise Problem(codes.INVALID_LINK, "The link is incomplete, or too old. Use the link of a newer message.")


def _say_refused(channel: str | None, _sample: object, times: int, seconds: float) -> None:
    log.warning(
        "links were called that no mail of ours has, or whose key is gone",
        channel=channel,
        times=times,
        seconds=seconds,
    )


def links_of_mails(settings: CallbackSettings) -> MakeMore:
    """The route, and who tells what came by it."""

    def make(publisher: Publisher, topics: Topics, clock: Clock) -> More:
        tokens = LinkTokens(ref_keys(settings.ref_keys), channel=Channel.EMAIL)
        engagements = Engagements(channel=Channel.EMAIL, publisher=publisher, topics=topics, clock=clock)
        route = LinksRoute(channel=Channel.EMAIL, tokens=tokens, engagements=engagements)

        async def tell_the_rest() -> None:
            route.close()

        lines = FunctionComponent(name="lines of links", close=tell_the_rest)
        return More(routes=route.routes, components=[engagements, lines])

    return make
