"""The attachments of mails: fetched before a mail takes its recipient's turn and a provider's place, and kept until it is handed over.

    room to hold its files ─▶ its files, from memory or from their hosts ─▶ room to compose it ─▶ its turn, its provider ─▶ released

All of it takes bounded memory: mails wait for room, not for each other's hosts. A host has at most a quarter of the room for what is being
fetched from it, a tenant half. Rooms are taken in this order, and who has the second one waits for nothing but a provider: nobody waits in a
circle.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tocsin.channel import NotSent, Rejected
from tocsin.channel.preparation import File
from tocsin.contracts.attachments import Attachment
from tocsin.contracts.jobs import Job
from tocsin.dispatch_email.attachment_cache import AttachmentCache, Key
from tocsin.dispatch_email.attachment_room import Claim, Room
from tocsin.observability import metrics
from tocsin.runtime import Clock
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.runtime.tasks import end_all

if TYPE_CHECKING:
    from tocsin.dispatch_email.attachment_fetch import Fetcher

SECONDS: Final = 10.0
"""For all files of one mail."""
_HELD: Final = 3
"""Bytes for each of a file's while it is here: as it comes, a copy of it, and base64."""
_COMPOSED: Final = 6
"""Bytes for each of a file's while its mail is composed and sent: copies of the mail, with and without signature, and what the connection holds."""
_RESULTS: Final = ("fetched", "cached", "unreachable", "changed", "refused")

Place = tuple[Key, str]
"""A file, and the URL it is fetched from: what one URL refuses, another may have."""


class Attachments:
    """A `tocsin.channel.preparation.Preparation`, and a component of the process. `memory` in bytes bounds what is held, and again what is being
    composed; half of it is for files that may be needed again."""

    name = "attachments"

    def __init__(self, *, allowed: AllowedTargets, memory: int, clock: Clock) -> None:
        self._allowed = allowed
        self._memory = memory
        self._clock = clock
        self._held, self._composed = Room(memory), Room(memory)
        self._cache = AttachmentCache(memory // 2)
        self._fetcher: Fetcher | None = None
        self._fetches: dict[Place, asyncio.Task[bytes | NotSent | Rejected]] = {}
        self._count = {result: metrics.attachment_fetches.labels(result) for result in _RESULTS}
        for state, of in (("held", self._held), ("composed", self._composed), ("cached", self._cache)):
            metrics.attachment_bytes.labels(state).set_function(partial(getattr, of, "taken"))

    def needed_by(self, job: Job) -> bool:
        """Whether there is anything to fetch. What goes to the sandbox goes nowhere, so nothing is."""
        return bool(job.intent.private.attachments) and not job.test

    async def prepare(self, job: Job) -> "Ready | NotSent | Rejected":
        """Its files are here, and there is room to compose the mail; or why it has to wait, or never goes out."""
        files = job.intent.private.attachments
        size = sum(file.size for file in files)
        claims = [await self._held.claim(_HELD * size, self._shares(job.tenant, files))]
        keys: list[Key] = []
        try:
            fault = await self._have(job.tenant, files, keys)
            if fault is None:
                for part in self._hosts(files):
                    claims[0].leave(part)
                claims.append(await self._composed.claim(_COMPOSED * size, {}))
                return Ready(self._cache, keys, claims)
        except BaseException:
            Ready(self._cache, keys, claims).release()
            raise
        Ready(self._cache, keys, claims).release()
        return fault

    def files_of(self, job: Job) -> Sequence[File]:
        """The files of a job that was prepared and not released."""
        return [
            File(file, self._cache.lines(_key(job.tenant, file))) for file in job.intent.private.attachments
        ]

    async def open(self) -> None:
        """Nothing to prepare: the client is loaded with the first file."""

    async def run(self, stop: asyncio.Event) -> None:
        """Nothing to do by itself."""
        await stop.wait()

    async def close(self) -> None:
        """End every fetch, close every connection."""
        await end_all(self._fetches.values())
        if self._fetcher is not None:
            await self._fetcher.close()

    def _hosts(self, files: Sequence[Attachment]) -> set[str]:
        return {f"host {_host(file.url)}" for file in files}

    def _shares(self, tenant: str, files: Sequence[Attachment]) -> dict[str, int]:
        shares = {f"tenant {tenant}": self._memory // 2}
        missing = [file for file in files if _key(tenant, file) not in self._cache]
        return shares | dict.fromkeys(sorted(self._hosts(missing)), self._memory // 4)

    async def _have(
        self, tenant: str, files: Sequence[Attachment], keys: list[Key]
    ) -> NotSent | Rejected | None:
        """Hold each of the files; `keys` are those that are held. What one message waits for another need not ask for."""
        waits: dict[Place, asyncio.Task[bytes | NotSent | Rejected]] = {}
        for file in files:
            key = _key(tenant, file)
            if self._cache.hold(key):
                self._count["cached"].inc()
                keys.append(key)
            else:
                place = key, file.url
                waits[place] = self._fetches.get(place) or self._fetch(place, file)
        if waits:
            await asyncio.wait(waits.values())
        for file in files:
            key = _key(tenant, file)
            if (task := waits.get((key, file.url))) is None:
                continue
            got = task.result()
            if not isinstance(got, bytes):
                return got
            self._cache.put(key, got)
            self._cache.hold(key)
            keys.append(key)
        return None

    def _fetch(self, place: Place, file: Attachment) -> "asyncio.Task[bytes | NotSent | Rejected]":
        """In a task of its own: it ends within `SECONDS`, whoever waits for it."""
        task = self._fetches[place] = asyncio.create_task(self._fetched(file), name="fetch an attachment")
        task.add_done_callback(lambda _: self._fetches.pop(place, None))
        return task

    async def _fetched(self, file: Attachment) -> bytes | NotSent | Rejected:
        began = self._clock.monotonic()
        if self._fetcher is None:
            fetcher = await asyncio.to_thread(_fetcher, self._allowed, self._clock)
            self._fetcher = self._fetcher or fetcher  # several may have come for the first one
        got = await self._fetcher.fetch(file)
        metrics.attachment_fetch_seconds.observe(self._clock.monotonic() - began)
        self._count[_result(got)].inc()
        return got


class Ready:
    """What one mail needs, until it is released."""

    def __init__(self, cache: AttachmentCache, keys: list[Key], claims: list[Claim]) -> None:
        self._cache = cache
        self._keys = keys
        self._claims = claims

    def release(self) -> None:
        """The mail needs it no longer. A second time has no effect."""
        keys, self._keys = self._keys, []
        for key in keys:
            self._cache.release(key)
        for claim in self._claims:
            claim.release()


def _host(url: str) -> str:
    """Of a URL, in small letters. Those that name none that can be read, which are refused when they are fetched, are taken for one."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return "?"


def _key(tenant: str, file: Attachment) -> Key:
    # The tenant, for who knows a hash need not have the file.
    return tenant, file.sha256, file.size


def _result(got: bytes | NotSent | Rejected) -> str:
    if isinstance(got, bytes):
        return "fetched"
    if isinstance(got, NotSent):
        return "unreachable"
    return "changed" if got.reason == "attachment_changed" else "refused"


def _fetcher(allowed: AllowedTargets, clock: Clock) -> "Fetcher":
    # Only here, and in a thread: a dispatcher without attachments loads no HTTP client, one that gets some goes on meanwhile.
    from tocsin.dispatch_email.attachment_fetch import Fetcher  # noqa: PLC0415

    return Fetcher(allowed=allowed, seconds=SECONDS, clock=clock)
