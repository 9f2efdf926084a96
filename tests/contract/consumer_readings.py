"""How each consumer reads a record: its own code, from the bytes to what it makes of them."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
from tests.unit.router_worker.conftest import Worker

from tocsin.channel import Rejected
from tocsin.channel.delivery import Delivery
from tocsin.channel.outcome_log import JobRecords
from tocsin.channel.outcome_records import outcome_of, recheck_of
from tocsin.channel.retry_policy import Finish
from tocsin.contracts.codec import decode_intent, decode_job, encode
from tocsin.contracts.intents import Intent
from tocsin.contracts.jobs import Job
from tocsin.contracts.recipients import Device
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane, StatusName
from tocsin.contracts.webhook_body import body_of
from tocsin.dispatch_email.composing import composed
from tocsin.dispatch_email.smtp import SmtpConfig, SmtpProvider
from tocsin.dispatch_inapp.new_item import new_item
from tocsin.dispatch_push.fcm import FcmProvider
from tocsin.dispatch_sms.sms_job import text_of
from tocsin.dispatch_sms.twilio import TwilioConfig, TwilioProvider
from tocsin.dispatch_webhook.endpoints import Endpoints
from tocsin.ingest.directory import Directory
from tocsin.kafka import Batch, Cancellations, ConsumerRecord
from tocsin.ledger.history import DecisionRow, told
from tocsin.ledger.reading import stored_row_of
from tocsin.ledger.tables import STATUSES
from tocsin.router.policy import StoredRecipient
from tocsin.router.worker.feedback import Feedback
from tocsin.scheduler.timers_log import read
from tocsin.scheduler.timers_table import TimersTable
from tocsin.testing import ManualClock
from tocsin.trust import Seal
from tocsin.web import KeyTable

GOLDEN = Path(__file__).parent / "golden" / "v1"
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
"""Just before the golden messages expire."""
STAMP = 1_769_860_800_000
TOPICS = Topics()

Reading = Callable[[bytes], Any]
"""A record's bytes to what the consumer makes of them; raises where it cannot read them."""


def _record(topic: str, key: bytes, value: bytes) -> ConsumerRecord:
    return ConsumerRecord(topic, 0, 7, STAMP, key, value)


def _key_of(value: bytes) -> bytes:
    """The key under which the golden entity lies; it stands beside the record, not in it."""
    entity = json.loads(value)
    return f"{entity['kind']}/acme/{entity.get('id') or entity.get('key') or 'x'}".encode()


# Ledger


def ledger_row(value: bytes) -> Any:
    rows = [
        dict(zip(STATUSES.columns, row, strict=True)) for row in STATUSES.rows_of(_record("s", b"k", value))
    ]
    read = [stored_row_of({name: held for name, held in row.items() if name != "day"}) for row in rows]
    shown = [status for row in read for status in (told(row) if isinstance(row, DecisionRow) else [row])]
    return shown, [{name: held for name, held in row.items() if name != "decision"} for row in rows]


def api_key(value: bytes) -> Any:
    keys = KeyTable()
    keys.apply(_record("directory", b"api_key/acme/k1", value))
    ((key, caller),) = keys._keys.values()
    return caller, key.sha256, key.mode, key.expires_at


# Router


def feedback(value: bytes) -> Any:
    removed: list[Any] = []

    class Recording(Feedback):
        async def forget_device(self, *args: Any, **more: Any) -> bool:
            removed.append((args, more))
            return False

    class OneBatch:
        def __init__(self) -> None:
            self.batches = [Batch(records=[_record("s", b"k", value)])]
            self.revoked = asyncio.Event()

        async def gather(self, **_: Any) -> None: ...

        async def take(self, **_: Any) -> Any:
            return self.batches.pop() if self.batches else None

        async def commit(self, _: Any) -> None: ...

    every_key = SimpleNamespace(knows=lambda _: True)
    asyncio.run(
        Recording(lane=Lane.BULK, database=cast("Any", None), hashes=cast("Any", every_key)).work(
            cast("Any", OneBatch())
        )
    )
    return removed


def _worker(*entities: bytes) -> Worker:
    """A router that knows the golden directory, but for these entities in the place of their kind."""
    worker = Worker(clock=ManualClock(AT))
    changed = {json.loads(entity)["kind"]: entity for entity in entities}
    for path in GOLDEN.glob("directory_*.json"):
        kind = json.loads(path.read_bytes())["kind"]
        worker.directory.apply(_record("directory", kind.encode(), changed.get(kind, path.read_bytes())))
    sms = {
        "kind": "template", "tenant": "acme", "workflow": "order-shipped", "channel": "sms", "locale": "de", "revision": 1,
        "parts": {"body": "{{ tenant.name }} {{ tenant.attributes.colour }} {{ data.order }}"},
    }  # fmt: skip
    push = sms | {"channel": "push", "parts": {"title": "Hi", "body": "{{ data.order }}"}}
    for template in (sms, push):
        worker.directory.apply(_record("directory", encode(template["channel"]), encode(template)))
    worker.recipients.stored["acme", "ada"] = StoredRecipient(
        known=True, email="ada@example.test", phone="+4915112345678", devices=(Device(id="d1", token="t"),)
    )
    return worker


def _written(worker: Worker, *records: ConsumerRecord) -> Any:
    """What follows from the records, and from the intents that follow from them."""

    async def route() -> Any:
        written = await worker.route(*records)
        intents = [record for record in written.records if ".intents." in record.topic]
        return written.records, (await worker.route(*worker.as_read(intents))).records

    return asyncio.run(route())


def intent(value: bytes) -> Any:
    """What is written, and what is claimed."""
    worker = _worker()
    written = _written(worker, _record(TOPICS.intents(Lane.TRANSACTIONAL), b"k", value))
    return written, sorted(worker.claims.rows.items())


def directory(value: bytes) -> Any:
    worker = _worker(value)
    data = msgspec.Raw(b'{"order":"1","customer":"ada"}')
    return _written(
        worker,
        worker.event(type="com.shop.order.shipped", data=data, partition=0),
        worker.event(id="e2", type="com.shop.order.shipped", data=msgspec.Raw(b"{}")),
        worker.event(
            id="e3",
            type="com.shop.order.shipped",
            data=msgspec.Raw(b'{"order":"1","customer":"ada@example.test"}'),
        ),
    )


# Ingest


def published_workflow(value: bytes) -> Any:
    held = Directory()
    held.apply(_record("directory", b"workflow/acme/order-shipped", value))
    workflow = held.workflow("acme", "order-shipped")
    assert workflow is not None
    known = [each.key for each in held.subscribers("acme", "com.shop.order.shipped")]
    faults = [fault.code for fault in workflow.faults({}, 2, prefix="")]
    return workflow.key, workflow.lane, workflow.reaches_subject, known, faults


def tenants_settings(value: bytes) -> Any:
    held = Directory()
    held.apply(_record("directory", b"tenant/acme", value))
    return [
        (held.address_like_ids(tenant), held.limits(tenant), held.quota_reached_on(tenant))
        for tenant in ("acme", "other")
    ]


# Scheduler


class _Statements:
    """In the place of a connection: what it is told to do."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    async def execute(self, *statement: Any) -> str:
        self.told.append(statement)
        return "INSERT 0 1"

    async def fetch(self, *statement: Any) -> list[Any]:
        self.told.append(statement)
        return []


def timer(value: bytes) -> Any:
    said = read(
        [_record(TOPICS.timers(Lane.TRANSACTIONAL), b"acme/ada", value)],
        writable=[TOPICS.intents(Lane.TRANSACTIONAL)],
    )
    connection = _Statements()
    table = TimersTable(database=cast("Any", None), group="g", lane=Lane.TRANSACTIONAL)

    async def keep() -> None:
        await table._set(connection, said)
        await table._hurry(connection, said, [])
        await table._delete(connection, said)

    asyncio.run(keep())
    return connection.told, [reason for _, reason in said.unreadable]


# Router and dispatchers


def endpoints(value: bytes) -> Any:
    worker = Worker(clock=ManualClock(AT))
    worker.directory.apply(_record("directory", b"webhook_endpoint/acme/shop", value))
    return [
        worker.directory.endpoints("acme", event_type) for event_type in ("com.shop.order.shipped", "another")
    ]


def called_endpoint(value: bytes) -> Any:
    """What is called, how it is signed, and in which order."""
    copy = Endpoints(seal=Seal([("k1", "s" * 32)]))
    copy.apply(_record("directory", b"webhook_endpoint/acme/shop", value))
    job = decode_job((GOLDEN / "job_webhook.json").read_bytes())
    endpoint = copy.get(job)
    assert endpoint is not None
    _, secrets, headers = copy.opened(endpoint)
    return endpoint.url, endpoint.enabled, secrets, headers, copy.turn_of(job, b"acme/ada")


def cancelled(value: bytes) -> Any:
    """When tests and other messages are held to have been cancelled by it."""
    copy = Cancellations(service="contract")
    copy.apply(_record("cancels", b"k", value))
    given = decode_intent((GOLDEN / "intent_with_a_cancel_key.json").read_bytes())
    return [copy.of(msgspec.structs.replace(cast("Intent", given), test=test)) for test in (True, False)]


# Dispatchers


def _handed_over(compose: Callable[[Job], Any]) -> Reading:
    """What a dispatcher makes of a job: whether and to whom it is handed, in which words, and the records about it."""

    def read(value: bytes) -> Any:
        job, record = decode_job(value), _record("jobs", b"acme/ada", value)
        context = cast("Any", SimpleNamespace(status="s", intents="i", clock=ManualClock(AT)))
        delivery = Delivery(carrier=cast("Any", None), record=record, job=job, key=b"acme/ada", taken_at=0)
        records = outcome_of(context, delivery, Finish(status=StatusName.SENT)), recheck_of(context, delivery)
        # The guard looks at the first two, the choice of a provider at the others.
        chosen = job.expires_at, job.recipient_version, job.providers, job.target, job.test
        return chosen, compose(job), records

    return read


def outcome(value: bytes) -> Any:
    """What a dispatcher that reads the outcome log back learns from a status about a job of its own topic."""
    message = json.loads(value)
    jobs, partition, _ = message["cause"].split("/")
    return JobRecords(jobs).read(ConsumerRecord("s", int(partition), 7, STAMP, b"k", encode(message)))


_CLOCK = ManualClock(AT)
_SMTP = SmtpProvider(
    SmtpConfig(name="p", kind="smtp", host="mail.test", tls="none", helo="tocsin.test"), _CLOCK
)
_TWILIO_CONFIG = TwilioConfig.model_construct(
    name="p", kind="twilio", account_sid="AC0", messaging_service_sid="MG0"
)
_TWILIO = TwilioProvider(_TWILIO_CONFIG, _CLOCK)
# It needs secrets to be made, and none to write a message.
_FCM = FcmProvider.__new__(FcmProvider)
_FCM._clock = _CLOCK


def _sms(job: Job) -> Any:
    """What Twilio is asked."""
    text = text_of(job, longest=1600)
    request = text if isinstance(text, Rejected) else _TWILIO.request(job, text)
    return request if isinstance(request, Rejected) else request.content


def _item(job: Job) -> Any:
    return new_item(job, cast("Any", job.private.content), provider="inbox", now=AT, keep=timedelta(days=90))


READINGS: dict[tuple[str, str], Reading] = {
    ("ledger", "status"): ledger_row,
    ("ledger", "decision"): ledger_row,
    ("ledger", "directory_api_key"): api_key,
    ("router-feedback", "status"): feedback,
    ("router", "intent"): intent,
    ("router", "cancellation"): cancelled,
    ("router", "continuation"): intent,
    ("router", "redrive"): intent,
    ("router", "directory_tenant"): directory,
    ("router", "directory_category"): directory,
    ("router", "directory_workflow"): directory,
    ("router", "directory_template"): directory,
    ("router", "directory_api_key"): api_key,
    ("router", "directory_webhook_endpoint"): endpoints,
    ("ingest", "directory_api_key"): api_key,
    ("ingest", "directory_tenant"): tenants_settings,
    ("ingest", "directory_workflow"): published_workflow,
    ("scheduler", "timer"): timer,
    ("dispatch-email", "job_email"): _handed_over(lambda job: repr(composed(job, _SMTP._envelope))),
    ("dispatch-email", "cancellation"): cancelled,
    ("dispatch-inapp", "job_inapp"): _handed_over(_item),
    ("dispatch-inapp", "cancellation"): cancelled,
    ("dispatch-sms", "cancellation"): cancelled,
    ("dispatch-push", "cancellation"): cancelled,
    ("dispatch-sms", "job_sms"): _handed_over(_sms),
    ("dispatch-sms", "status"): outcome,
    ("dispatch-push", "job_push"): _handed_over(
        lambda job: _FCM._message(job, cast("Any", job.private.content))
    ),
    ("dispatch-webhook", "job_webhook"): _handed_over(lambda job: (body_of(job), job.address_key)),
    ("dispatch-webhook", "directory_webhook_endpoint"): called_endpoint,
    ("dispatch-webhook", "cancellation"): cancelled,
}
"""By consumer and record: each pair has its list in `consumers/`."""
