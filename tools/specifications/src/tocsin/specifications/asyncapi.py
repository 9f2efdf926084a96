"""The AsyncAPI 3 document of every topic, from the registry of topics."""

import inspect
from typing import Any

from tocsin.contracts import stops
from tocsin.contracts.topics import ANYONE, DEFAULT_PARTITIONS, PRODUCERS, Topic, Topics
from tocsin.specifications.schemas import CLOUDEVENT, RECORDS, cloudevent, schema_of

MESSAGE_OF = {
    "events": ("cloudevent-binary", "cloudevent-structured"),
    "intents": ("intent",),
    "jobs": ("job",),
    "timers": ("timer",),
    "status": ("status",),
    "directory": ("directory",),
    "stops": ("stop",),
    "cancels": ("cancellation",),
    "inbox": ("box-moved",),
    "dead": ("dead-letter",),
}
TITLES = {
    "intent": "An intent, or the rest of a fan-out",
    "job": "One rendered delivery",
    "timer": "What is due later, and what becomes of that",
    "status": "A decision, or one thing that happened",
    "directory": "An entity's state",
    "cancellation": "What must not be sent any more",
    "box-moved": "A recipient's inbox has moved",
}


def asyncapi() -> dict[str, Any]:
    """The whole document; schemas are kept among its components."""
    topics = Topics()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tocsin on Kafka",
            "version": "1",
            "description": (
                "Events in, statuses out, and what passes between the services. Read `status.*`, `jobs.*`, `intents.*` and "
                "`timers.*` with `isolation.level=read_committed`. Topics begin with the prefix `tocsin.` unless it is configured "
                "otherwise. Topics tagged `public` are for applications; the others belong to Tocsin."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {_id(topic): _channel(topic) for topic in topics.all()},
        "operations": {name: operation for topic in topics.all() for name, operation in _operations(topic)},
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _id(topic: Topic) -> str:
    return topic.name.removeprefix(Topics().prefix)


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Key: {topic.key}. Written by {', '.join(topic.writers)}; read by {', '.join(topic.readers)}.",
        "tags": [{"name": "public" if topic.public else "internal"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in MESSAGE_OF[topic.family]},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions or DEFAULT_PARTITIONS,
                "topicConfiguration": {
                    "cleanup.policy": ["compact"] if topic.compacted else ["delete"],
                    "retention.ms": -1 if topic.retention_ms is None else topic.retention_ms,
                    "max.message.bytes": topic.max_message_bytes,
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations(topic: Topic) -> list[tuple[str, dict[str, Any]]]:
    channel = {"$ref": f"#/channels/{_id(topic).replace('/', '~1')}"}
    writes: list[tuple[str, dict[str, Any]]] = [
        (f"{writer}.writes.{_id(topic)}", {"action": "send", "channel": channel, "title": f"{writer} writes"})
        for writer in topic.writers
    ]
    reads: list[tuple[str, dict[str, Any]]] = [
        (
            f"{reader}.reads.{_id(topic)}",
            {"action": "receive", "channel": channel, "title": f"{reader} reads"},
        )
        for reader in topic.readers
    ]
    for name, operation in writes + reads:
        if name.startswith((PRODUCERS, ANYONE)):
            operation["tags"] = [{"name": "public"}]
    return writes + reads


def _messages() -> dict[str, Any]:
    attributes = cloudevent()["properties"]
    required = cloudevent()["required"]
    headers = {
        f"ce_{name}": schema for name, schema in attributes.items() if name not in ("data", "datacontenttype")
    }
    messages: dict[str, Any] = {
        "cloudevent-binary": {
            "title": "CloudEvent, binary mode",
            "contentType": "application/json",
            "headers": {
                "type": "object",
                "required": [f"ce_{name}" for name in required],
                "properties": headers
                | {"content-type": {"const": "application/json"}, "traceparent": {"type": "string"}},
            },
            "payload": {
                "description": "The event's data: any JSON; of type `tocsin.notification.requested.v1` a notification-request, of type "
                "`tocsin.cancellation.requested.v1` a cancellation-request. Write the latter to `events.critical`."
            },
        },
        "cloudevent-structured": {
            "title": "CloudEvent, structured mode",
            "contentType": "application/cloudevents+json",
            "payload": {"$ref": f"#/components/schemas/{CLOUDEVENT}"},
        },
        "dead-letter": {
            "title": "The raw record as it was, and why it died",
            "contentType": "application/octet-stream",
            "headers": {
                "type": "object",
                "properties": {
                    f"tocsin_dead_{name}": {"type": "string", "description": field.get("description", "")}
                    for name, field in schema_of(RECORDS["dead-letter"])["properties"].items()
                },
            },
            "payload": {},
        },
    }
    messages["stop"] = {
        "title": "A recipient's version: what was decided under a smaller one is decided again",
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary", "description": inspect.getdoc(stops)},
    }
    for name, title in TITLES.items():
        messages[name] = {
            "title": title,
            "contentType": "application/json",
            "payload": {"$ref": f"#/components/schemas/{name}"},
        }
    return messages


def _schemas() -> dict[str, Any]:
    """Every record and every part of one, side by side, as references inside one document need them."""
    schemas: dict[str, Any] = {CLOUDEVENT: cloudevent()}
    for name, record in RECORDS.items():
        schema = schema_of(record, reference="#/components/schemas/{model}")
        for part, definition in schema.pop("$defs", {}).items():
            schemas[part] = _plain(definition)
        schemas[name] = _plain(schema)
    return schemas


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """AsyncAPI's discriminator is a property's name, and `oneOf` with tagged constants says the same without it."""
    return {
        name: _plain(value) if isinstance(value, dict) else value
        for name, value in schema.items()
        if name != "discriminator"
    }
