"""`tocsin cancel`: take back what is not sent yet, by its id or by its key."""

from typing import Annotated
from urllib.parse import quote

import typer

from tocsin.cli.api import answer_of, asking
from tocsin.cli.output import print_json, print_table, refuse


def cancel(
    notifications: Annotated[list[str] | None, typer.Argument(help="Ids of notifications.")] = None,
    *,
    cancel_key: Annotated[
        str | None, typer.Option(help="Everything that was sent under this cancellation key before.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The entry's address (TOCSIN_URL).")] = None,
    key: Annotated[str | None, typer.Option(help="An API key with scope send (TOCSIN_API_KEY).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON.")] = False,
) -> None:
    """Cancel notifications, or everything with a key. `tocsin timeline` shows what came of it."""
    if bool(notifications) == (cancel_key is not None):
        refuse("Name ids of notifications, or --cancel-key.", code=2)
    with asking(url=url, key=key) as api:
        if cancel_key is not None:
            answers = {cancel_key: answer_of(api.post("/v1/cancellations", json={"key": cancel_key}))}
        else:
            answers = {
                each: answer_of(api.delete(f"/v1/notifications/{quote(each, safe='')}"))
                for each in notifications or ()
            }
    if as_json:
        print_json(answers)
        return
    rows = [(cancelled, answer["event_id"]) for cancelled, answer in answers.items()]
    print_table("Cancellation accepted", ("key" if cancel_key else "notification", "event"), rows)
