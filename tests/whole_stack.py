"""A whole local stack for tests."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tocsin.dev.processes import end, spawn


@contextlib.contextmanager
def whole_stack(folder: Path, *, spans_to: str) -> Iterator[dict[str, Any]]:
    """The local stack in `folder`, ready and seeded: the content of its endpoints.json. It exports every span, at once, to the base URL `spans_to`."""
    log = folder / "stack.log"
    command = [sys.executable, "-m", "tocsin.dev", "run", "--folder", str(folder)]
    traced = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": spans_to,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "TRACE_SAMPLE_RATIO": "1",
        "TRACES_PER_SECOND": "1000000",
    }
    process = spawn(command, log=log, env={**os.environ, **traced}, on_parent_death=signal.SIGTERM)
    try:
        while not (folder / "endpoints.json").exists():
            if process.poll() is not None:
                pytest.fail(f"the local stack did not start:\n{log.read_text()}", pytrace=False)
            time.sleep(0.2)
        yield json.loads((folder / "endpoints.json").read_text())
    finally:
        end(process, timeout=60)
