"""The tables hold the timers of one topic prefix. Partitions of two prefixes have the same numbers, so two schedulers would fire each
other's timers, each once: every message twice."""

from collections.abc import Sequence
from typing import Any

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.database import Database
from tocsin.runtime import OperatorError
from tocsin.scheduler.migrations import SCHEMA

SERVICE = "scheduler"
_OTHERS = f"SELECT consumer_group FROM {SCHEMA}.positions WHERE consumer_group <> $1 AND consumer_group LIKE $2 LIMIT 1"  # noqa: S608 - the name of a schema of ours


async def require_own_timers(database: Database, topics: Topics, lanes: Sequence[Lane]) -> None:
    """Raise OperatorError when a scheduler with another prefix has kept timers of one of these lanes in these tables."""
    for lane in lanes:
        async with database.driver() as connection:
            await require_own_positions(connection, topics.group(SERVICE, lane), lane)


async def require_own_positions(connection: Any, group: str, lane: str) -> None:
    """Raise OperatorError when another group has kept positions of this lane in these tables."""
    suffix = f"{SERVICE}.{lane}"
    other = await connection.fetchval(_OTHERS, group, f"%{suffix}")
    if other is not None:
        former = other.removesuffix(suffix)
        raise OperatorError(
            f"The timers of lane {lane} in this database belong to the topic prefix {former!r}, and KAFKA_TOPIC_PREFIX is {group.removesuffix(suffix)!r}. "
            f"To move them here, stop the schedulers of that prefix and run `python -m tocsin.scheduler adopt {former}`; "
            "else give each prefix a database of its own."
        )
