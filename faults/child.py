"""A helper process of the proving ground that says in a file when it is ready."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from tocsin.dev import StartFailed
from tocsin.dev.processes import spawn

HERE = Path(__file__).parent
_PATIENCE = 30.0  # seconds
_LOOK_EVERY = 0.05


async def start(module: str, *arguments: str, folder: Path) -> tuple[subprocess.Popen[bytes], bytes]:
    """Runs a module of this folder; returns the process and its `ports.json`. Raises StartFailed."""
    ports, log = folder / "ports.json", folder / "log"
    ports.unlink(missing_ok=True)
    process = spawn([sys.executable, "-m", module, str(folder), *arguments], log=log, cwd=HERE)
    deadline = time.monotonic() + _PATIENCE
    while not ports.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise StartFailed(f"{module} did not start; see {log}")
        await asyncio.sleep(_LOOK_EVERY)
    return process, ports.read_bytes()
