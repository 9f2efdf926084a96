"""The sample tenant trusts what its shop signs. What else stands among its keys and origins stays."""

import asyncio
from typing import Any

from tocsin.dev.api import Api
from tocsin.dev.errors import StartFailed
from tocsin.dev.shop.shop_server import KEY_ID, PERSON, token_for

TAKEN_WITHIN = 30.0
"""Seconds until the key has come to the inbox's service through the directory topic."""
_OURS = "http://127.0.0.1:"
"""How the shop's origin begins; its port is another at each start."""


async def let_shop_sign(api: Api, *, origin: str, secret: str) -> None:
    """Saves the key and the page's origin. Needs the scope `manage`."""
    path = "/v1/tenant/inbox-keys"
    stored = await api.do("GET", path)
    others = [_kept(key) for key in stored["keys"] if key["id"] != KEY_ID]
    origins = [named for named in stored["origins"] if not named.startswith(_OURS)]
    keys = [{"id": KEY_ID, "algorithm": "HS256", "secret": secret}, *others[:1]]
    await api.do("PUT", path, {"keys": keys, "origins": [origin, *origins[:19]]})


async def wait_until_signatures_are_taken(*, entry: str, origin: str, secret: str) -> None:
    """Returns when inboxes and preferences can be read with a token, from the page. Raises StartFailed."""
    headers = {"Origin": origin}
    async with Api(url=entry, key=token_for(PERSON, secret)) as person:
        answer: Any = None
        try:
            async with asyncio.timeout(TAKEN_WITHIN):
                for path in ("/v1/inbox/counts", "/v1/me/preferences"):
                    while True:
                        status, answer = await person.call("GET", path, headers=headers)
                        if status < 300:
                            break
                        await asyncio.sleep(0.1)
        except TimeoutError as exc:
            raise StartFailed(
                f"{path} is still answered {answer} to the shop's token after {TAKEN_WITHIN:.0f} s"
            ) from exc


def _kept(key: dict[str, Any]) -> dict[str, Any]:
    """What leaves this key as it is: a secret is never shown, and stays where it is left out."""
    return {name: key[name] for name in ("id", "algorithm", "public_key") if key.get(name)}
