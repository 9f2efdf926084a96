"""Messages as version 1 wrote them: today's structs and models read them alike, and write them back unchanged.

The files stay for ever; a new version adds a folder.
"""

import json
from pathlib import Path

import msgspec
import pytest
from pydantic import TypeAdapter

from tocsin.contracts.cancellations import Cancellation
from tocsin.contracts.codec import encode
from tocsin.contracts.directory import DirectoryRecord
from tocsin.contracts.events import CancellationRequest, Event, NotificationRequest
from tocsin.contracts.inbox import BoxMoved
from tocsin.contracts.intents import IntentRecord
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import StatusRecord
from tocsin.contracts.timers import TimerRecord
from tocsin.specifications.models import annotation_of

GOLDEN = Path(__file__).parent / "golden"
RECORDS = {
    "notification": NotificationRequest,
    "event": Event,
    "cancellation-request": CancellationRequest,
    "cancellation": Cancellation,
    "box-moved": BoxMoved,
    "intent": IntentRecord,
    "continuation": IntentRecord,
    "redrive": IntentRecord,
    "job": Job,
    "status": StatusRecord,
    "decision": StatusRecord,
    "timer": TimerRecord,
    "directory": DirectoryRecord,
}
MESSAGES = sorted(GOLDEN.glob("v*/*.json"))


def record_of(path: Path) -> object:
    return RECORDS[path.stem.split("_")[0]]


def test_every_record_has_a_golden_message():
    assert {path.stem.split("_")[0] for path in MESSAGES} == set(RECORDS)


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_structs_read_it_and_write_the_same(path):
    golden = json.loads(path.read_text())
    assert json.loads(encode(msgspec.json.decode(path.read_bytes(), type=record_of(path)))) == golden


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_models_read_it_and_write_the_same(path):
    golden = json.loads(path.read_text())
    adapter = TypeAdapter(annotation_of(record_of(path)))
    record = adapter.validate_json(path.read_bytes())
    assert json.loads(adapter.dump_json(record, exclude_unset=True)) == golden


# In what producers write, a field that nobody knows is a fault.
@pytest.mark.parametrize(
    "path",
    [path for path in MESSAGES if record_of(path) not in (NotificationRequest, CancellationRequest)],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_a_field_from_the_future_is_ignored_by_both(path):
    future = json.loads(path.read_text()) | {"from_the_future": {"any": "thing"}}
    text = json.dumps(future).encode()
    struct = msgspec.json.decode(text, type=record_of(path))
    assert "from_the_future" not in json.loads(encode(struct))
    TypeAdapter(annotation_of(record_of(path))).validate_json(text)


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_both_refuse_it_without_a_required_field(path):
    golden = json.loads(path.read_text())
    adapter = TypeAdapter(annotation_of(record_of(path)))
    for field in golden:
        text = json.dumps({name: value for name, value in golden.items() if name != field}).encode()
        assert _reads(lambda text=text: msgspec.json.decode(text, type=record_of(path))) == _reads(
            lambda text=text: adapter.validate_json(text)
        ), field


def _reads(read) -> bool:
    try:
        read()
    except ValueError:  # pydantic's and msgspec's errors both are
        return False
    return True
