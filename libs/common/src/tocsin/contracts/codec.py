"""Bytes on the wire: JSON, written and read by msgspec. One encoder and one decoder per record, made once.

Only the records of `stops` are binary: see `stops`.
"""

import re
from typing import Final

import msgspec

from tocsin.contracts.attachments import GivenAttachment
from tocsin.contracts.cancellations import Cancellation
from tocsin.contracts.directory import DirectoryRecord
from tocsin.contracts.events import CancellationRequest, NotificationRequest
from tocsin.contracts.inbox import BoxMoved
from tocsin.contracts.intents import IntentRecord
from tocsin.contracts.jobs import Job
from tocsin.contracts.recipients import GivenChatPlace, GivenDevice, GivenRecipient
from tocsin.contracts.statuses import StatusRecord
from tocsin.contracts.timers import TimerRecord
from tocsin.contracts.values.nearest import did_you_mean

encode = msgspec.json.Encoder().encode
"""Any record to its bytes."""

decode_request = msgspec.json.Decoder(NotificationRequest).decode
decode_cancellation_request = msgspec.json.Decoder(CancellationRequest).decode
decode_cancellation = msgspec.json.Decoder(Cancellation).decode
decode_box_moved = msgspec.json.Decoder(BoxMoved).decode
decode_intent = msgspec.json.Decoder(IntentRecord).decode
decode_job = msgspec.json.Decoder(Job).decode
decode_status = msgspec.json.Decoder(StatusRecord).decode
decode_timer = msgspec.json.Decoder(TimerRecord).decode
decode_directory = msgspec.json.Decoder(DirectoryRecord).decode

UNREADABLE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors that decoders raise: the bytes are no JSON, no UTF-8, nested too deep, or not of the record's shape. For `except`."""

_SENTENCE: Final = re.compile(
    r"(?P<what>Expected `[^`]*`, got `[^`]*`|Object missing required field `\w+`)?.*?(?: - at `\$(?P<path>[\w.\[\]]*)`)?",
    re.DOTALL,
).fullmatch
_UNKNOWN_FIELD: Final = re.compile(
    r"Object contains unknown field `(?P<name>.*)`(?: - at `\$(?P<path>[\w.\[\]]*)`)?", re.DOTALL
).fullmatch
_FORM: Final = "has a form or a value that is not taken"


def describe_error(error: Exception, *, at: str = "") -> str:
    """What is wrong with a record, for statuses and logs: a JSON pointer below `at` and words of ours, no value of the record's.

    `error` is one of `UNREADABLE_ERRORS`; msgspec's own text repeats values (`Invalid enum value '…'`).
    """
    if not isinstance(error, msgspec.ValidationError):
        return f"{at or '/'}: is no JSON, or nests too deep"
    sentence = _SENTENCE(str(error))
    path, what = (sentence["path"] or "", sentence["what"]) if sentence else ("", None)
    return f"{at + _pointer(path) or '/'}: {what or _FORM}"


def unknown_field(
    error: Exception, *, at: str = "", known: type[msgspec.Struct] = NotificationRequest
) -> str | None:
    """Where an event's data, which are `known`, have a field that nobody knows, and which known one it may be; None where that is not
    the error."""
    sentence = _UNKNOWN_FIELD(str(error)) if isinstance(error, msgspec.ValidationError) else None
    if sentence is None:
        return None
    pointer = _pointer(sentence["path"] or "")
    if pointer:
        known = _known_at(pointer)
    return f"{at + pointer}: has an unknown field. {did_you_mean(sentence['name'], known.__struct_fields__)}"


def _known_at(pointer: str) -> type[msgspec.Struct]:
    if "/devices/" in pointer:
        return GivenDevice
    if "/attachments/" in pointer:
        return GivenAttachment
    return GivenChatPlace if "/chats/" in pointer else GivenRecipient


def _pointer(path: str) -> str:
    return path.replace("[", ".").replace("]", "").replace(".", "/")
