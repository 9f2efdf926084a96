"""Running the commands a person would type while installing, with their output kept in a log."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tocsin.dev.errors import StartFailed
from tocsin.dev.processes import attached


async def run_command(arguments: Sequence[str], *, env: Mapping[str, str], log: Path) -> str:
    """Runs `python -m …arguments` and returns what it printed; raises StartFailed with its last line and its log.

    Cancelled, it ends the command. Standard output stays out of the log: it may be a key.
    """
    command = [sys.executable, "-m", *arguments]
    process = await asyncio.create_subprocess_exec(
        *attached(command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **env},
        start_new_session=True,
    )
    try:
        output, faults = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    with log.open("ab") as file:
        file.write(f"$ python -m {' '.join(arguments)}\n".encode() + faults)
    if process.returncode != 0:
        lines = (faults or output).decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise StartFailed(f"`{' '.join(arguments)}` failed: {lines[-1]} (log: {log})")
    return output.decode()
