"""`GET /t/<token>` of the role `callbacks`: a mail's picture, or the way to where a link leads.

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
from tocsin.dispatch_email.engagements import Engagements
from tocsin.dispatch_email.link_tokens import LinkKind, LinkTokens, OpenedLink
from tocsin.dispatch_email.machines import is_machine
from tocsin.kafka import Publisher
from tocsin.observability import get_logger, metrics
from tocsin.observability.tally import Tally
from tocsin.runtime import Clock, FunctionComponent
from tocsin.web import codes
from tocsin.web.operations import NamedRoute
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
        return [NamedRoute("/t/{token}", self.follow, methods=["GET"])]

    async def follow(self, request: Request) -> Response:
        """The picture, or 302. Only what is sealed in the token is where it leads. Raises the 404."""
        link = self._opened(request.path_params["token"])
        follows = link.kind is not LinkKind.OPENED
        self._engagements.note(link, automated=is_machine(request.method, request.headers, follows=follows))
        if not follows:
            return Response(_PICTURE, media_type="image/gif", headers=_HEADERS)
        return Response(status_code=302, headers=_HEADERS | {"location": link.url or ""})

    def close(self) -> None:
        """Tell what was not told yet."""
        self._lines.close()

    def _opened(self, token: str) -> OpenedLink:
        link = self._tokens.open(token)
        if link is None or (link.kind is LinkKind.CLICKED) != (link.url is not None):
            metrics.links_refused.labels(self._channel).inc()
            self._lines.note(self._channel)
            raise Problem(
                codes.INVALID_LINK, "The link is incomplete, or too old. Use the link of a newer message."
            )
        return link


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
