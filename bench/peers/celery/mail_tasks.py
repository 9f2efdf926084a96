"""A task that sends a mail, as the documentations of Celery and smtplib show it; each worker process keeps its connection."""

import json
import os
import smtplib
from email.message import EmailMessage
from pathlib import Path

from celery import Celery

MESSAGE = json.loads(Path(os.environ["MESSAGE_FILE"]).read_text())

app = Celery("mail_tasks", broker=os.environ["REDIS_URL"])
app.conf.task_ignore_result = True
if os.environ.get("DURABLE"):
    app.conf.task_acks_late = True
    app.conf.worker_prefetch_multiplier = 1

_kept: list[smtplib.SMTP] = []


def _client() -> smtplib.SMTP:
    if not _kept:
        _kept.append(smtplib.SMTP("127.0.0.1", int(os.environ["SMTP_PORT"])))
    return _kept[0]


def send(message_id: str, recipient: str) -> None:
    """Send one mail."""
    name = recipient.partition("@")[0]
    message = EmailMessage()
    message["From"] = MESSAGE["sender"]
    message["To"] = recipient
    message["Subject"] = MESSAGE["subject"]
    message[MESSAGE["header"]] = message_id
    message.set_content(MESSAGE["text"].replace("{name}", name))
    message.add_alternative(MESSAGE["html"].replace("{name}", name), subtype="html")
    try:
        _client().send_message(message)
    except smtplib.SMTPServerDisconnected:
        _kept.clear()
        _client().send_message(message)


send_mail = app.task(send, name="send_mail")
