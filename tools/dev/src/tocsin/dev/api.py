"""The public HTTP API as the local stack uses it: through the entry port, with a key, like anyone else."""

from typing import Any, Self

import aiohttp

from tocsin.dev.errors import StartFailed


class Api:
    """One client with one key. Use it as a context."""

    def __init__(self, *, url: str, key: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(headers=self._headers)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._client is not None:
            await self._client.close()

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON body (None when empty), whatever they are."""
        assert self._client is not None  # noqa: S101 -- used as a context
        async with self._client.request(method, self._url + path, json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, await answer.json(content_type=None) if text else None

    async def do(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> Any:
        """The JSON body of an answer below 300; anything else raises StartFailed with the problem's own words."""
        status, answer = await self.call(method, path, body, headers=headers)
        if status >= 300:
            raise StartFailed(f"{method} {path} was answered {status}: {answer}")
        return answer
