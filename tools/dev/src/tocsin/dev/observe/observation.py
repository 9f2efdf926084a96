"""The observation stack over a local stack that runs: witness, Prometheus, Alertmanager, and the page with the dashboards."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tocsin.dev.errors import StartFailed
from tocsin.dev.observe.alertmanager import AlertmanagerServer, alertmanager_program
from tocsin.dev.observe.http_server import HttpServer
from tocsin.dev.observe.page_server import PageServer, uplot
from tocsin.dev.observe.prometheus import PrometheusServer, promtool
from tocsin.dev.observe.witness import WitnessServer
from tocsin.dev.processes import free_port
from tocsin.dev.progress import Steps
from tocsin.dev.run_folder import RunFolder, replace_file
from tocsin.dev.supervisor import Program, Supervisor

EVERY = 5
"""Seconds between two scrapes."""
LOOK_EVERY = 0.5
"""Seconds between two looks whether the stack still runs."""


async def observe_until_cancelled(*, stack: RunFolder, steps: Steps) -> None:
    """Runs until cancelled, or until the stack ends; nothing of it is left then."""
    process = stack.supervisor()
    if process is None or not stack.endpoints.exists():
        raise StartFailed("No local stack runs here: `make up` starts one.")
    own = stack.observation
    own.take()
    observation = Observation(
        folder=own, endpoints=json.loads(stack.endpoints.read_text()), logs=stack.logs, steps=steps
    )
    try:
        with steps.shown():
            await observation.up()
        at = observation.addresses
        steps.say(
            f"\nThe dashboards are at {at['page']}, Prometheus at {at['prometheus']}, Alertmanager at {at['alertmanager']}. "
            "`make down` ends them, too."
        )
        observation.publish_endpoints()
        while stack.supervisor() == process:  # noqa: ASYNC110 -- the end of another process is no event here
            await asyncio.sleep(LOOK_EVERY)
    finally:
        await observation.down()
        own.release()


def fetch() -> None:
    """What is needed and not installed, once. Raises LocalStackError with one sentence."""
    promtool()
    alertmanager_program()
    uplot()


class Observation:
    """`up()` returns when all of it answers, `down()` when nothing of it is left. `addresses` is known after `up()`."""

    def __init__(self, *, folder: RunFolder, endpoints: Mapping[str, Any], logs: Path, steps: Steps) -> None:
        self._folder = folder
        self._endpoints = endpoints
        self._logs = logs
        self._steps = steps
        self._data = folder.path / "data"
        self._supervisor = Supervisor(say=steps.say, changed=self._started)
        self._watch: asyncio.Task[None] | None = None
        self._page: PageServer | None = None
        self._published = False
        self.addresses: dict[str, str] = {}

    async def up(self) -> None:
        """Starts it. Raises LocalStackError with one sentence."""
        self._watch = asyncio.create_task(self._supervisor.watch())
        with self._steps.step("Fetching what is missing"):
            await asyncio.to_thread(fetch)
        witness = WitnessServer(self._data / "witness", kafka=self._endpoints["kafka"])
        alertmanager = AlertmanagerServer(self._data / "alertmanager")
        await self._start(witness)
        await self._start(alertmanager)
        targets = {**self._endpoints["operations"], witness.name: witness.url}
        prometheus = PrometheusServer(
            self._data / "prometheus", targets=targets, alertmanagers=[alertmanager.url], every=EVERY
        )
        await self._start(prometheus)
        self.addresses = {server.name: server.url for server in (witness, alertmanager, prometheus)}
        await self._open_page(prometheus.url)

    def publish_endpoints(self) -> None:
        """Writes endpoints.json, from now on kept right: its presence says that all is ready."""
        self._published = True
        self._started()

    async def down(self) -> None:
        """Ends what `up()` had reached."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        if self._page is not None:
            await self._page.close()
        await self._supervisor.stop()

    async def _start(self, server: HttpServer) -> None:
        with self._steps.step(f"Starting {server.name}"):
            await asyncio.to_thread(server.prepare)
            self._supervisor.start(Program(name=server.name, launch=server.launch, log=server.log))
            await asyncio.to_thread(server.wait_ready)

    async def _open_page(self, prometheus: str) -> None:
        with self._steps.step("Opening the page"):
            drawn_by = await asyncio.to_thread(uplot)
            links = {
                "Prometheus": prometheus,
                "Alertmanager": self.addresses["alertmanager"],
                "Catcher": self._endpoints["catcher"],
            }
            self._page = PageServer(
                prometheus=prometheus,
                entry=self._endpoints["entry"],
                api_key=self._endpoints["api_key"],
                logs=self._logs,
                every=EVERY,
                links=links,
            )
            port = free_port()
            await self._page.open(port, drawn_by=drawn_by)
            self.addresses["page"] = f"http://127.0.0.1:{port}"

    def _started(self) -> None:
        alive = {
            program.name: program.process.pid
            for program in self._supervisor.programs
            if program.process is not None
        }
        self._folder.record(alive)
        if self._published:
            replace_file(self._folder.endpoints, {**self.addresses, "processes": alive})
