"""What an endpoint is sent for a job: the JSON of Standard Webhooks, `{type, timestamp, data}`. A status that is told is a CloudEvent besides,
and is sent as the router wrote it."""

from typing import Any

import msgspec

from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import Job


def body_of(job: Job) -> bytes:
    """The same bytes at every attempt. `type` and `timestamp` are the event's; `data` tells of the message and of the event. The job's content
    is that of the channel of endpoints."""
    if told := bytes(job.private.told):
        return told
    intent, content = job.intent, msgspec.structs.asdict(job.private.content)
    data: dict[str, Any] = {
        "notification_id": job.notification_id,
        "recipient": job.recipient,
        "workflow": job.workflow,
        "category": job.category,
        "body": content["body"],
        "event": {"id": intent.event_id, "source": intent.event_source, "data": intent.private.data},
    }
    if content["title"] is not None:
        data["title"] = content["title"]
    if intent.private.link is not None:
        data["link"] = intent.private.link
    if content["data"]:
        data["values"] = content["data"]
    return encode({"type": intent.event_type, "timestamp": intent.event_time, "data": data})
