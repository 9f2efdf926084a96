"""What tests share: a real broker and a real database, started once, named by the environment when they already run."""

import os
import uuid
from collections.abc import Iterator

import pytest

from tocsin.dev import KafkaServer, PostgresServer, create_database, drop_database


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Apache Kafka; `KAFKA_BOOTSTRAP_SERVERS` names one that already runs."""
    if address := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield address
        return
    with KafkaServer(tmp_path_factory.mktemp("kafka")) as server:
        yield server.bootstrap_servers


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real PostgreSQL with the right to create databases; `DATABASE_URL` names one that already runs."""
    if address := os.environ.get("DATABASE_URL"):
        yield address
        return
    with PostgresServer(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server.url


@pytest.fixture
def topic_prefix() -> str:
    """A topic prefix no other test uses, so that tests share a broker without meeting."""
    return f"t{uuid.uuid4().hex[:12]}."


@pytest.fixture
def database_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty database, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield create_database(postgres_server, name)
    drop_database(postgres_server, name)
