"""What FCM accepts as a message (https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages)."""

import json
from dataclasses import dataclass
from typing import Any

_TARGETS = ("token", "topic", "condition")
_MESSAGE_FIELDS = {"name", "data", "notification", "android", "webpush", "apns", "fcm_options", *_TARGETS}
_NOTIFICATION_FIELDS = {"title", "body", "image"}
_RESERVED_KEYS = {"from", "message_type", "collapse_key"}
_RESERVED_PREFIXES = ("google.", "gcm.")
_LARGEST_MESSAGE = 4096


@dataclass(frozen=True)
class Violation:
    """One thing FCM does not accept, and where."""

    field: str
    description: str


def violations(payload: object) -> list[Violation]:
    """Everything wrong with the body of a `messages:send`; with none, `payload["message"]` is a message."""
    if not isinstance(payload, dict):
        return [Violation("", "Invalid JSON payload received. Expected an object.")]
    message = payload.get("message")
    if not isinstance(message, dict):
        return [Violation("message", "Invalid value at 'message': a message is required.")]
    faults = _unknown(payload, {"message", "validate_only"}, at="")
    faults += _unknown(message, _MESSAGE_FIELDS, at="message")
    faults += _target(message) + _notification(message.get("notification")) + _data(message.get("data"))
    shown = {field: message.get(field) for field in ("notification", "data")}
    if not faults and len(json.dumps(shown, ensure_ascii=False).encode()) > _LARGEST_MESSAGE:
        faults.append(
            Violation("message", f"Message is too big: at most {_LARGEST_MESSAGE} bytes are allowed.")
        )
    return faults


def _unknown(value: dict[str, Any], known: set[str], *, at: str) -> list[Violation]:
    where = f" at '{at}'" if at else ""
    return [
        Violation(at, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')
        for name in value
        if name not in known
    ]


def _target(message: dict[str, Any]) -> list[Violation]:
    given = [name for name in _TARGETS if message.get(name)]
    if not given:
        return [Violation("message", "Recipient of the message is not set.")]
    if len(given) > 1:
        return [Violation("message", "Only one of token, topic and condition may be set.")]
    if not isinstance(message[given[0]], str):
        return [_not_text(f"message.{given[0]}", message[given[0]])]
    if given[0] == "token" and any(character.isspace() for character in message["token"]):
        return [Violation("message.token", "The registration token is not a valid FCM registration token")]
    return []


def _notification(value: object) -> list[Violation]:
    if value is None:
        return []
    if not isinstance(value, dict):
        return [Violation("message.notification", "Invalid value at 'message.notification'.")]
    faults = _unknown(value, _NOTIFICATION_FIELDS, at="message.notification")
    faults += [
        _not_text(f"message.notification.{name}", text) for name, text in value.items() if not _is_text(text)
    ]
    return faults


def _data(value: object) -> list[Violation]:
    if value is None:
        return []
    if not isinstance(value, dict):
        return [Violation("message.data", "Invalid value at 'message.data'.")]
    faults = []
    for position, (key, text) in enumerate(value.items()):
        if key in _RESERVED_KEYS or key.startswith(_RESERVED_PREFIXES):
            faults.append(Violation(f"message.data[{key}]", f"Invalid data payload key: {key}"))
        if not _is_text(text):
            faults.append(_not_text(f"message.data[{position}].value", text))
    return faults


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _not_text(field: str, value: object) -> Violation:
    return Violation(field, f"Invalid value at '{field}' (TYPE_STRING), {json.dumps(value)}")
