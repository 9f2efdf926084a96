"""`tocsin refusals`: why events of one's own tenant were not taken, a line each, and with `--follow` as they come."""

import json
import time
from typing import Annotated, Any

import httpx
import typer

from tocsin.cli.api import answer_of, client
from tocsin.cli.moments import moment
from tocsin.cli.output import refuse

PATH = "/v1/dead-letters"
INTERRUPTED = 130
"""What shells expect of a command that Ctrl-C has ended."""
SHOWN = ("event_source", "event_id", "reason", "detail")


def refusals(
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option(help="Begin there: a time ago, such as 24h, or a time.")] = "24h",
    cursor: Annotated[str | None, typer.Option(help="Go on where an earlier --follow ended.")] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    url: Annotated[str | None, typer.Option(help="The entry's address (TOCSIN_URL).")] = None,
    key: Annotated[str | None, typer.Option(help="An API key with scope read (TOCSIN_API_KEY).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each as JSON, one a line.")] = False,
) -> None:
    """Print refused events, oldest first: time (UTC), source, event's id, reason and a sentence, separated by tabs."""
    begin = {"since": moment(since, option="--since")} if cursor is None else {}
    reading = _Reading({"order": "oldest", "limit": 200, **begin}, cursor)
    with client(url=url, key=key) as api:
        try:
            while True:
                for letter in reading.next_page(api, patiently=follow):
                    typer.echo(json.dumps(letter, ensure_ascii=False) if as_json else _line(letter))
                reading.printed()
                if not reading.has_more:
                    if not follow:
                        return
                    time.sleep(every)
        except KeyboardInterrupt:
            if reading.cursor is not None:
                typer.echo(f"\nTo go on: tocsin refusals --follow --cursor {reading.cursor}", err=True)
            raise typer.Exit(INTERRUPTED) from None


class _Reading:
    """Reads pages one after the other. `cursor` is behind what was printed: going on there loses nothing."""

    def __init__(self, asked: dict[str, Any], cursor: str | None) -> None:
        self._asked = asked
        self._away = False
        self._next = self.cursor = cursor
        self.has_more = False

    def next_page(self, api: httpx.Client, *, patiently: bool) -> list[dict[str, Any]]:
        """What comes next. `patiently`: nothing for now where nobody answers, once the first page was read."""
        asked = self._asked if self.cursor is None else self._asked | {"cursor": self.cursor}
        try:
            response = api.get(PATH, params=asked)
        except httpx.TransportError as error:
            return self._nothing(f"No answer from the entry: {error}.", patiently=patiently)
        if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            return self._nothing(f"The entry answered {response.status_code}.", patiently=patiently)
        answer = answer_of(response)
        self._away = False
        self._next, self.has_more = answer["next_cursor"], answer["has_more"]
        letters: list[dict[str, Any]] = answer["data"]
        return letters

    def printed(self) -> None:
        """The page that was read last is printed as a whole."""
        self.cursor = self._next

    def _nothing(self, why: str, *, patiently: bool) -> list[dict[str, Any]]:
        if not patiently or self.cursor is None:
            refuse(why)
        if not self._away:
            typer.echo(f"{why} Asking again until it is back; nothing is lost meanwhile.", err=True)
        self._away, self.has_more = True, False
        return []


def _line(letter: dict[str, Any]) -> str:
    """What a producer wrote is shown without characters that a terminal would obey."""
    cells = [letter["stored_at"][:23], *(letter[name] or "-" for name in SHOWN)]
    return "\t".join("".join(char if char.isprintable() else "\ufffd" for char in cell) for cell in cells)
