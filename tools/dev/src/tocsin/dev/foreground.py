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
from tocsin.dev.seed import point_webhooks_at, seed, wait_until_keys_work, wait_until_workflow_is_known
from tocsin.dev.shop.keys import let_shop_sign, wait_until_signatures_are_taken
from tocsin.dev.stack import Stack


async def run_until_cancelled(*, folder: RunFolder, console: Console) -> None:
    """Runs until cancelled; whatever happens, nothing of the stack is left when this returns or raises."""
    steps = Steps(console)
    folder.take()
    stack = Stack(folder=folder, steps=steps)
    try:
        with steps.shown():
            await stack.up()
            arrived = await _demonstration(stack, steps, folder=folder)
        if arrived:
            report_caught(console, arrived)
            report_timeline(console, arrived[0])
        if console.is_terminal:
            report_addresses(console, stack.addresses, folder=folder.path)
        else:
            # What is no terminal is kept: `make up` writes it to a file, and shows the keys itself.
            steps.say(f"\nAddresses and keys are in {folder.endpoints}")
        steps.say("\nReady. Ctrl-C ends it; `make down`, if it runs in the background.")
        stack.publish_endpoints(
            ENDPOINTS
        )  # last: who started this in the background repeats what was said until then
        await asyncio.Event().wait()
    finally:
        await stack.down()
        folder.release()
        steps.say("The local stack has ended.")


async def _demonstration(stack: Stack, steps: Steps, *, folder: RunFolder) -> list[ArrivedMessage]:
    """What came of the first events; nothing, and a warning, where they cannot be shown: the sample is its user's to change."""
    try:
        return await _first_events(stack, steps, folder=folder)
    except Exception as fault:  # noqa: BLE001 -- whatever was done to the sample, the stack is of use without it
        steps.say(f"Warning: the first events could not be shown. The stack runs all the same. {fault}")
        return []


async def _first_events(stack: Stack, steps: Steps, *, folder: RunFolder) -> list[ArrivedMessage]:
    addresses = stack.addresses
    async with (
        Api(url=addresses["entry"], key=addresses["admin_key"]) as manager,
        Api(url=addresses["entry"], key=addresses["api_key"]) as sender,
        Api(url=addresses["catcher"], key="") as catcher,
    ):
        await wait_until_keys_work(manager)
        if not folder.sample_is_made():
            with steps.step("Creating the sample tenant"):
                await seed(manager)
                await wait_until_workflow_is_known(sender)
            folder.note_sample()
        await point_webhooks_at(manager, addresses["catcher"])
        shop = {"origin": addresses["shop"], "secret": stack.shop_secret}
        await let_shop_sign(manager, **shop)
        await wait_until_signatures_are_taken(entry=addresses["entry"], **shop)
        with steps.step("Sending one event over HTTP and one straight to Kafka"):
            over_http = functools.partial(publish_over_http, sender)
            to_kafka = functools.partial(publish_to_kafka, addresses["kafka"])
            return [
                await deliver(over_http, api=sender, catcher=catcher),
                await deliver(to_kafka, api=sender, catcher=catcher),
            ]
