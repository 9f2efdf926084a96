"""`tocsin webhooks listen`: the webhooks of a test key, sent to a port of this machine."""

import base64
import binascii
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import typer
from rich.console import Console
from rich.text import Text

from tocsin.cli.api import answer_of, asking
from tocsin.cli.output import refuse
from tocsin.contracts.webhook_signature import signature_headers

PATH: Final = "/v1/test-webhooks"
EVERY: Final = 1.0
"""Seconds between two questions."""
LATE: Final = timedelta(seconds=30)
"""Rows of several partitions do not come in the order of their times: so far back is asked again, and what was shown is left out."""
ANSWER_SECONDS: Final = 15.0
_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_PREFIX: Final = "whsec_"
_COLOURS: Final = {2: "green", 3: "yellow", 4: "red", 5: "red"}


def listen(
    target: str, *, secret: str | None, endpoint: str | None, url: str | None, key: str | None
) -> None:
    """Send what comes from now on to `target`, until Ctrl-C. Ends with a sentence where that is no address of this machine."""
    if not _is_here(target):
        refuse("Give an address of this machine, such as http://127.0.0.1:3000/webhooks.", code=2)
    if secret is not None and not _is_secret(secret):
        refuse("Give a secret of Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes.", code=2)
    secret = secret or _PREFIX + base64.b64encode(os.urandom(32)).decode()
    typer.echo(
        f"Webhooks of your test key come to {target}, signed with {secret}. Ctrl-C ends this.", err=True
    )
    try:
        with asking(url=url, key=key) as api, httpx.Client(timeout=ANSWER_SECONDS, trust_env=False) as here:
            for webhook in _coming(api):
                if endpoint is None or webhook["endpoint"] == endpoint:
                    began = time.monotonic()
                    answer = _forwarded(here, target, webhook, secret)
                    _show(webhook, answer, milliseconds=round((time.monotonic() - began) * 1000))
    except KeyboardInterrupt:
        typer.echo("Ended.", err=True)


def _is_here(target: str) -> bool:
    """What is sent holds a tenant's data, so it goes nowhere else."""
    try:
        parts = urlsplit(target)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme == "http" and parts.hostname in _HERE and port != 0 and parts.username is None


def _is_secret(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return False
    return text.startswith(_PREFIX) and 24 <= len(key) <= 64


def _coming(api: httpx.Client) -> Iterator[dict[str, Any]]:
    """Each once, from now on."""
    since = datetime.now(UTC)
    seen: dict[tuple[str, str], datetime] = {}
    while True:
        for webhook in _since(api, since):
            name, at = (
                (webhook["webhook_id"], webhook["stored_at"]),
                datetime.fromisoformat(webhook["stored_at"]),
            )
            if name not in seen:
                seen[name] = at
                yield webhook
        if seen:
            since = max(since, max(seen.values()) - LATE)
            seen = {name: at for name, at in seen.items() if at >= since}
        time.sleep(EVERY)


def _since(api: httpx.Client, since: datetime) -> Iterator[dict[str, Any]]:
    """All pages."""
    query = {"since": since.isoformat()}
    while True:
        page = answer_of(api.get(PATH, params=query))
        yield from page["data"]
        if not page["has_more"]:
            return
        query["cursor"] = page["next_cursor"]


def _forwarded(here: httpx.Client, target: str, webhook: dict[str, Any], secret: str) -> str:
    """The status of the answer, or why there is none."""
    if webhook["body"] is None:
        return "no longer kept"
    body = webhook["body"].encode()
    signed = signature_headers(
        [secret], message_id=webhook["webhook_id"], timestamp=int(time.time()), body=body
    )
    try:
        response = here.post(
            target,
            content=body,
            headers={"content-type": "application/json", "user-agent": "Tocsin-Webhooks/1", **signed},
        )
    except httpx.TimeoutException:
        return "no answer in time"
    except httpx.TransportError:
        return "nobody answers there"
    return str(response.status_code)


def _show(webhook: dict[str, Any], answer: str, *, milliseconds: int) -> None:
    """One line; in a pipe its fields are separated by tabs."""
    cells = (
        webhook["stored_at"][:23],
        webhook["endpoint"],
        webhook["webhook_id"],
        webhook["status"],
        answer,
        f"{milliseconds} ms",
    )
    if not sys.stdout.isatty():
        typer.echo("\t".join(cells))
        sys.stdout.flush()
        return
    line = Text("  ".join(cells[:4]) + "  ")
    line.append(answer, style=_COLOURS.get(int(answer[0]), "") if answer.isdigit() else "red")
    line.append(f"  {cells[5]}")
    Console().print(line)  # a Text: what came from outside is no markup
