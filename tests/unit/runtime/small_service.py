"""A service for the subprocess tests: `python small_service.py`, its misbehaviour chosen by the environment."""

import asyncio
import os
import sys
from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.runtime import Health, OperatorError, Service, ServiceSettings, main


class SmallSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="SMALL_")

    colour: str = Field(description="The colour of the small service")
    ending: str = Field(default="", description="How its component misbehaves")


class Part:
    name = "part"

    def __init__(self, ending: str) -> None:
        self._ending = ending

    async def open(self) -> None:
        if self._ending == "never-opens":
            await asyncio.Event().wait()
        if self._ending == "refuses":
            raise OperatorError("The topic has no start offsets: run `tocsin topics apply`.")

    async def run(self, stop: asyncio.Event) -> None:
        match self._ending:
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


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    ready = 200 if HEALTH.is_ready else 503
    await send({"type": "http.response.start", "status": ready, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


HEALTH = Health(service="small")


def build(settings: SmallSettings) -> Service:
    return Service(app=app, health=HEALTH, components=[Part(settings.ending)])


if __name__ == "__main__":
    os.environ.setdefault("HTTP_HOST", "127.0.0.1")
    sys.exit(main(name="small", settings=SmallSettings, build=build, summary="A small service."))
