"""`tocsin suppressions`: addresses to which nothing goes, as a file in and out, or one at a time. No address is ever printed."""

import csv
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import httpx
import typer

from tocsin.cli.api import answer_of, ask, asking
from tocsin.cli.output import print_json, print_table, refuse
from tocsin.cli.portions import Portion, portions, shown

PATH: Final = "/v1/suppressions"
WRITTEN: Final = (
    "channel", "address_hash", "category", "cause", "source", "code", "notification_id", "key_id", "spares_required", "until", "created_at"
)  # fmt: skip
READ: Final = (
    "channel",
    "address",
    "address_hash",
    "cause",
    "category",
    "until",
    "spares_required",
    "source",
)
COLUMNS: Final = ("since (UTC)", "channel", "cause", "category", "until (UTC)", "source", "code", "hash")
_Url = Annotated[str | None, typer.Option(help="The entry's address (TOCSIN_URL).")]
_Key = Annotated[str | None, typer.Option(help="An API key with scope manage (TOCSIN_API_KEY).")]
_ReadKey = Annotated[str | None, typer.Option(help="An API key with scope read (TOCSIN_API_KEY).")]
_Channel = Annotated[str | None, typer.Option(help="The channel, such as email.")]
_Cause = Annotated[str | None, typer.Option(help="bounce, complaint, manual or gone.")]
_Category = Annotated[str | None, typer.Option(help="Only messages of this category.")]
_CategoryOrAll = Annotated[
    str | None, typer.Option(help="Only what holds for this category; '*': only what holds for all.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]

app = typer.Typer(help="Addresses to which nothing goes.", no_args_is_help=True)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV with a header and a column address or address_hash.")],
    *,
    channel: _Channel = None,
    cause: _Cause = None,
    category: _Category = None,
    source: Annotated[str, typer.Option(help="Who says so, in a word, where a row does not say.")] = "import",
    url: _Url = None,
    key: _Key = None,
) -> None:
    """Suppress every address of a file; options hold for rows that do not say otherwise. Run it again whenever it was interrupted: what stands stays.

    A line that is refused is printed with its number, and why. Exit code 1 where any was.
    """
    given = {"channel": channel, "cause": cause, "category": category, "source": source}
    defaults = {name: value for name, value in given.items() if value is not None}
    counts = dict.fromkeys(("created", "updated", "unchanged", "refused"), 0)
    done = 0
    try:
        with asking(url=url, key=key) as api, shown(file) as show:
            for portion in portions(file, READ):
                _send(api, portion, defaults, counts)
                show(portion)
                done = portion.ends
    except (typer.Exit, KeyboardInterrupt):
        typer.echo(f"{done} lines were imported. Run it again for all: what stands stays.", err=True)
        raise
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        refuse(f"{file} cannot be read as CSV in UTF-8: {type(error).__name__}.")
    typer.echo(", ".join(f"{count} {what}" for what, count in counts.items()) + ".")
    if counts["refused"]:
        raise typer.Exit(1)


@app.command("export")
def export(
    *,
    file: Annotated[Path | None, typer.Option(help="Where to write; standard output if absent.")] = None,
    channel: _Channel = None,
    cause: _Cause = None,
    url: _Url = None,
    key: _ReadKey = None,
) -> None:
    """Write all of them as CSV, which `import` reads. Addresses are hashes: only an installation with the same ROUTER_HASH_KEYS understands them."""
    with asking(url=url, key=key) as api, _opened(file) as out:
        writer = csv.DictWriter(out, WRITTEN, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for page in _pages(api, _said(channel=channel, cause=cause)):
            writer.writerows(page)


@app.command("list")
def list_suppressions(
    *,
    channel: _Channel = None,
    cause: _Cause = None,
    category: _CategoryOrAll = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    url: _Url = None,
    key: _ReadKey = None,
    as_json: _Json = False,
) -> None:
    """Print some of them."""
    asked = _said(channel=channel, cause=cause, category=category)
    answer = ask("GET", PATH, url=url, key=key, limit=limit, **asked)
    if as_json:
        print_json(answer)
        return
    print_table("Suppressions", COLUMNS, [_row(each) for each in answer["data"]])
    if answer["has_more"]:
        typer.echo(f"There are more than these {limit}: narrow them down, or raise --limit.", err=True)


@app.command("remove")
def remove(
    *,
    channel: Annotated[str, typer.Option(help="The channel, such as email.")],
    reason: Annotated[str, typer.Option(help="Why, for whoever asks later. It is kept with your key's id.")],
    address_from: Annotated[
        typer.FileText | None,
        typer.Option(help="A file whose first line is the address; - is standard input."),
    ] = None,
    address_hash: Annotated[str | None, typer.Option(help="The hash instead, as decisions show it.")] = None,
    cause: _Cause = None,
    category: _CategoryOrAll = None,
    spares_required: Annotated[
        bool | None,
        typer.Option(
            "--spares-required/--holds-required",
            help="Only what lets messages of required categories through, or only what does not.",
        ),
    ] = None,
    url: _Url = None,
    key: _Key = None,
) -> None:
    """Let messages go to an address again: all that suppresses it is removed, or only what the options name. The address is read from a file, because a command line is seen by others and kept."""
    address = None if address_from is None else address_from.readline().strip()
    body: dict[str, str | bool] = {"channel": channel, "reason": reason}
    if spares_required is not None:
        body["spares_required"] = spares_required
    body |= _said(address=address, address_hash=address_hash, cause=cause, category=category)
    answer = ask("POST", f"{PATH}/remove", body, url=url, key=key)
    typer.echo(f"{answer['removed']} removed.")


def _send(api: httpx.Client, portion: Portion, defaults: dict[str, str], counts: dict[str, int]) -> None:
    """One request; faults are printed with the numbers of their lines."""
    rows = [defaults | row for _, row in portion.rows]
    response = api.post(f"{PATH}/bulk", json={"suppressions": rows})
    problem = response.json() if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY else {}
    items = problem.get("items") or answer_of(response)["items"]
    for (line, _), item in zip(portion.rows, items, strict=True):
        counts[item["result"]] += 1
        for fault in item["errors"]:
            typer.echo(f"line {line}\t{fault['code']}\t{fault['detail']}")


def _pages(api: httpx.Client, asked: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
    cursor: dict[str, str] = {}
    while True:
        answer = answer_of(api.get(PATH, params={"limit": 200, **asked, **cursor}))
        yield answer["data"]
        if not answer["has_more"]:
            return
        cursor = {"cursor": answer["next_cursor"]}


def _opened(file: Path | None) -> AbstractContextManager[TextIO]:
    return nullcontext(sys.stdout) if file is None else file.open("w", encoding="utf-8", newline="")


def _row(suppression: dict[str, Any]) -> tuple[str, ...]:
    until = (suppression["until"] or "for good")[:19]
    names = ("channel", "cause", "category")
    return (
        suppression["created_at"][:19],
        *(suppression[name] or "all" for name in names),
        until,
        suppression["source"],
        suppression["code"] or "-",
        suppression["address_hash"],
    )


def _said(**given: str | None) -> dict[str, str]:
    return {name: value for name, value in given.items() if value is not None}
