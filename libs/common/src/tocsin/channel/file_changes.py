"""Files of settings that are read again while the process runs."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tocsin.channel.provider_config import FileStates, ProvidersInvalid, file_state
from tocsin.observability import get_logger

log = get_logger(__name__)
T = TypeVar("T")


async def read_again(read: Callable[[FileStates], T], former: FileStates) -> tuple[T | None, FileStates]:
    """What the files say now, and their states. None where none has changed, or where they became invalid: that is logged, once a change,
    and what was in use stays. `read` runs in a thread, and fills the states that it is given."""
    if all(file_state(path) == state for path, state in former.items()):
        return None, former
    states: FileStates = {}
    try:
        return await asyncio.to_thread(read, states), states
    except ProvidersInvalid as invalid:
        log.error("providers file refused, the former one stays in use", faults=invalid.faults)  # noqa: TRY400 - the sentences say all
        return None, states
