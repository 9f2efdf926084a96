"""The interpreter loads this where a test puts the folder on PYTHONPATH: a service then dies while it looks at data that say so.

No schema does this by itself; the counts see to that. `name` says how the process is to end.
"""

import os
import re
import signal
from collections.abc import Callable
from typing import Any

from tocsin.programs import DataSchema, watchdog


def spin() -> None:
    """Native work that holds the interpreter's lock and does not end."""
    re.fullmatch("(a|aa)+b", "a" * 200)


ENDINGS: dict[str, Callable[[], object]] = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "aborted": os.abort,
    "blocked": spin,
}
watchdog.BLOCKED_SECONDS = 1.0  # type: ignore[misc]
accepts = DataSchema.accepts


def dying_accepts(self: DataSchema, data: Any, size: int) -> bool:
    ENDINGS.get(data.get("name"), bool)()
    return accepts(self, data, size)


DataSchema.accepts = dying_accepts  # type: ignore[method-assign]
