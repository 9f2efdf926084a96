"""Bytes on the wire: JSON, written and read by msgspec. One encoder and one decoder per record, made once."""

import msgspec

from tocsin.contracts.directory import DirectoryRecord
from tocsin.contracts.events import NotificationRequest
from tocsin.contracts.intents import IntentRecord
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import Status
from tocsin.contracts.stops import StopRecord

encode = msgspec.json.Encoder().encode
"""Any record to its bytes."""

decode_request = msgspec.json.Decoder(NotificationRequest).decode
decode_intent = msgspec.json.Decoder(IntentRecord).decode
decode_job = msgspec.json.Decoder(Job).decode
decode_status = msgspec.json.Decoder(Status).decode
decode_directory = msgspec.json.Decoder(DirectoryRecord).decode
decode_stop = msgspec.json.Decoder(StopRecord).decode

Unreadable = msgspec.DecodeError
"""What every decoder raises: the bytes are no JSON, or not of the record's shape (the message names the field)."""
