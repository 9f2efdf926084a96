"""What is made once and kept beside the data that knows it: API keys, and the secrets of the router."""

import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from tocsin.dev.errors import StartFailed
from tocsin.dev.run_folder import replace_file


async def tables_and_keys(path: Path, *, command: Callable[..., Awaitable[str]]) -> dict[str, str]:
    """Migrates all schemas; `admin_key` with all scopes and `api_key` with send and read, as kept in `path`, else made."""
    kept = _read(path)
    output = await command("tocsin.dev.tables", *([] if kept else ["--keys"]))
    if kept is not None:
        return kept
    words = [word for word in output.split() if word.startswith("tk_")]
    if len(words) != 2:
        raise StartFailed("Making API keys printed no keys.")
    keys = dict(zip(("admin_key", "api_key"), words, strict=True))
    replace_file(path, keys)
    return keys


def kept_secret(path: Path) -> str:
    """The secret kept in `path`, made when there is none."""
    kept = _read(path)
    if kept is None:
        kept = {"secret": secrets.token_urlsafe(32)}
        replace_file(path, kept)
    return kept["secret"]


def _read(path: Path) -> dict[str, str] | None:
    if not path.exists():
        return None
    kept: dict[str, str] = json.loads(path.read_text())
    return kept
