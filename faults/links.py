"""The network as a scenario sees it: links by name, each of which can be cut, delayed, left half open, or drip."""

import subprocess
from pathlib import Path
from typing import Self

import msgspec

from child import start
from control import Control
from proxy import Add, Change, Mode, Ports
from tocsin.dev.processes import end


class Network:
    """Use it as a context: the proxy's process ends with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process, said = await start("proxy", folder=self._folder)
        self._control = Control(msgspec.json.decode(said, type=Ports).control)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._control.close()
        if self._process is not None:
            end(self._process)

    async def link(self, name: str, target: int, *, port: int = 0) -> int:
        """The port on loopback that now leads to `target`, which need not listen yet; `port` if one is asked for."""
        return msgspec.json.decode(await self._control.ask(Add(name, target, port)), type=int)

    async def change(self, name: str, mode: Mode, amount: float = 0.0) -> None:
        """From now on; `amount` is in the mode's unit."""
        await self._control.ask(Change(name, mode, amount))
