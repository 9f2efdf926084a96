"""`tocsin dead list | sources | show`: records that could not be handled, who sends them, and one of them whole."""

from typing import Annotated, Any

import typer

from tocsin.cli.api import ask
from tocsin.cli.moments import moment
from tocsin.cli.output import print_json, print_table

PATH = "/v1/dead-letters"
COLUMNS = ("stored (UTC)", "service", "kind", "reason", "source", "event", "detail", "id")
SOURCE_COLUMNS = ("letters", "source", "reason", "last stored (UTC)", "last id")
SHOWN_FIRST = (
    "id", "stored_at", "service", "kind", "reason", "detail", "tenant", "event_source", "event_id", "origin"
)  # fmt: skip

app = typer.Typer(help="Look at records that could not be handled.", no_args_is_help=True)


@app.command("list")
def list_letters(
    *,
    reason: Annotated[str | None, typer.Option(help="Why it could not be handled.")] = None,
    service: Annotated[str | None, typer.Option(help="Which service could not handle it.")] = None,
    source: Annotated[str | None, typer.Option(help="The source of the event.")] = None,
    kind: Annotated[str | None, typer.Option(help="What the record is, such as events or jobs.")] = None,
    since: Annotated[str | None, typer.Option(help="A time ago, such as 24h, or a time.")] = None,
    without_tenant: Annotated[
        bool, typer.Option("--without-tenant", help="Those that name no tenant (scope operate).")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    url: Annotated[str | None, typer.Option(help="The entry's address (TOCSIN_URL).")] = None,
    key: Annotated[str | None, typer.Option(help="An API key with scope read (TOCSIN_API_KEY).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Print the newest dead letters, newest first; what they hold is shown by `show`."""
    given = {"reason": reason, "service": service, "source": source, "kind": kind}
    asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    asked |= {"limit": limit} | ({"without_tenant": True} if without_tenant else {})
    if since is not None:
        asked["since"] = moment(since, option="--since")
    answer = ask("GET", PATH, url=url, key=key, **asked)
    if as_json:
        print_json(answer)
        return
    rows = [_row(letter) for letter in answer["data"]]
    print_table("Dead letters", COLUMNS, rows)
    if answer["has_more"]:
        typer.echo(f"There are more than these {limit}: narrow them down, or raise --limit.", err=True)


@app.command("sources")
def list_sources(
    *,
    reason: Annotated[str | None, typer.Option(help="Why it could not be handled.")] = None,
    since: Annotated[str | None, typer.Option(help="A time ago, such as 24h, or a time.")] = None,
    without_tenant: Annotated[
        bool, typer.Option("--without-tenant", help="Those that name no tenant (scope operate).")
    ] = False,
    url: Annotated[str | None, typer.Option(help="The entry's address (TOCSIN_URL).")] = None,
    key: Annotated[str | None, typer.Option(help="An API key with scope read (TOCSIN_API_KEY).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Print who sends what cannot be handled, the most first; among the newest 10,000 letters."""
    asked: dict[str, Any] = {} if reason is None else {"reason": reason}
    asked |= {"without_tenant": True} if without_tenant else {}
    if since is not None:
        asked["since"] = moment(since, option="--since")
    answer = ask("GET", f"{PATH}/by-source", url=url, key=key, **asked)
    if as_json:
        print_json(answer)
        return
    rows = [
        (
            str(row["letters"]),
            row["event_source"] or "",
            row["reason"],
            row["last_stored_at"][:23],
            row["last_id"],
        )
        for row in answer["data"]
    ]
    print_table("Sources of dead letters", SOURCE_COLUMNS, rows)


@app.command("show")
def show(
    dead_letter_id: Annotated[str, typer.Argument(help="The dead letter's id.")],
    *,
    url: Annotated[str | None, typer.Option(help="The entry's address (TOCSIN_URL).")] = None,
    key: Annotated[str | None, typer.Option(help="An API key with scope manage (TOCSIN_API_KEY).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Print one dead letter with the record as it was, which may hold addresses."""
    letter = ask("GET", f"{PATH}/{dead_letter_id}", url=url, key=key)
    if as_json:
        print_json(letter)
        return
    rows = [(name, str(letter[name] or "")) for name in SHOWN_FIRST]
    rows += [(f"left out: {name}", str(value)) for name, value in letter["left_out"].items() if value]
    rows += [(f"header {header['name']}", _text(header["value"])) for header in letter["headers"]]
    rows += [("key", _text(letter["key"])), ("value", _text(letter["value"]))]
    print_table("Dead letter", ("what", "as it is"), rows)


def _row(letter: dict[str, Any]) -> tuple[str, ...]:
    names = ("service", "kind", "reason", "event_source", "event_id", "detail", "id")
    return (letter["stored_at"][:23], *(letter[name] or "" for name in names))


def _text(part: dict[str, str | None] | None) -> str:
    """Bytes that are no text stand as base64, and say so."""
    if part is None:
        return "(none)"
    return f"base64: {part['base64']}" if part["text"] is None else part["text"]
