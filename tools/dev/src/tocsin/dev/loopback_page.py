"""What pages of the local stack have in common: they answer this machine only, and nothing of elsewhere runs on them."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler


@web.middleware
async def only_this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page of somebody else's whose name leads here is refused."""
    if request.url.host not in ("127.0.0.1", "localhost"):
        raise web.HTTPForbidden(text="Ask at 127.0.0.1.")
    return await handler(request)


def safe_headers(*, connect: str = "'self'") -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """For `on_response_prepare`: scripts and styles come from the page's own server, and it calls only `connect`."""
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src {connect}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }

    async def add(_: web.Request, answer: web.StreamResponse) -> None:
        answer.headers.update(headers)

    return add
