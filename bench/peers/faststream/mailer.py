"""A subscriber that sends mails, as the documentations of FastStream and aiosmtplib show it; connections are kept and handed round."""

import asyncio
import json
import os
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import uvloop
from faststream import FastStream
from faststream.kafka import KafkaBroker

WORKERS = 10
MESSAGE = json.loads(Path(os.environ["MESSAGE_FILE"]).read_text())

broker = KafkaBroker(os.environ["KAFKA"])
app = FastStream(broker)
clients: asyncio.Queue[aiosmtplib.SMTP] = asyncio.Queue()


async def connect() -> None:
    """One connection for each worker."""
    for _ in range(WORKERS):
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=int(os.environ["SMTP_PORT"]), start_tls=False)
        await client.connect()
        clients.put_nowait(client)


async def send(mail: dict[str, str]) -> None:
    """Send one mail."""
    name = mail["recipient"].partition("@")[0]
    message = EmailMessage()
    message["From"] = MESSAGE["sender"]
    message["To"] = mail["recipient"]
    message["Subject"] = MESSAGE["subject"]
    message[MESSAGE["header"]] = mail["id"]
    message.set_content(MESSAGE["text"].replace("{name}", name))
    message.add_alternative(MESSAGE["html"].replace("{name}", name), subtype="html")
    client = await clients.get()
    try:
        await client.send_message(message)
    finally:
        clients.put_nowait(client)


app.on_startup(connect)
broker.subscriber(os.environ["TOPIC"], group_id="mailers", auto_offset_reset="earliest", max_workers=WORKERS)(
    send
)

if __name__ == "__main__":
    uvloop.run(app.run())
