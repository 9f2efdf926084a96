"""What a service would write to its log."""

import contextlib
import io
import logging
from collections.abc import Iterator

from tocsin.observability import configure_logging


@contextlib.contextmanager
def lines_of(service: str) -> Iterator[io.StringIO]:
    """Where the process's lines go meanwhile, as JSON; its logging is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    configure_logging(service, json=True, stream=out)
    try:
        yield out
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)
