"""`python enqueue.py ORDER_FILE RESULT_FILE`: one record a message, as fast as they are taken or at planned times."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import uvloop
from faststream.kafka import KafkaBroker


async def enqueue(order: dict[str, list[str]], rate: float | None) -> list[float]:
    """When each was to be sent."""
    planned = []
    async with KafkaBroker(os.environ["KAFKA"], acks="all") as broker:
        began = time.time()
        for number, (message_id, recipient) in enumerate(zip(order["ids"], order["recipients"], strict=True)):
            at = time.time() if rate is None else began + number / rate
            await asyncio.sleep(max(0.0, at - time.time()))
            planned.append(at)
            # The futures are awaited when the broker is closed.
            await broker.publish(
                {"id": message_id, "recipient": recipient},
                os.environ["TOPIC"],
                key=recipient.encode(),
                no_confirm=True,
            )
    return planned


found = json.loads(Path(sys.argv[1]).read_text())
cpu = time.process_time()
times = uvloop.run(enqueue(found, found["rate"]))
Path(sys.argv[2]).write_text(json.dumps({"planned": times, "cpu_seconds": time.process_time() - cpu}))
