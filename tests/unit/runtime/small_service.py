"""A service for the subprocess tests: `python small_service.py`, its misbehaviour chosen by the environment."""

import asyncio
import gc
import json
import os
import sys
from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.observability import span
from tocsin.runtime import Health, OperatorError, Service, ServiceHalted, ServiceSettings, main
from tocsin.runtime.errors import ExitCode


class SmallSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="SMALL_")

    colour: str = Field(description="The colour of the small service")
    ending: str = Field(default="", description="How its component misbehaves")


SENTENCE = "The topic has no start offsets: run `tocsin topics apply`."


async def fail_together(*errors: Exception) -> None:
    """Raise what a task group whose tasks failed with these raises."""

    async def fail(error: Exception) -> None:
        raise error

    async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
        outer.create_task(asyncio.Event().wait())
        for error in errors:
            inner.create_task(fail(error))


class Lost(Exception):
    """As those of Kafka's: an error with an exit code of its own."""

    exit_code = ExitCode.OWNERSHIP_LOST


class Part:
    name = "part"

    def __init__(self, ending: str) -> None:
        self._ending = ending

    async def open(self) -> None:
        if self._ending == "never-opens":
            await asyncio.Event().wait()
        if self._ending == "refuses":
            raise OperatorError(SENTENCE)
        if self._ending == "halts-at-start":
            raise ServiceHalted(SENTENCE)

    async def run(self, stop: asyncio.Event) -> None:
        match self._ending:
            case "traced":
                with span("work", f"00-{1:032x}-{1:016x}-01"):
                    pass
            case "refuses-in-a-group":
                await fail_together(OperatorError(SENTENCE))
            case "refuses-beside-another-failure":
                await fail_together(OperatorError(SENTENCE), ValueError("of its own accord"))
            case "halts-in-a-group":
                await fail_together(ServiceHalted(SENTENCE))
            case "loses-its-work":
                await fail_together(Lost("somebody else has it"), Lost("all of it"))
            case "loses-its-work-and-fails":
                await fail_together(Lost("somebody else has it"), ValueError("of its own accord"))
            case "raises":
                raise ValueError("of its own accord")
            case "returns":
                return
            case "hangs":
                await asyncio.Event().wait()
        await stop.wait()

    async def close(self) -> None:
        sys.stderr.write('{"event": "part closed"}\n')
        if self._ending == "close-fails":
            raise ValueError("while closing")


class Other:
    """Works until it is told to stop."""

    name = "other"

    async def open(self) -> None:
        """Nothing to open."""

    async def run(self, stop: asyncio.Event) -> None:
        await stop.wait()
        sys.stderr.write('{"event": "other ended its work"}\n')

    async def close(self) -> None:
        """Nothing is held."""


class CountedHealth(Health):
    """Also counts the turns of the watch over the event loop; fails whoever asks, if told to."""

    turns = 0

    def turned(self, late: float) -> None:
        if os.environ.get("SMALL_ENDING") == "loop watch fails":
            raise ValueError("of its own accord")
        self.turns += 1
        super().turned(late)

    def reasons(self) -> dict[str, str | None]:
        if os.environ.get("SMALL_ENDING") == "readiness lines fails":
            raise ValueError("of its own accord")
        return super().reasons()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers 200 or 503 with the reasons of readiness; `/turns` with the turns of the event loop and whether garbage is collected."""
    ready = 200 if HEALTH.is_ready else 503
    turns = {"turns": HEALTH.turns, "collects": gc.isenabled()}
    body = json.dumps(turns if scope["path"] == "/turns" else HEALTH.reasons()).encode()
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": ready, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


HEALTH = CountedHealth(service="small")


def build(settings: SmallSettings) -> Service:
    if settings.ending == "cannot-be-built":
        raise OperatorError(SENTENCE)
    return Service(operations=app, health=HEALTH, components=[Other(), Part(settings.ending)])


if __name__ == "__main__":
    gc.disable()  # as services do while they load
    os.environ.setdefault("OPERATIONS_HOST", "127.0.0.1")
    sys.exit(main(name="small", settings=SmallSettings, build=build, summary="A small service."))
