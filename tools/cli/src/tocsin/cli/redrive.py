"""`tocsin redrive`: count what would be sent again, and with `--go` send it again and watch; steer what runs."""

from typing import Annotated, Any

import typer

from tocsin.cli.api import ask
from tocsin.cli.moments import moment
from tocsin.cli.output import print_json, print_table
from tocsin.cli.redrive_progress import watch

PATH = "/v1/redrives"
COLUMNS = ("begun (UTC)", "state", "written", "not possible", "matched", "rate", "over", "id")
_Url = Annotated[str | None, typer.Option(help="The entry's address (TOCSIN_URL).")]
_Key = Annotated[str | None, typer.Option(help="An API key with scope manage (TOCSIN_API_KEY).")]
_Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
_Go = Annotated[bool, typer.Option("--go", help="Send again. Without it, only count.")]
_All = Annotated[
    bool, typer.Option("--all", help="You mean everything: needed where no other option says which.")
]
_Rate = Annotated[int, typer.Option(min=1, max=1000, help="How many a second.")]
_Since = Annotated[str | None, typer.Option(help="A time ago, such as 2h, or a time.")]
_Until = Annotated[str | None, typer.Option(help="A time ago, such as 1h, or a time.")]
_Reason = Annotated[str | None, typer.Option(help="Why it ended so.")]
_Id = Annotated[str, typer.Argument(help="The re-drive's id.")]

app = typer.Typer(help="Send again what ended without being sent.", no_args_is_help=True)


@app.command("notifications")
def notifications(
    *,
    status: Annotated[
        str | None, typer.Option(help="failed (if you say nothing), skipped or unknown.")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="The channel.")] = None,
    provider: Annotated[str | None, typer.Option(help="The provider instance asked last.")] = None,
    reason: _Reason = None,
    workflow: Annotated[str | None, typer.Option(help="The workflow's key.")] = None,
    recipient: Annotated[str | None, typer.Option(help="The recipient's id.")] = None,
    event: Annotated[str | None, typer.Option(help="The event's id.")] = None,
    lane: Annotated[str | None, typer.Option(help="The lane.")] = None,
    since: _Since = None,
    until: _Until = None,
    sent_elsewhere: Annotated[
        bool,
        typer.Option("--sent-on-another-channel", help="Also what was sent on another channel meanwhile."),
    ] = False,
    everything: _All = False,
    go: _Go = False,
    rate: _Rate = 50,
    url: _Url = None,
    key: _Key = None,
    as_json: _Json = False,
) -> None:
    """Deliveries and notifications that ended without being sent, and whose time has not passed."""
    given = {
        "status": status, "channel": channel, "provider": provider, "reason": reason, "workflow": workflow,
        "recipient": recipient, "event": event, "lane": lane, **_times(since, until),
    }  # fmt: skip
    asked = _said(given) | ({"sent_on_another_channel": True} if sent_elsewhere else {})
    count_and_go(
        {"notifications": asked, "all": everything, "rate": rate}, go=go, url=url, key=key, as_json=as_json
    )


@app.command("dead-letters")
def dead_letters(
    *,
    reason: _Reason = None,
    service: Annotated[str | None, typer.Option(help="Which service could not handle it.")] = None,
    source: Annotated[str | None, typer.Option(help="The source of the event.")] = None,
    kind: Annotated[str | None, typer.Option(help="What the record is: events or intents.")] = None,
    since: _Since = None,
    until: _Until = None,
    without_tenant: Annotated[
        bool, typer.Option("--without-tenant", help="Those that name no tenant (scope operate).")
    ] = False,
    everything: _All = False,
    go: _Go = False,
    rate: _Rate = 50,
    url: _Url = None,
    key: _Key = None,
    as_json: _Json = False,
) -> None:
    """Events that could not be handled."""
    given = {"reason": reason, "service": service, "source": source, "kind": kind, **_times(since, until)}
    asked = _said(given) | ({"without_tenant": True} if without_tenant else {})
    count_and_go(
        {"dead_letters": asked, "all": everything, "rate": rate}, go=go, url=url, key=key, as_json=as_json
    )


@app.command("list")
def list_redrives(*, url: _Url = None, key: _Key = None, as_json: _Json = False) -> None:
    """The newest re-drives, newest first."""
    answer = ask("GET", PATH, url=url, key=key)
    if as_json:
        print_json(answer)
        return
    print_table("Re-drives", COLUMNS, [_row(redrive) for redrive in answer["data"]])


@app.command("watch")
def watch_redrive(redrive_id: _Id, *, url: _Url = None, key: _Key = None, as_json: _Json = False) -> None:
    """Watch a re-drive until it has ended."""
    watch(ask("GET", f"{PATH}/{redrive_id}", url=url, key=key), url=url, key=key, as_json=as_json)


@app.command("pause")
def pause(redrive_id: _Id, *, url: _Url = None, key: _Key = None, as_json: _Json = False) -> None:
    """Let a re-drive wait."""
    _steer(redrive_id, "pause", url=url, key=key, as_json=as_json)


@app.command("resume")
def resume(redrive_id: _Id, *, url: _Url = None, key: _Key = None, as_json: _Json = False) -> None:
    """Let a re-drive that waits go on."""
    _steer(redrive_id, "resume", url=url, key=key, as_json=as_json)


@app.command("stop")
def stop(redrive_id: _Id, *, url: _Url = None, key: _Key = None, as_json: _Json = False) -> None:
    """End a re-drive for good."""
    _steer(redrive_id, "stop", url=url, key=key, as_json=as_json)


def count_and_go(body: dict[str, Any], *, go: bool, url: str | None, key: str | None, as_json: bool) -> None:
    """Count what the body asks for; with `go` begin it, too, and watch it."""
    counted = ask("POST", PATH, body, url=url, key=key)
    if not go:
        _print_count(counted, as_json=as_json)
        return
    if not as_json:
        typer.echo(_sentence(counted))
    begun = ask("POST", PATH, body | {"dry_run": False}, url=url, key=key)
    watch(begun, url=url, key=key, as_json=as_json)


def _print_count(counted: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(counted)
        return
    typer.echo(f"{_sentence(counted)} Nothing was sent: add --go to send them again.")
    print_table(
        "The oldest of them",
        ("stored (UTC)", "what", "why", "id"),
        [_sample(each) for each in counted["samples"]],
    )


def _sentence(counted: dict[str, Any]) -> str:
    return f"{counted['matched']} fit, {counted['not_possible']} of them cannot be sent again."


def _sample(sample: dict[str, Any]) -> tuple[str, ...]:
    if "notification_id" in sample:
        what = " ".join(str(sample[name] or "-") for name in ("channel", "workflow", "recipient"))
        return sample["stored_at"][:23], what, sample["reason"] or "-", sample["notification_id"]
    what = f"{sample['kind']} {sample['event_source'] or '-'} {sample['event_id'] or '-'}"
    return sample["stored_at"][:23], what, sample["reason"], sample["id"]


def _steer(redrive_id: str, action: str, *, url: str | None, key: str | None, as_json: bool) -> None:
    answer = ask("POST", f"{PATH}/{redrive_id}/{action}", url=url, key=key)
    if as_json:
        print_json(answer)
    else:
        print_table("Re-drive", COLUMNS, [_row(answer)])


def _row(redrive: dict[str, Any]) -> tuple[str, ...]:
    over = "notifications" if redrive["notifications"] is not None else "dead letters"
    counts = (str(redrive[name]) for name in ("written", "not_possible", "matched", "rate"))
    return (redrive["created_at"][:23], redrive["state"], *counts, over, redrive["id"])


def _times(since: str | None, until: str | None) -> dict[str, str | None]:
    return {
        "since": None if since is None else moment(since, option="--since"),
        "until": None if until is None else moment(until, option="--until"),
    }


def _said(given: dict[str, str | None]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
