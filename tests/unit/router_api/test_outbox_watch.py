"""Who watches the outbox waits while the database is away, and fails in the open over anything else."""

import asyncio
from typing import Any

import pytest

from tocsin.router import relay


class Engine:
    """Fails as often as it has errors, then asks to stop."""

    def __init__(self, stop: asyncio.Event, *errors: Exception) -> None:
        self._stop = stop
        self._errors = list(errors)

    def connect(self) -> None:
        error = self._errors.pop(0)
        if not self._errors:
            self._stop.set()
        raise error


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "STANDBY", 0.001)


async def test_it_goes_on_while_the_database_is_away():
    stop = asyncio.Event()
    engine: Any = Engine(stop, OSError(), TimeoutError(), OSError())
    await relay.watch_outbox(engine, "router", stop)
    assert stop.is_set()


async def test_an_error_of_our_own_ends_it_and_so_the_service():
    stop = asyncio.Event()
    engine: Any = Engine(stop, OSError(), LookupError(), OSError())
    with pytest.raises(LookupError):
        await relay.watch_outbox(engine, "router", stop)
    assert not stop.is_set()
