"""Asks the stack what it knows of a caught message. The key stays here: the browser never sees it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx


@dataclass(frozen=True)
class TimelineEntry:
    """Where the stack answers, and the key to ask with; `sample` is what a first event may name."""

    url: str
    api_key: str
    sample: dict[str, Any]


@dataclass(frozen=True)
class Timeline:
    """The timeline, as the stack answered."""

    timeline: dict[str, Any]


@dataclass(frozen=True)
class NotYet:
    """Nothing is known yet; ask again after so many seconds."""

    retry_after: int


@dataclass(frozen=True)
class NoTimeline:
    """The stack cannot be asked, or does not answer; the reason is for a person."""

    reason: str


class EntryFinder:
    """The entry as given, or as the stack's `endpoints.json` has it: read each time, as it comes after the catcher."""

    def __init__(self, *, url: str | None, api_key: str | None, endpoints_file: Path | None) -> None:
        self._given = TimelineEntry(url.rstrip("/"), api_key, {}) if url and api_key else None
        self._endpoints_file = endpoints_file

    def find(self) -> TimelineEntry | None:
        """None while there is none."""
        written = self._written()
        if self._given is None:
            return written
        return TimelineEntry(self._given.url, self._given.api_key, written.sample if written else {})

    def _written(self) -> TimelineEntry | None:
        if self._endpoints_file is None:
            return None
        try:
            fields = json.loads(self._endpoints_file.read_text(encoding="utf-8"))
            sample = fields.get("sample")
            return TimelineEntry(
                str(fields["entry"]).rstrip("/"),
                str(fields["api_key"]),
                sample if isinstance(sample, dict) else {},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # not written yet, or being written: the stack is still starting


class Timelines:
    """Looks up one notification at a time."""

    def __init__(self, *, entries: EntryFinder, client: httpx.AsyncClient) -> None:
        self._entries = entries
        self._client = client

    async def of(self, notification_id: UUID | None) -> Timeline | NotYet | NoTimeline:
        """The notification's timeline."""
        entry = self._entries.find()
        if notification_id is None:
            return NoTimeline("This message carries no notification id, so its timeline cannot be found.")
        if entry is None:
            return NoTimeline(
                "The catcher does not know the stack: set CATCHER_ENTRY_URL and CATCHER_API_KEY."
            )
        try:
            answer = await self._client.get(
                f"{entry.url}/v1/timelines/{notification_id}",
                headers={"Authorization": f"Bearer {entry.api_key}"},
            )
        except httpx.HTTPError as error:
            return NoTimeline(f"The stack did not answer ({type(error).__name__}).")
        return _understood(answer)


def _understood(answer: httpx.Response) -> Timeline | NotYet | NoTimeline:
    if answer.status_code == httpx.codes.NOT_FOUND:
        after = answer.headers.get("Retry-After", "1")
        return NotYet(int(after) if after.isdecimal() else 1)
    if answer.status_code != httpx.codes.OK:
        return NoTimeline(f"The stack answered {answer.status_code} to the question for this timeline.")
    try:
        body = answer.json()
    except ValueError:
        return NoTimeline("The stack's answer is not JSON.")
    return Timeline(body) if isinstance(body, dict) else NoTimeline("The stack's answer is not a timeline.")
