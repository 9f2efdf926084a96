"""The whole story in the foreground: start, first events, what was caught, addresses; then stay."""

import asyncio

from tocsin.dev.progress import Steps
from tocsin.dev.run_folder import RunFolder
from tocsin.dev.stack import Stack


async def run_until_cancelled(*, folder: RunFolder, steps: Steps) -> None:
    """Runs until cancelled; whatever happens, nothing of the stack is left when this returns or raises."""
    folder.take()
    stack = Stack(folder=folder, steps=steps)
    try:
        with steps.shown():
            await stack.up()
        await asyncio.Event().wait()
    finally:
        await stack.down()
        folder.release()
        steps.say("The local stack has ended.")
