"""`tocsin webhooks`: send again what an endpoint has missed."""

from typing import Annotated

import typer

from tocsin.cli.moments import moment
from tocsin.cli.redrive import count_and_go

_Url = Annotated[str | None, typer.Option(help="The entry's address (TOCSIN_URL).")]
_Key = Annotated[str | None, typer.Option(help="An API key with scope manage (TOCSIN_API_KEY).")]

app = typer.Typer(help="Look after the endpoints of webhooks.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Look after the endpoints of webhooks."""


@app.command("recover")
def recover(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's key.")],
    *,
    since: Annotated[str, typer.Option(help="A time ago, such as 2h or 3d, or a time.")],
    go: Annotated[bool, typer.Option("--go", help="Send again. Without it, only count.")] = False,
    rate: Annotated[int, typer.Option(min=1, max=1000, help="How many a second.")] = 50,
    url: _Url = None,
    key: _Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Send again what failed at an endpoint since then, each under its former `webhook-id`. It is a re-drive: `tocsin redrive` steers it."""
    missed = {"channel": "webhook", "address_key": endpoint, "since": moment(since, option="--since")}
    count_and_go(
        {"notifications": missed, "all": False, "rate": rate}, go=go, url=url, key=key, as_json=as_json
    )
