"""The rights that `tocsin acls --commands` gives, on a broker that refuses everything else: with them all services work, and with less they do not."""

import contextlib
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console
from tests.authority import make_authority
from tests.e2e.conftest import DATA, Tocsin

from tocsin.cli.acl_commands import ADMINISTRATOR, PRODUCERS, READERS, user_of
from tocsin.cli.acls import matrix
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.api import Api
from tocsin.dev.kafka import KafkaServer
from tocsin.dev.kafka_jars import jars, java
from tocsin.dev.kafka_settings import Secured
from tocsin.dev.processes import end, free_port, spawn
from tocsin.dev.progress import Steps
from tocsin.dev.run_folder import RunFolder
from tocsin.dev.sample import ENDPOINTS
from tocsin.dev.seed import seed, wait_until_keys_work, wait_until_workflow_is_known
from tocsin.dev.stack import Stack
from tocsin.kafka import KafkaSettings, ProducerRecord, Publisher
from tocsin.runtime import Health
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.java, pytest.mark.nightly]

HERE = Path(__file__).with_name("acls")
PASSWORD = "a-test"
NAMED = {PRODUCERS: "shop", READERS: "reader", ADMINISTRATOR: "tocsin-admin"}
"""Whom only the one who runs an installation can name."""
USERS = {rule.principal: NAMED.get(rule.principal, user_of(rule.principal).removeprefix("User:")) for rule in matrix(Topics())}  # fmt: skip
STRANGER = "stranger"
SOURCE = "https://foreign.example"
IDS = sorted({f"tocsin.{service}.{Lane.CRITICAL}.0" for service in USERS} | {Topics().relay})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[KafkaServer]:
    """Of its users none may do anything yet."""
    secured = Secured(
        certificate=authority / "broker.pem",
        users=dict.fromkeys([*USERS.values(), STRANGER], PASSWORD),
        authorized=True,
    )
    with KafkaServer(tmp_path_factory.mktemp("authorized"), secured=secured) as server:
        yield server


def login(broker: KafkaServer, authority: Path, user: str) -> dict[str, str]:
    """The settings of a service that logs in as this user."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": broker.secured_bootstrap_servers,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": user,
        "KAFKA_SASL_PASSWORD": PASSWORD,
        "KAFKA_SSL_CAFILE": str(authority / "ca.pem"),
    }


def tocsin_command(*words: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tocsin.cli", *words]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def rights(broker: KafkaServer, authority: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The lines as they are printed, run by a shell with Kafka's own tool; then the administrator makes the topics."""
    folder = tmp_path_factory.mktemp("tool")
    tool = folder / "kafka-acls.sh"
    tool.write_text(
        f'#!/bin/sh\nexec {java()} -XX:TieredStopAtLevel=1 -cp "{jars(pom=HERE / "pom.xml")}/*" org.apache.kafka.tools.AclCommand "$@"\n'
    )
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    named = [word for who, user in NAMED.items() for word in ("--principal", f"{who}=User:{user}")]
    printed = tocsin_command("acls", "--commands", *named, env={})
    assert printed.returncode == 0, printed.stderr
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "KAFKA": broker.bootstrap_servers}
    ran = subprocess.run(
        ["bash", "-e", "-c", printed.stdout], env=env, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    applied = tocsin_command(
        "topics", "apply", "--partitions", "4", "--replication-factor", "1", env=login(broker, authority, NAMED[ADMINISTRATOR])
    )  # fmt: skip
    assert applied.returncode == 0, applied.stdout + applied.stderr


@pytest.mark.usefixtures("rights")
def test_each_may_do_what_the_matrix_says_and_nothing_else(broker: KafkaServer, authority: Path) -> None:
    """The broker itself is asked what it lets each user do, with every topic, group and transactional id."""
    topics = Topics()
    names = [[topic.name for topic in topics.all()], [group.name for group in topics.groups()], IDS]
    asked = "".join("\t".join([user, *(",".join(kind) for kind in names)]) + "\n" for user in [*USERS.values(), STRANGER])  # fmt: skip
    command = [java(), "-cp", f"{jars()}/*", str(HERE / "Rights.java")]
    told = subprocess.run(
        [*command, broker.secured_bootstrap_servers, str(authority / "ca.pem"), PASSWORD],
        input=asked, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    allowed = {tuple(line.split("\t")) for line in told.stdout.splitlines()}
    of_others = {right for right in allowed if right[0] != NAMED[ADMINISTRATOR]}
    assert of_others == expected()
    assert {(user, kind, name, "DESCRIBE") for user, kind, name, _ in allowed} <= allowed | {
        (*right[:3], "DESCRIBE") for right in allowed if right[1] == "transactional id"
    }
    admin = allowed - of_others
    assert {name for _, kind, name, operation in admin if (kind, operation) == ("topic", "CREATE")} == set(
        names[0]
    )
    assert {name for _, kind, name, operation in admin if (kind, operation) == ("group", "READ")} == set(
        names[1]
    )


def expected() -> set[tuple[str, ...]]:
    """Who may read or write may also describe."""
    rights = set[tuple[str, ...]]()
    for rule in matrix(Topics()):
        if rule.principal == ADMINISTRATOR:
            continue
        user = USERS[rule.principal]
        if rule.resource == "transactional id":
            rights |= {
                (user, rule.resource, name, "WRITE")
                for name in IDS
                if name.startswith(rule.name.removesuffix("*"))
            }
        else:
            rights |= {
                (user, rule.resource, rule.name, operation)
                for operation in (rule.operation.upper(), "DESCRIBE")
            }
    return rights


class SecuredStack(Stack):
    """Each service logs in as its own user; what makes topics and samples has the way in that is not secured."""

    def __init__(self, *, broker: KafkaServer, authority: Path, folder: RunFolder, steps: Steps) -> None:
        super().__init__(folder=folder, steps=steps)
        self._broker, self._authority = broker, authority

    def _program(self, name: str, module: str, env: Mapping[str, str]) -> Any:
        if name in USERS.values():
            env = {**env, **login(self._broker, self._authority, name)}
        return super()._program(name, module, env)


@pytest.fixture
async def local_stack(
    broker: KafkaServer, authority: Path, rights: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[dict[str, Any]]:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    folder, steps = RunFolder(tmp_path / "stack"), Steps(Console(quiet=True))
    folder.take()
    stack = SecuredStack(broker=broker, authority=authority, folder=folder, steps=steps)
    try:
        await stack.up()
        async with (
            Api(url=stack.addresses["entry"], key=stack.addresses["admin_key"]) as manager,
            Api(url=stack.addresses["entry"], key=stack.addresses["api_key"]) as sender,
        ):
            await wait_until_keys_work(manager)
            await seed(manager)
            await wait_until_workflow_is_known(sender)
        stack.publish_endpoints(ENDPOINTS)
        yield {**stack.addresses, "folder": folder.path}
    finally:
        await stack.down()
        folder.release()


@pytest.fixture
async def tocsin(local_stack: dict[str, Any]) -> AsyncIterator[Tocsin]:
    def client(key: str) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {key}"}
        return httpx.AsyncClient(base_url=local_stack["entry"], headers=headers, timeout=30)

    async with (
        client(local_stack["api_key"]) as api,
        client(local_stack["admin_key"]) as admin,
        httpx.AsyncClient(base_url=local_stack["catcher"], timeout=30) as catcher,
    ):
        yield Tocsin(stack={**local_stack, "sample": ENDPOINTS}, api=api, admin=admin, catcher=catcher)


async def named(tocsin: Tocsin, body: Mapping[str, Any]) -> str:
    answer = await tocsin.api.post("/v1/notifications", json=dict(body))
    assert answer.status_code == 202, answer.text
    return str(answer.json()["notifications"][0]["notification_id"])


async def has(tocsin: Tocsin, notification: str, *names: str, channel: str | None = None) -> bool:
    """Whether it has come to one of these statuses, there."""
    statuses = await tocsin.statuses(notification)
    return any(one["status"] in names for one in statuses if channel in {None, one.get("channel")})


async def publish(settings: KafkaSettings, *events: Mapping[str, Any]) -> None:
    """As an application that writes to Kafka."""
    publisher = Publisher(settings=settings, health=Health(service="shop"))
    await publisher.open()
    topic, headers = Topics().events(Lane.CRITICAL), (("content-type", b"application/cloudevents+json"),)
    records = [ProducerRecord(topic, None, json.dumps(event).encode(), headers) for event in events]
    await publisher.publish(records, timeout=20)
    await publisher.close()


async def put_off(tocsin: Tocsin, body: Mapping[str, Any]) -> str:
    """A mail that no mail server took at first, and that was sent in the end."""
    file = tocsin.stack["folder"] / "providers" / "email.toml"
    former = file.read_text()
    file.write_text(re.sub(r"port = \d+", f"port = {free_port()}", former))
    notification = ""
    while not notification or not await has(tocsin, notification, "deferred"):
        notification = await named(
            tocsin, body
        )  # one after the other, until the dispatcher has read its file
        await until(
            partial(has, tocsin, notification, "sent", "deferred", channel="email"), seconds=60, every=0.1
        )
    file.write_text(former)
    await tocsin.until_final(notification)
    return notification


async def redriven(tocsin: Tocsin) -> bool:
    """Whether a re-drive of the dead letters has written one."""
    body = {"dead_letters": {"kind": "events", "source": SOURCE}, "dry_run": False}
    answer = await tocsin.admin.post("/v1/redrives", json=body)
    assert answer.is_success, answer.text
    path = f"/v1/redrives/{answer.json()['id']}"

    async def finished() -> bool:
        return bool((await tocsin.admin.get(path)).json()["state"] == "finished")

    await until(finished, seconds=60, every=0.1)
    return bool((await tocsin.admin.get(path)).json()["written"])


@contextlib.contextmanager
def witness(folder: Path, env: Mapping[str, str]) -> Iterator[str]:
    """Where the witness answers probes."""
    port = free_port()
    own = {"OPERATIONS_HOST": "127.0.0.1", "OPERATIONS_PORT": str(port), "LOG_FORMAT": "text"}
    log = folder / "logs" / "witness.log"
    process = spawn(
        [sys.executable, "-m", "tocsin.ledger", "witness"], env={**os.environ, **env, **own}, log=log
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process, timeout=30)


async def sees(url: str) -> bool:
    """Whether the witness sees every group."""
    async with httpx.AsyncClient() as client:
        try:
            return 'tocsin_witness_up{component="ledger"} 1.0' in (await client.get(f"{url}/metrics")).text
        except httpx.TransportError:
            return False


def refusals(broker: KafkaServer) -> list[str]:
    return [line for line in broker.log.read_text().splitlines() if " is Denied " in line]


async def test_with_these_rights_every_service_does_its_work(
    tocsin: Tocsin, broker: KafkaServer, authority: Path
) -> None:
    """Written to Kafka, sent later, cancelled, put off, refused and sent again, looked at from outside: the broker refuses nobody anything."""
    before = len(refusals(broker))
    person = await tocsin.person()
    event = {"specversion": "1.0", "id": "e-1", "source": SOURCE, "type": tocsin.sample["event_type"], "tenant": tocsin.sample["tenant"],
             "subject": person.id, "data": DATA}  # fmt: skip
    login_of = partial(login, broker, authority)
    settings = {
        name.removeprefix("KAFKA_").lower(): value for name, value in login_of(NAMED[PRODUCERS]).items()
    }
    refused = {**event, "id": "e-2", "data": {}}  # the workflow's schema asks for more
    await publish(KafkaSettings.model_validate(settings), event, refused)
    await tocsin.assert_three_messages(
        tocsin.notification(event_id="e-1", source=SOURCE, recipient=person.id)
    )

    body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": DATA}
    await tocsin.until_final(await named(tocsin, {**body, "delay": 2}))
    cancelled = await named(tocsin, {**body, "delay": 3600})
    assert (await tocsin.api.delete(f"/v1/notifications/{cancelled}")).status_code == 202
    await until(partial(has, tocsin, cancelled, "cancelled", "cancel_requested"), seconds=60, every=0.1)
    assert await has(tocsin, await put_off(tocsin, body), "deferred")
    await until(partial(redriven, tocsin), seconds=60, every=0.5)
    with witness(tocsin.stack["folder"], login_of(USERS["ledger witness"])) as url:
        await until(partial(sees, url), seconds=60, every=0.1)
    doctor = tocsin_command("doctor", "--json", env=login_of(NAMED[ADMINISTRATOR]))
    assert json.loads(doctor.stdout) == [], doctor.stderr
    assert refusals(broker)[before:] == []
