"""A ground with two sets of services: the first works, the second is to take its place."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ground import PLACES, Ground, Instance
from tocsin.dev.commands import run_command
from tocsin.dev.services import APIS, StackSettings

FIRST, SECOND = 1, 2


class TwinGround(Ground, ABC):
    """The instances with the number 1 are the first set, those with the number 2 the second. Callers reach the set that `answering` names."""

    most = SECOND

    def __init__(
        self, folder: Path, *, settings: Mapping[str, str] | None = None, places: int = PLACES
    ) -> None:
        super().__init__(folder, settings=settings, places=places)
        self.answering = dict.fromkeys(APIS, FIRST)
        """By service: the set whose API callers reach."""

    @property
    @abstractmethod
    def of_second(self) -> Mapping[str, str]:
        """What the settings of the second set have otherwise."""

    def first(self, *names: str) -> list[Instance]:
        """These services of the first set."""
        return [self.instances[name, FIRST] for name in names]

    def second(self, *names: str) -> list[Instance]:
        """These services of the second set."""
        return [self.instances[name, SECOND] for name in names]

    def urls(self, name: str) -> list[str]:
        """Where the API of the set that answers listens, or has listened: callers do not know that nobody is there."""
        instance = self.instances[name, self.answering[name]]
        return [instance.service.url] if instance.service.url else []

    async def start_all(self, instances: Iterable[Instance]) -> None:
        """Returns when all are ready."""
        started = list(instances)
        for instance in started:
            self.start(instance)
        await self.ready(*started)

    async def stop_all(self, instances: Iterable[Instance]) -> list[str]:
        """SIGTERM to all at once; the names of those that did not end as they should."""
        stopped = list(instances)
        codes = await asyncio.gather(*map(self.stop, stopped))
        return [instance.name for instance, code in zip(stopped, codes, strict=True) if code]

    async def command_of_second(self, *arguments: str) -> str:
        """What a `python -m …` of ours prints with the settings of the second set; raises StartFailed when it fails."""
        env = self.instances["router", SECOND].service.env
        return await run_command(arguments, env=env, log=self.folder / "commands.log")

    def _make_instances(self, settings: StackSettings) -> None:
        super()._make_instances(settings)
        for (_, number), instance in self.instances.items():
            if number == SECOND:
                env = {**instance.service.env, **self.of_second}
                instance.service = replace(instance.service, env=env)
