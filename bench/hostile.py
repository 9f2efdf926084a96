"""Does a tenant wait for what another one writes? Ingest, router and a real Kafka and PostgreSQL, all on this machine.

`python bench/hostile.py [--json FILE] [--seconds N]` lets one tenant send a plain event every 50 ms, while another sends the data of an
attack under a harmless program and while it attacks, by turns; and let it preview a template every 100 ms. For each attack it prints the 99th percentile from request to answer,
from request to written job, and of a preview. It ends with exit code 1 when one is longer with the attack than 1.2 times what it is without, and by more than 10 ms. The JSON goes to
`build/hostile.json` unless FILE is given.
"""

import argparse
import asyncio
import contextlib
import gc
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

import logs
import tenant
from attacks import Attack, attacks
from environment import Environment
from figures import percentile
from http_load import PATIENCE
from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.codec import encode
from tocsin.contracts.events import NOTIFICATION_REQUESTED, Event, NotificationRequest
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev.api import Api
from tocsin.dev.paths import CACHE
from tocsin.kafka import ProducerRecord, Publisher
from tocsin.runtime import Health
from tocsin.testing.log_ends import log_ends

ROOT = Path(__file__).parents[1]
EVERY = 0.05  # seconds between two events of the plain tenant
PREVIEW_EVERY = 0.1  # seconds between two previews of the plain tenant
ATTACK_EVERY = 0.25  # seconds between two of the hostile one
SECONDS = 6.0  # of one turn, with or without the attack
TURNS = 2  # of each kind, for each attack
TIMES, MILLISECONDS = 1.2, 10.0
"""So much longer may the 99th percentile be, whichever is more."""
HOSTILE = "hostile"
SETTLING = 1.0  # seconds between two turns
_CALM = tenant.workflow_of(Lane.TRANSACTIONAL)


class Measured(msgspec.Struct, kw_only=True):
    """99th percentiles in ms of the plain tenant's events: while the other one is silent, while it sends the attack's data to a workflow
    without schema or expression and with a template of one word, and during the attack."""

    attack: str
    hop: str
    calm: float
    harmless: float
    attacked: float
    events: int

    @property
    def allowed(self) -> float:
        """What it may be with the attack."""
        without = max(self.calm, self.harmless)
        return max(without * TIMES, without + MILLISECONDS)

    @property
    def held(self) -> bool:
        """Whether it is."""
        return self.attacked <= self.allowed


class Waits:
    """What the plain tenant's events took, in ms, by hop."""

    def __init__(self) -> None:
        self.answer: list[float] = []
        self.job: list[float] = []
        self.preview: list[float] = []


async def measure(folder: Path, seconds: float = SECONDS, only: str = "") -> list[Measured]:
    """Each attack whose name holds `only`, in the order of `attacks`. Needs Kafka and PostgreSQL, which it starts in the folder."""
    results: list[Measured] = []
    async with Environment(folder, smtp_port=1) as environment, environment.running("router", "ingest"):
        async with _two_tenants(environment) as two:
            for attack in attacks():
                if only in attack.name:
                    _say(attack.name)
                    results += await two.try_attack(attack, seconds)
        faults = environment.ended()
    if faults:
        raise RuntimeError("; ".join(faults))
    return results


class TwoTenants:
    """The plain tenant and the hostile one, each with its keys."""

    def __init__(
        self,
        environment: Environment,
        *,
        directory: Api,
        plain: Api,
        hostile: Api,
        hostile_directory: Api,
        publisher: Publisher,
    ) -> None:
        self._environment = environment
        self._directory = directory
        self._plain = plain
        self._hostile = hostile
        self._hostile_directory = hostile_directory
        self._publisher = publisher
        self._sent = 0

    async def settle(self) -> None:
        """Make what both need."""
        await tenant.settle(self._directory)
        await self._hostile_directory.do("PUT", "/v1/categories/c", {"default": "required"})
        await self._hostile_directory.do("PUT", "/v1/recipients/someone", {"phone": "+493012345678"})
        flow = {"category": "c", "channels": ["sms"], "lane": "transactional", "event_types": ["harmless"]}
        await self._hostile_directory.do("PUT", "/v1/workflows/harmless", flow)
        words = {"parts": {"body": "hello"}, "publish": True}
        await self._hostile_directory.do("PUT", "/v1/workflows/harmless/templates/sms/default/en", words)

    async def try_attack(self, attack: Attack, seconds: float) -> list[Measured]:
        """Calm and attack by turns."""
        await self._prepare(attack)
        await self._turn(Waits(), seconds=2.0)  # compiles what is new
        calm, harmless, attacked = Waits(), Waits(), Waits()
        for _ in range(TURNS):
            await self._turn(calm, seconds=seconds)
            async with _while(lambda: self._attack(attack, "harmless")):
                await self._turn(harmless, seconds=seconds)
            await asyncio.sleep(SETTLING)
            async with _while(lambda: self._attack(attack, "hostile")):
                await self._turn(attacked, seconds=seconds)
            await asyncio.sleep(SETTLING)
        hops = [
            ("answer", calm.answer, harmless.answer, attacked.answer),
            ("job", calm.job, harmless.job, attacked.job),
            ("preview", calm.preview, harmless.preview, attacked.preview),
        ]
        return [
            Measured(
                attack=attack.name,
                hop=hop,
                calm=percentile(without, 0.99),
                harmless=percentile(beside, 0.99),
                attacked=percentile(during, 0.99),
                events=len(during),
            )
            for hop, without, beside, during in hops
        ]

    async def _prepare(self, attack: Attack) -> None:
        self._data = msgspec.Raw(encode(attack.data))
        key = "hostile"
        flow: dict[str, Any] = {"category": "c", "channels": ["sms"], "lane": "transactional"}
        parts = {"parts": {"body": "hello" if attack.planted else attack.body}, "publish": True}
        if not attack.planted:
            flow |= {
                "data_schema": attack.schema,
                "recipients": attack.expression,
                "event_types": ["hostile"],
            }
        await self._hostile_directory.call("DELETE", f"/v1/workflows/{key}")  # what the last attack planted
        await self._hostile_directory.do("PUT", f"/v1/workflows/{key}", flow)
        await self._hostile_directory.do("PUT", f"/v1/workflows/{key}/templates/sms/default/en", parts)
        if attack.planted:
            await _plant(self._environment.database, attack)

    async def _turn(self, waits: Waits, *, seconds: float) -> None:
        """The plain tenant's events for so long, one every 50 ms, and what they took; this process collects no garbage meanwhile."""
        gc.collect()
        gc.disable()
        try:
            await self._measure(waits, seconds)
        finally:
            gc.enable()

    async def _measure(self, waits: Waits, seconds: float) -> None:
        topic = Topics(self._environment.kafka.topic_prefix).jobs(Channel.EMAIL, Lane.TRANSACTIONAL)
        start = await log_ends(self._environment.kafka, topic)
        count = int(seconds / EVERY)
        began = time.time() + EVERY
        sent: dict[str, float] = {}

        async def send(number: int) -> None:
            self._sent += 1
            name, who = f"plain-{self._sent}", tenant.RECIPIENTS[self._sent % len(tenant.RECIPIENTS)]
            planned = began + number * EVERY
            await asyncio.sleep(planned - time.time())
            sent[tenant.notification(name, who, Lane.TRANSACTIONAL)] = planned
            body = {"workflow": _CALM, "recipients": [who], "data": tenant.DATA}
            await self._plain.do("POST", "/v1/notifications", body, headers={"Idempotency-Key": name})
            waits.answer.append((time.time() - planned) * 1000)

        async def preview(number: int) -> None:
            planned = began + number * PREVIEW_EVERY
            await asyncio.sleep(planned - time.time())
            body = {"channel": "sms", "parts": {"body": "{{ data.order }}"}, "data": tenant.DATA}
            await self._directory.do("POST", f"/v1/workflows/{_CALM}/preview", body)
            waits.preview.append((time.time() - planned) * 1000)

        async def previews() -> None:  # one after the other: a tenant has one at a time
            for number in range(int(seconds / PREVIEW_EVERY)):
                await preview(number)

        await asyncio.gather(previews(), *(send(number) for number in range(count)))
        written = await self._jobs(topic, start, sent)
        waits.job += [(written[notification] - planned) * 1000 for notification, planned in sent.items()]

    async def _jobs(self, topic: str, start: dict[int, int], sent: dict[str, float]) -> dict[str, float]:
        """When the broker stored each job."""
        async with asyncio.timeout(PATIENCE):
            while True:
                records = await logs.read(self._environment.kafka, topic, start=start)
                written = {logs.notified(record): record.timestamp_ms / 1000 for record in records}
                if sent.keys() <= written.keys():
                    return written
                await asyncio.sleep(logs.LOOK_EVERY)

    async def _attack(self, attack: Attack, workflow: str) -> None:
        """One blow, or the same data for the harmless workflow; what it is answered is its own affair."""
        self._sent += 1
        if attack.previewed:
            words = attack.body if workflow == "hostile" else "hello"
            body = {"channel": "sms", "parts": {"body": words}, "data": attack.data}
            await self._hostile_directory.call("POST", f"/v1/workflows/{workflow}/preview", body)
        elif attack.planted or attack.expression is not None:
            event = _event(attack, self._data, workflow, f"{workflow}-{self._sent}")
            await self._publisher.publish([event], timeout=PATIENCE)
        else:
            body = {"workflow": workflow, "recipients": ["someone"], "data": attack.data}
            await self._hostile.call("POST", "/v1/notifications", body)


def _event(attack: Attack, data: msgspec.Raw, workflow: str, event_id: str) -> ProducerRecord:
    """The attack as an event straight in Kafka, as a producer could write it."""
    if attack.expression is None:
        request = NotificationRequest(workflow=workflow, recipients=["someone"], data=data)
        kind, data = NOTIFICATION_REQUESTED, msgspec.Raw(encode(request))
    else:
        kind = workflow
    event = Event(tenant=HOSTILE, source="/hostile", id=event_id, type=kind, subject="someone", data=data)
    headers, value = write_kafka(event)
    topic = Topics().events(Lane.TRANSACTIONAL)
    return ProducerRecord(topic, recipient_key(HOSTILE, "someone"), value, tuple(headers))


async def _plant(database: str, attack: Attack) -> None:
    """Into the database, past the API, with a row of the outbox, so that everybody hears of it."""
    connection = await asyncpg.connect(database)
    try:
        schema = None if attack.schema is None else msgspec.json.encode(attack.schema).decode()
        await connection.execute(
            "UPDATE directory.workflows SET data_schema = $1::jsonb, recipients = $2, event_types = $3, revision = revision + 1 "
            "WHERE tenant = $4 AND key = 'hostile'",
            schema, attack.expression, ["hostile"], HOSTILE,
        )  # fmt: skip
        parts = msgspec.json.encode({"body": attack.body}).decode()
        await connection.execute(
            "UPDATE directory.templates SET parts = $1::jsonb WHERE tenant = $2 AND workflow = 'hostile'",
            parts,
            HOSTILE,
        )
        for kind, key in (("workflow", ["hostile"]), ("template", ["hostile", "sms", "default", "en"])):
            await connection.execute(
                "INSERT INTO directory.outbox (kind, tenant, key, turn) VALUES ($1, $2, $3, 1)",
                kind,
                HOSTILE,
                key,
            )
    finally:
        await connection.close()
    await asyncio.sleep(SETTLING)


@contextlib.asynccontextmanager
async def _while(blow: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """The attack goes on until the context is left; its last blow ends before."""
    ended = asyncio.Event()

    async def attacking() -> None:
        while not ended.is_set():
            began = time.monotonic()
            await blow()
            await asyncio.sleep(max(0.0, ATTACK_EVERY - (time.monotonic() - began)))

    task = asyncio.create_task(attacking())
    try:
        yield
    finally:
        ended.set()
        await task


@contextlib.asynccontextmanager
async def _two_tenants(environment: Environment) -> AsyncIterator[TwoTenants]:
    router, ingest = environment.url("router"), environment.url("ingest")
    async with (
        Api(url=router, key=environment.key) as directory,
        Api(url=ingest, key=environment.key) as plain,
    ):
        await _until_known(directory)
        await directory.do("POST", "/v1/tenants", {"id": HOSTILE, "name": "Hostile"})
        made = await directory.do(
            "POST", f"/v1/tenants/{HOSTILE}/api-keys", {"scopes": ["send", "read", "manage"]}
        )
        async with (
            Api(url=router, key=made["key"]) as hostile_directory,
            Api(url=ingest, key=made["key"]) as hostile,
        ):
            await _until_known(hostile_directory)
            publisher = Publisher(settings=environment.kafka, health=Health(service="bench"))
            await publisher.open()
            two = TwoTenants(
                environment,
                directory=directory,
                plain=plain,
                hostile=hostile,
                hostile_directory=hostile_directory,
                publisher=publisher,
            )
            await two.settle()
            yield two
            await publisher.close()


async def _until_known(api: Api) -> None:
    async with asyncio.timeout(tenant.KEY_SECONDS):
        while (await api.call("GET", "/v1/tenant"))[0] == 401:  # noqa: ASYNC110 - the condition lies in another process
            await asyncio.sleep(0.05)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def show(results: list[Measured]) -> None:
    """The table."""
    print(f"{'attack':36} {'p99 of':8} {'silent':>9} {'harmless':>9} {'attack':>9} {'allowed':>9}")
    for result in results:
        verdict = "" if result.held else "  EXCEEDED"
        print(
            f"{result.attack:36} {result.hop:8} {result.calm:6.1f} ms {result.harmless:6.1f} ms {result.attacked:6.1f} ms {result.allowed:6.1f} ms{verdict}"
        )


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", default=ROOT / "build" / "hostile.json")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one turn")
    parser.add_argument("--only", default="", help="attacks whose name holds this")
    given = parser.parse_args()
    with _folder() as folder:
        results = asyncio.run(measure(folder, given.seconds, given.only))
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    show(results)
    return 0 if all(result.held for result in results) else 1


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Where the run has its files, on the project's own disk; gone afterwards."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hostile-", dir=CACHE) as folder:
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(main())
