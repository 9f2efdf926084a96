"""The server of the tests beside it, as a process of its own and on uvloop as in production. It prints its port and its key."""

import asyncio
import sys
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))
from conftest import serving  # type: ignore[import-not-found]  # the file beside this one


async def main() -> None:
    async with serving() as edge:
        sys.stdout.write(f"{edge.port} {edge.key}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)  # until the test closes it


if __name__ == "__main__":
    uvloop.run(main())
