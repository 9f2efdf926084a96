"""`tocsin send`: one notification, from the command line."""

import json
from typing import Annotated, Any

import typer

from tocsin.cli.api import answer_of, asking
from tocsin.cli.output import print_json, print_table, refuse


def send(
    workflow: Annotated[str, typer.Argument(help="The workflow's key.")],
    recipients: Annotated[list[str], typer.Argument(help="Ids of recipients.")],
    *,
    data: Annotated[str, typer.Option(help="The workflow's data, as a JSON object.")] = "{}",
    idempotency_key: Annotated[
        str | None, typer.Option(help="Repeat with the same key and nothing is sent twice.")
    ] = None,
    delay: Annotated[int | None, typer.Option(help="Seconds to wait before it is sent.")] = None,
    send_at: Annotated[
        str | None, typer.Option(help="When to send it, such as 2026-01-31T12:00:00Z.")
    ] = None,
    cancel_key: Annotated[
        str | None, typer.Option(help="Under this key it can be cancelled: tocsin cancel --cancel-key.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The entry's address (TOCSIN_URL).")] = None,
    key: Annotated[str | None, typer.Option(help="An API key with scope send (TOCSIN_API_KEY).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Ask for one notification of each recipient and print their ids."""
    if delay is not None and send_at is not None:
        refuse("Give --delay or --send-at, not both.", code=2)
    said: dict[str, Any] = {"delay": delay, "send_at": send_at, "cancel_key": cancel_key}
    body: dict[str, Any] = {"workflow": workflow, "recipients": recipients, "data": _object(data)}
    body |= {name: value for name, value in said.items() if value is not None}
    headers = {"idempotency-key": idempotency_key} if idempotency_key else {}
    with asking(url=url, key=key) as api:
        answer = answer_of(api.post("/v1/notifications", json=body, headers=headers))
    if as_json:
        print_json(answer)
        return
    rows = [(item["recipient"], item["notification_id"]) for item in answer["notifications"]]
    print_table(f"Event {answer['event_id']} accepted", ("recipient", "notification"), rows)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        refuse(f"--data is no JSON: {error}.", code=2)
    if not isinstance(value, dict):
        refuse("--data must be a JSON object.", code=2)
    return value
