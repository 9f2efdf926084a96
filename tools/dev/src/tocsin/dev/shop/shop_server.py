"""The shop's own server, as a tenant has one: it signs tokens for who is logged in, sends events, and asks for timelines."""

import asyncio
import json
import time
import uuid
from pathlib import Path
from typing import Any, Final

import aiohttp
import jwt
from aiohttp import web

from tocsin.dev.inbox_component import COMPONENT, MADE_OF
from tocsin.dev.loopback_page import only_this_machine, safe_headers
from tocsin.dev.sample import APP_WORKFLOW, TENANT
from tocsin.trust import AUDIENCE

PERSON: Final = "anna"
"""Who is logged in."""
KEY_ID: Final = "shop-page"
TOKEN_SECONDS: Final = 3600
SHOWN: Final = 5
"""Messages whose timelines are shown."""
_PAGE: Final = Path(__file__).parent / "page"
_ANSWERS_WITHIN: Final = aiohttp.ClientTimeout(total=10)


class ShopServer:
    """Answers on loopback, and only to who names loopback. The API key and the secret never leave it.

    `entry` is the stack's entry, `secret` what tokens are signed with: `let_shop_sign` tells the tenant's keys of it.
    """

    def __init__(self, *, entry: str, api_key: str, secret: str) -> None:
        self._entry = entry
        self._authorization = {"Authorization": f"Bearer {api_key}"}
        self._secret = secret
        self._client: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None

    async def open(self, port: int) -> None:
        """Listens."""
        app = web.Application(middlewares=[only_this_machine])
        app.on_response_prepare.append(safe_headers(connect=f"'self' {self._entry}"))
        app.router.add_get("/", self._page)
        app.router.add_static("/page", _PAGE)
        app.router.add_get(f"/{{file:{'|'.join(MADE_OF)}}}", self._component)
        app.router.add_get("/setup.json", self._setup)
        app.router.add_post("/token", self._token)
        app.router.add_post("/messages", self._send)
        app.router.add_get("/timelines", self._timelines)
        self._client = aiohttp.ClientSession(timeout=_ANSWERS_WITHIN)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()

    async def close(self) -> None:
        """Ends; may be called before it was opened."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._client is not None:
            await self._client.close()

    async def _page(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(_PAGE / "index.html")

    async def _component(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(COMPONENT / request.match_info["file"])

    async def _setup(self, _: web.Request) -> web.Response:
        return web.json_response({"address": self._entry, "person": PERSON, "workflow": APP_WORKFLOW})

    async def _token(self, _: web.Request) -> web.Response:
        """As the shop's session would have it: nobody chooses who they are."""
        return web.Response(text=token_for(PERSON, self._secret))

    async def _send(self, request: web.Request) -> web.Response:
        """A browser lets no other page send this without asking first, and we do not say yes."""
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="Send application/json.")
        order = f"A-{int(time.time()) % 100_000}"
        body = {"workflow": APP_WORKFLOW, "recipients": [PERSON], "data": {"order": order}}
        return await self._answered("POST", "/v1/notifications", body=body, key=str(uuid.uuid4()))

    async def _timelines(self, _: web.Request) -> web.Response:
        """The last messages, each with its statuses."""
        query = f"recipient={PERSON}&workflow={APP_WORKFLOW}&limit={SHOWN}"
        status, listed = await self._ask("GET", f"/v1/timelines?{query}")
        if status != web.HTTPOk.status_code:
            return web.json_response(listed, status=status)
        ids = [row["notification_id"] for row in listed["data"]]
        told = await asyncio.gather(*(self._ask("GET", f"/v1/timelines/{id_}") for id_ in ids))
        rows = [
            {"notification": id_, "timeline": body.get("timeline", [])}
            for id_, (_, body) in zip(ids, told, strict=True)
        ]
        return web.json_response(rows)

    async def _answered(self, method: str, path: str, *, body: Any, key: str) -> web.Response:
        status, said = await self._ask(method, path, body=body, key=key)
        return web.json_response(said, status=status)

    async def _ask(self, method: str, path: str, *, body: Any = None, key: str = "") -> tuple[int, Any]:
        assert self._client is not None  # noqa: S101 -- it answers only while it is open
        headers = {**self._authorization, **({"Idempotency-Key": key} if key else {})}
        try:
            async with self._client.request(method, self._entry + path, json=body, headers=headers) as answer:
                return answer.status, json.loads(await answer.read())
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return web.HTTPBadGateway.status_code, {"detail": "The stack does not answer."}


def token_for(recipient: str, secret: str) -> str:
    """A recipient's token, as `docs/recipient-tokens.md` has it."""
    now = int(time.time())
    claims = {"tid": TENANT, "sub": recipient, "aud": AUDIENCE, "iat": now, "exp": now + TOKEN_SECONDS}
    return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": KEY_ID})
