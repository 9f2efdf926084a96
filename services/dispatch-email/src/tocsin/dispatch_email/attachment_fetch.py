"""One attachment, fetched from where its author says it lies: only what has the size and the hash that was told is taken.

No sentence here holds a URL or a name: both may be secrets.
"""

import asyncio
from hashlib import sha256
from typing import Final

import httpx

from tocsin.channel import NotSent, Rejected
from tocsin.channel.guarded_http import BODY_BYTES, AllowedTargets, TargetForbidden, guarded_client
from tocsin.channel.http import retry_after
from tocsin.contracts.attachments import Attachment, encoded_lines
from tocsin.contracts.vocabulary import Reason
from tocsin.runtime import Clock

CONNECTIONS: Final = 64
"""To all hosts. How much is fetched at once is bounded by bytes."""
_AT_ONCE: Final = 64 * 1024
"""Bytes: what is larger is hashed and encoded in a thread, or the event loop would stand still for milliseconds."""
_OTHER: Final = Rejected(
    reason=Reason.ATTACHMENT_CHANGED,
    detail="An attachment's URL gives another file than the request says: its size or its SHA-256 differs.",
)
_NO_URL: Final = Rejected(reason=Reason.ATTACHMENT_INVALID, detail="An attachment's URL is none.")
_REDIRECTS: Final = (
    "An attachment's URL leads to another one, and redirects are not followed. Send the last URL."
)
_SILENT: Final = NotSent(
    reason=Reason.ATTACHMENT_UNREACHABLE,
    detail="An attachment could not be fetched in time, or its server could not be reached.",
)


class Fetcher:
    """Fetches within `seconds`, from where `allowed` lets it go."""

    def __init__(self, *, allowed: AllowedTargets, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._client = guarded_client(
            timeout=seconds, connect_timeout=seconds / 2, connections=CONNECTIONS, allowed=allowed
        )

    async def fetch(self, file: Attachment) -> bytes | NotSent | Rejected:
        """The file in lines of base64; or why it is not to be had now, or never."""
        response = await self._response(file)
        if not isinstance(response, httpx.Response):
            return response
        if response.status_code != 200:
            return self._refusal(response)
        if len(response.content) != file.size:
            return _OTHER
        if file.size <= _AT_ONCE:
            return _verified(response.content, file)
        return await asyncio.to_thread(_verified, response.content, file)

    async def _response(self, file: Attachment) -> httpx.Response | NotSent | Rejected:
        try:
            async with asyncio.timeout(self._seconds):
                # One byte more than it may have tells a larger one.
                response = await self._client.get(file.url, extensions={BODY_BYTES: file.size + 1})
                # It holds the body once more, and in a circle: the file would stay until garbage is collected.
                response.stream = httpx.ByteStream(b"")
                return response
        except TargetForbidden as forbidden:
            return Rejected(reason=Reason.ATTACHMENT_INVALID, detail=f"An attachment: {forbidden}")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError):  # names that no rule of IDNA allows
            return _NO_URL
        except (httpx.TransportError, TimeoutError):
            return _SILENT

    def _refusal(self, response: httpx.Response) -> NotSent | Rejected:
        code = str(response.status_code)
        if 300 <= response.status_code < 400:
            return Rejected(reason=Reason.ATTACHMENT_INVALID, code=code, detail=_REDIRECTS)
        return NotSent(
            reason=Reason.ATTACHMENT_UNREACHABLE,
            code=code,
            detail=f"The server of an attachment answered {code}.",
            retry_after=retry_after(response, now=self._clock.now()),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def _verified(content: bytes, file: Attachment) -> bytes | Rejected:
    return encoded_lines(content) if sha256(content).hexdigest() == file.sha256 else _OTHER
