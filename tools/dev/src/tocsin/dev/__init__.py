"""The local stack: a real Apache Kafka, a real PostgreSQL and every service on free ports."""

from tocsin.dev.errors import LocalStackError, MissingTool, StartFailed
from tocsin.dev.kafka import KafkaServer
from tocsin.dev.kafka_cluster import KafkaCluster
from tocsin.dev.postgres import PostgresServer, create_database, drop_database, run_sql

__all__ = [
    "KafkaCluster",
    "KafkaServer",
    "LocalStackError",
    "MissingTool",
    "PostgresServer",
    "StartFailed",
    "create_database",
    "drop_database",
    "run_sql",
]
