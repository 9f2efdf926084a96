"""Calls to Tocsin's HTTP API, with its problems as sentences."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from tocsin.cli.output import refuse
from tocsin.runtime import About, Settings, load_settings

LOCAL = Path(".dev/endpoints.json")
"""Where the local stack writes its addresses: what is used when neither option nor environment says otherwise."""


NEXT_COMMAND: Final = "the next command"


class ApiSettings(Settings):
    """What commands that call the HTTP API read."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_", frozen=True)

    url: Annotated[str | None, About(change=NEXT_COMMAND)] = Field(
        default=None, description="Address of the API, as https://notify.example.com"
    )
    api_key: Annotated[SecretStr | None, About(change=NEXT_COMMAND)] = Field(
        default=None, description="The API key to call it with"
    )


def client(*, url: str | None, key: str | None) -> httpx.Client:
    """A client for the address and key given, else `TOCSIN_URL` and `TOCSIN_API_KEY`, else the local stack's."""
    given = load_settings(ApiSettings)
    local = json.loads(LOCAL.read_text()) if LOCAL.is_file() else {}
    url = url or given.url or local.get("entry")
    key = key or (given.api_key and given.api_key.get_secret_value()) or local.get("api_key")
    if not url or not key:
        refuse(
            "Set TOCSIN_URL and TOCSIN_API_KEY (or --url and --key), or start the local stack with `make up`.",
            code=2,
        )
    return httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=10)


@contextmanager
def asking(*, url: str | None, key: str | None) -> Iterator[httpx.Client]:
    """A client as `client` makes it; where the entry does not answer, that is said in a sentence."""
    try:
        with client(url=url, key=key) as api:
            yield api
    except httpx.TransportError as error:
        refuse(f"No answer from the entry: {error}.")


def ask(method: str, path: str, body: Any = None, *, url: str | None, key: str | None, **query: Any) -> Any:
    """The answer's JSON; ends with the problem's sentences."""
    with asking(url=url, key=key) as api:
        return answer_of(api.request(method, path, json=body, params=query))


def answer_of(response: httpx.Response) -> Any:
    """The JSON body of a good answer; ends with the problem's sentences for any other."""
    if not response.is_success:
        refuse("\n".join(_sentences(response)))
    return response.json()


def _sentences(response: httpx.Response) -> list[str]:
    if "json" not in response.headers.get("content-type", ""):
        return [f"{response.request.url} answered {response.status_code}."]
    problem = response.json()
    code = problem.get("code", response.status_code)
    faults = problem.get("errors") or []
    return [
        f"{problem.get('title', 'Error')} ({code}): {problem.get('detail', '')}",
        *(f"  {fault.get('pointer') or '/'}: {fault.get('detail')}" for fault in faults),
    ]
