"""What nobody ended: found once its time has passed, told by lane and by tenant, forgotten when its end comes late."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from prometheus_client import REGISTRY
from tests.integration.ledger.conftest import START, LedgerDatabase, TimelinesClient
from tests.integration.ledger.test_redrives_api import ended

from tocsin.contracts.statuses import RuleOutcome, StatusRecord
from tocsin.contracts.vocabulary import Lane, Outcome, StatusName
from tocsin.ledger.overdue import GRACE, OverdueSweep, unended

pytestmark = pytest.mark.postgres

HOUR = timedelta(hours=1)


def expiring(statuses: list[StatusRecord], after: timedelta = HOUR) -> list[StatusRecord]:
    """The same, and the decision says when the message dies."""
    decision, *rest = statuses
    rules = [RuleOutcome(rule="expiry", outcome="alive", input={"expires_at": START + after})]
    return [msgspec.structs.replace(decision, rules=rules), *rest]


class Sweeps:
    """A sweep over partition 0 of the bulk lane, at moments that the test names."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database
        self.read_until: Callable[[], datetime] = database.clock.now

    async def at(self, moment: datetime) -> int:
        """What the metric says after a sweep at this moment."""
        self._database.clock.set(moment)
        sweep = OverdueSweep(
            database=self._database.database, clock=self._database.clock, retention_days=30,
            read_until={Lane.BULK: lambda: {0: self.read_until()}},
        )  # fmt: skip
        await sweep.sweep()
        assert metric("critical") == metric("transactional") == 0
        return metric("bulk")


def metric(lane: str) -> int:
    return int(REGISTRY.get_sample_value("tocsin_overdue_notifications", {"lane": lane}) or 0)


@pytest.fixture
def sweeps(ledger_database: LedgerDatabase) -> Sweeps:
    return Sweeps(ledger_database)


async def test_what_nobody_ended_is_counted_and_listed_until_its_end_comes(
    timelines: TimelinesClient, sweeps: Sweeps, statuses_of: Any
) -> None:
    decision, sent = expiring(statuses_of("ann", "email"))
    await timelines.store(*expiring(statuses_of("bob", "email", "sms")), decision)
    assert await sweeps.at(START + HOUR) == 0
    assert await timelines.list(overdue=True) == []
    assert await sweeps.at(START + HOUR + GRACE) == 1
    assert [summary["recipient"] for summary in await timelines.list(overdue=True)] == ["ann"]
    assert await timelines.list(overdue=True, workflow="other") == []
    assert await timelines.list(overdue=True, key="other") == []
    assert await sweeps.at(START + 2 * HOUR) == 1
    await timelines.store(sent)
    assert await sweeps.at(START + 3 * HOUR) == 0
    assert await timelines.list(overdue=True) == []


@pytest.mark.parametrize("first_ends", [True, False])
async def test_each_delivery_needs_its_own_end(
    timelines: TimelinesClient, sweeps: Sweeps, statuses_of: Any, first_ends: bool
) -> None:
    decision, *sent = expiring(statuses_of("ann", "email", "sms"))
    await timelines.store(decision, sent[0 if first_ends else 1])
    assert await sweeps.at(START + 2 * HOUR) == 1
    await timelines.store(*sent)
    assert await sweeps.at(START + 3 * HOUR) == 0


async def test_the_end_of_a_former_use_of_the_id_does_not_count(
    timelines: TimelinesClient, sweeps: Sweeps, statuses_of: Any
) -> None:
    await timelines.store(*expiring(statuses_of("ann", "email")))
    again, _ = expiring(statuses_of("ann", "email", origin="events/0/2"))
    await timelines.store(again)
    assert await sweeps.at(START + 2 * HOUR) == 1


def scheduled(statuses: list[StatusRecord], due: timedelta, **fields: Any) -> StatusRecord:
    """The decision of `statuses`, made to wait; its message lives an hour from when it is due."""
    decision = expiring(statuses, due + HOUR)[0]
    return msgspec.structs.replace(
        decision, outcome=Outcome.SCHEDULED, channels=[], due_at=START + due, **fields
    )


async def test_what_waits_is_missed_only_when_it_was_not_decided_after_it_was_due(
    timelines: TimelinesClient, sweeps: Sweeps, statuses_of: Any
) -> None:
    due = timedelta(days=20)
    await timelines.store(scheduled(statuses_of("ann"), due), scheduled(statuses_of("bob"), due))
    assert await sweeps.at(START + due + HOUR) == 0
    turn = {"again": "turn", "cause": "intents/0/5"}
    await timelines.store(*expiring(statuses_of("ann", "email", **turn), due + HOUR))
    assert await sweeps.at(START + due + 2 * HOUR) == 1
    assert [summary["recipient"] for summary in await timelines.list(overdue=True)] == ["bob"]
    again = scheduled(statuses_of("bob", **turn), due + 3 * HOUR)
    await timelines.store(again)
    assert await sweeps.at(START + due + 3 * HOUR) == 0
    assert await sweeps.at(START + due + 5 * HOUR) == 1


async def test_what_was_planned_before_a_move_to_another_prefix_ends_there(
    timelines: TimelinesClient, sweeps: Sweeps, statuses_of: Any, log: Any, ledger_database: LedgerDatabase
) -> None:
    """There offsets begin anew: what was stored later counts, and what was stored before does not."""
    due = HOUR
    others = [scheduled(statuses_of(f"p{number}"), timedelta(days=9)) for number in range(5)]
    await timelines.store(*others, scheduled(statuses_of("ann"), due), scheduled(statuses_of("bob"), due))
    new = log(topic="new.status.bulk")
    turn = {"again": "turn", "cause": "new.intents/0/0"}
    later = [
        new.status(status, at=START + due + timedelta(seconds=number))
        for number, status in enumerate(
            [
                *expiring(statuses_of("ann", "email", **turn), due + HOUR),
                scheduled(statuses_of("bob", **turn), 3 * HOUR),
            ]
        )
    ]
    await ledger_database.table("new.ledger.bulk").apply([new.batch(*later, expected=None)])
    assert await sweeps.at(START + 3 * HOUR) == 0
    assert await sweeps.at(START + 5 * HOUR) == 1
    assert [summary["recipient"] for summary in await timelines.list(overdue=True)] == ["bob"]
    sent = expiring(statuses_of("bob", "email", again="turn", cause="newer.intents/0/0"), 4 * HOUR)
    newer = log(topic="newer.status.bulk")
    ends = [newer.status(status, at=START + 5 * HOUR) for status in sent]
    await ledger_database.table("newer.ledger.bulk").apply([newer.batch(*ends, expected=None)])
    assert await sweeps.at(START + 6 * HOUR) == 0


async def test_an_end_counts_also_where_the_clock_of_a_new_leader_is_behind(
    sweeps: Sweeps, statuses_of: Any, log: Any, ledger_database: LedgerDatabase
) -> None:
    planned = log(topic="status.bulk")
    records = [
        planned.status(scheduled(statuses_of("ann"), HOUR), at=START + timedelta(seconds=1)),
        *(
            planned.status(status, at=START + timedelta(milliseconds=500))
            for status in expiring(statuses_of("ann", "email", again="turn", cause="intents/0/5"), 2 * HOUR)
        ),
    ]
    await ledger_database.table("ledger.bulk").apply([planned.batch(*records, expected=None)])
    assert await sweeps.at(START + 5 * HOUR) == 0


async def test_what_was_put_off_and_expired_or_came_twice(
    timelines: TimelinesClient, sweeps: Sweeps, statuses_of: Any
) -> None:
    """The end of the notification is an end; that its event came a second time is none."""
    end, repeat = statuses_of("ann", cause="intents/0/5")[0], statuses_of("bob", origin="events/0/2")[0]
    expired = msgspec.structs.replace(end, outcome=Outcome.EXPIRED, again="turn")
    duplicate = msgspec.structs.replace(repeat, outcome=Outcome.DUPLICATE)
    waiting = [scheduled(statuses_of(name), HOUR) for name in ("ann", "bob")]
    await timelines.store(*waiting, expired, duplicate)
    assert await sweeps.at(START + 3 * HOUR) == 1
    assert [summary["recipient"] for summary in await timelines.list(overdue=True)] == ["bob"]


async def test_a_redriven_delivery_that_is_lost_is_missed_although_it_had_an_end_before(
    timelines: TimelinesClient, sweeps: Sweeps, statuses_of: Any
) -> None:
    decision, sent = expiring(statuses_of("ann", "email"), 2 * HOUR)
    failed = ended(StatusName.FAILED, sent)
    await timelines.store(decision, failed)
    again = expiring(statuses_of("ann", "email", again="redrive", cause="intents/0/5"), 2 * HOUR)[0]
    await timelines.store(msgspec.structs.replace(again, redrive=str(UUID(int=1))), days=1 / 24)
    assert await sweeps.at(START + 2 * HOUR) == 0
    assert await sweeps.at(START + 2 * HOUR + GRACE) == 1
    assert [summary["recipient"] for summary in await timelines.list(overdue=True)] == ["ann"]
    await timelines.store(msgspec.structs.replace(sent, cause="jobs/0/7"))
    assert await sweeps.at(START + 3 * HOUR) == 0


async def test_what_is_not_read_yet_is_not_missed(
    timelines: TimelinesClient, sweeps: Sweeps, statuses_of: Any
) -> None:
    """A ledger that is behind counts nothing: the end may be among what it has not read."""
    decision, sent = expiring(statuses_of("ann", "email"))
    await timelines.store(decision)
    sweeps.read_until = lambda: START + HOUR
    assert await sweeps.at(START + 2 * HOUR) == 0
    await timelines.store(sent)
    sweeps.read_until = lambda: START + 9 * HOUR
    assert await sweeps.at(START + 3 * HOUR) == 0


async def test_a_ledger_that_was_away_for_days_catches_up_step_by_step(
    timelines: TimelinesClient, sweeps: Sweeps, statuses_of: Any
) -> None:
    for number, after in enumerate((HOUR, 2 * HOUR, 60 * HOUR)):
        decision, _ = expiring(statuses_of(f"person-{number}", "email"), after)
        await timelines.store(decision)
    assert await sweeps.at(START + 61 * HOUR) == 3


async def test_without_a_time_in_its_rules_a_message_is_given_the_longest_life(
    timelines: TimelinesClient, sweeps: Sweeps, statuses_of: Any
) -> None:
    await timelines.store(statuses_of("ann", "email")[0])
    assert await sweeps.at(START + timedelta(days=6)) == 0
    assert await sweeps.at(START + timedelta(days=6) + GRACE) == 1


async def test_it_can_be_asked_about_a_moment_to_come(
    timelines: TimelinesClient, ledger_database: LedgerDatabase, statuses_of: Any
) -> None:
    """As the proving ground does: nothing is kept."""
    decision, sent = expiring(statuses_of("ann", "email"))
    await timelines.store(decision)
    async with ledger_database.database.driver() as connection:
        asked: dict[str, Any] = {"after": START, "until": START + timedelta(days=7)}
        (row,) = await unended(connection, Lane.BULK, **asked)
        assert str(row["notification_id"]) == decision.notification_id
        await timelines.store(sent)
        assert await unended(connection, Lane.BULK, **asked) == []
        assert await connection.fetch("SELECT 1 FROM ledger.overdue") == []
