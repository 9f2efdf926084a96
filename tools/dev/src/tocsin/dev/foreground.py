"""The foreground of `make dev`: starts all, sends first events, shows what was caught and the addresses, then stays."""

import asyncio
import functools

from rich.console import Console

from tocsin.dev.api import Api
from tocsin.dev.first_events import ArrivedMessage, deliver, publish_over_http, publish_to_kafka
from tocsin.dev.progress import Steps
from tocsin.dev.report import report_addresses, report_caught, report_timeline
from tocsin.dev.run_folder import RunFolder
from tocsin.dev.sample import ENDPOINTS
from tocsin.dev.seed import seed, wait_until_keys_work, wait_until_workflow_is_known
from tocsin.dev.stack import Stack


async def run_until_cancelled(*, folder: RunFolder, console: Console) -> None:
    """Runs until cancelled; whatever happens, nothing of the stack is left when this returns or raises."""
    steps = Steps(console)
    folder.take()
    stack = Stack(folder=folder, steps=steps)
    try:
        with steps.shown():
            await stack.up()
            arrived = await _first_events(stack, steps)
        report_caught(console, arrived)
        report_timeline(console, arrived[0])
        report_addresses(console, stack.addresses, folder=folder.path)
        stack.publish_endpoints(ENDPOINTS)
        steps.say("\nReady. Ctrl-C ends it; `make down`, if it runs in the background.")
        await asyncio.Event().wait()
    finally:
        await stack.down()
        folder.release()
        steps.say("The local stack has ended.")


async def _first_events(stack: Stack, steps: Steps) -> list[ArrivedMessage]:
    addresses = stack.addresses
    async with (
        Api(url=addresses["entry"], key=addresses["admin_key"]) as manager,
        Api(url=addresses["entry"], key=addresses["api_key"]) as sender,
        Api(url=addresses["catcher"], key="") as catcher,
    ):
        with steps.step("Creating the sample tenant"):
            await wait_until_keys_work(manager)
            await seed(manager)
            await wait_until_workflow_is_known(sender)
        with steps.step("Sending one event over HTTP and one straight to Kafka"):
            over_http = functools.partial(publish_over_http, sender)
            to_kafka = functools.partial(publish_to_kafka, addresses["kafka"])
            return [
                await deliver(over_http, api=sender, catcher=catcher),
                await deliver(to_kafka, api=sender, catcher=catcher),
            ]
