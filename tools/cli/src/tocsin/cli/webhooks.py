"""`tocsin webhooks`: send again what an endpoint has missed, and see webhooks while you develop."""

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


@app.command("listen")
def listen(
    target: Annotated[
        str, typer.Argument(help="Where on this machine, such as http://127.0.0.1:3000/webhooks.")
    ],
    *,
    endpoint: Annotated[str | None, typer.Option(help="Only what goes to the endpoint of this key.")] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            envvar="TOCSIN_WEBHOOK_SECRET", help="Sign with this secret (whsec_…); otherwise with a new one."
        ),
    ] = None,
    url: _Url = None,
    key: Annotated[str | None, typer.Option(help="A test key with scope read (TOCSIN_API_KEY).")] = None,
) -> None:
    """Send the webhooks of a test key to a port of this machine, until Ctrl-C. Nobody needs to reach you."""
    from tocsin.cli import listening  # noqa: PLC0415 - only when asked for

    listening.listen(target, secret=secret, endpoint=endpoint, url=url, key=key)
