"""The rights that `tocsin acls --commands` gives, on a broker that refuses everything else."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.authority import make_authority

from tocsin.cli.acl_commands import ADMINISTRATOR, PRODUCERS, READERS, user_of
from tocsin.cli.acls import matrix
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.kafka import KafkaServer
from tocsin.dev.kafka_jars import jars, java
from tocsin.dev.kafka_settings import Secured

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.java, pytest.mark.nightly]

HERE = Path(__file__).with_name("acls")
PASSWORD = "a-test"
NAMED = {PRODUCERS: "shop", READERS: "reader", ADMINISTRATOR: "tocsin-admin"}
"""Whom only the one who runs an installation can name."""
USERS = {rule.principal: NAMED.get(rule.principal, user_of(rule.principal).removeprefix("User:")) for rule in matrix(Topics())}  # fmt: skip
STRANGER = "stranger"
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
