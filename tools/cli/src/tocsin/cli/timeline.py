"""`tocsin timeline ID`: what happened to one notification, and why."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import typer

from tocsin.cli.api import answer_of, asking
from tocsin.cli.output import print_json, print_table

ASK_EVERY = 0.3


def show(
    notification_id: Annotated[str, typer.Argument(help="The notification's id.")],
    *,
    wait: Annotated[float, typer.Option(help="Seconds to wait for an id that is not known yet.")] = 5.0,
    url: Annotated[str | None, typer.Option(help="The entry's address (TOCSIN_URL).")] = None,
    key: Annotated[str | None, typer.Option(help="An API key with scope read (TOCSIN_API_KEY).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Print the timeline of one notification, oldest first."""
    with asking(url=url, key=key) as api:
        answer = answer_of(_known(api, notification_id, wait))
    if as_json:
        print_json(answer)
        return
    _print(answer)


def _known(api: httpx.Client, notification_id: str, wait: float) -> httpx.Response:
    deadline = time.monotonic() + wait
    while True:
        response = api.get(f"/v1/timelines/{notification_id}")
        unknown_yet = response.status_code == httpx.codes.NOT_FOUND and "not_yet_known" in response.text
        if not unknown_yet or time.monotonic() >= deadline:
            return response
        time.sleep(ASK_EVERY)


def _print(answer: dict[str, Any]) -> None:
    summary = answer["summary"]
    rows = [
        (
            status["at"][:23],
            status.get("channel") or "",
            status["status"],
            status.get("rule") or status.get("reason") or "",
            status.get("provider") or "",
            "; ".join(_details(status, cancellation=summary.get("cancellation"))),
        )
        for status in answer["timeline"]
    ]
    title = f"{summary.get('workflow')} for {summary.get('recipient')}: {summary.get('state')}"
    if summary.get("cancellation"):
        title += f", cancellation {summary['cancellation']}"
    if summary.get("actor"):
        title += f", caused by {summary['actor']}"
    if summary.get("link"):
        title += f", leads to {summary['link']}"
    print_table(title, ("when (UTC)", "channel", "status", "rule or reason", "provider", "detail"), rows)


def _details(status: dict[str, Any], *, cancellation: str | None) -> Iterator[str]:
    """What has no column of its own: until when it waits, what came of the wish to cancel, each call, and the detail."""
    if status.get("due_at"):
        yield f"due {status['due_at'][:19]}"
    if status["status"] == "cancel_requested" and cancellation:
        yield f"came to: {cancellation}"
    for call in status.get("tries") or ():
        yield " ".join([call["provider"], call["answer"], *filter(None, [call["code"]]), f"{call['ms']} ms"])
    if status.get("detail"):
        yield status["detail"]
