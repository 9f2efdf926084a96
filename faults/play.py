"""Playing one scenario: load and harm, the wait for the last message, and the verdict."""

import asyncio
import time
from collections import defaultdict
from uuid import UUID

import asyncpg
import msgspec

import log_lines
from checker import Evidence, Findings, examine
from endings import Endings
from ground import Exit, Ground
from load import Load, Sent
from overdue import without_end
from scenario import Run, Scenario

_LOOK_EVERY = 0.25  # seconds
_STORED = "SELECT notification_id, status_id FROM ledger.statuses WHERE kind <> 'target' AND notification_id = ANY($1)"


class Row(msgspec.Struct, kw_only=True):
    """One row of the table, as `build/faults.json` has it."""

    scenario: str
    about: str
    seconds: float
    """The whole run took."""
    bound: int
    """So many duplicates are allowed."""
    findings: Findings | None
    """None where the run could not be played."""
    busiest_minute: dict[str, int]
    """By process: log lines."""
    exits: list[str]
    """Processes that ended without being asked to: name, exit code (a signal as a negative number), and their last error."""
    notes: list[str]
    red: list[str]
    """Why the run is red, a sentence each; empty where it is green."""
    late: list[str]
    """What took too long: red as well, on a machine with a free core."""


class Stage:
    """A ground with its load and its readers, on which one scenario is played after the other."""

    def __init__(self, ground: Ground, endings: Endings) -> None:
        self._ground = ground
        self._endings = endings
        self._load = Load(ground)

    async def play(self, scenario: Scenario) -> Row:
        """The row. What the scenario raises is a sentence in it."""
        began = time.time()
        ground, logs = self._ground, [instance.log for instance in self._ground.instances.values()]
        await ground.run(scenario.instances)
        sizes, exits = log_lines.sizes(logs), len(ground.exits)
        run = Run(ground, self._load, self._endings)
        findings: Findings | None = None
        try:
            await scenario.play(run)
            evidence = await self._finish(run, scenario.patience)
            findings = examine(evidence)
            run.expect(
                not (overdue := await self._overdue(evidence)),
                f"{overdue} notifications would be counted as overdue once their time had passed.",
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, this scenario is red and the next one is played
            run.complaints.append(f"It could not be played: {_in_words(error)}")
        busiest = log_lines.busiest_minutes(
            {instance.log: instance.starts for instance in ground.instances.values()}, sizes
        )
        own = [self._in_words(end) for end in ground.exits[exits:] if not end.asked]
        red = [*run.complaints, *_red(findings, run, scenario, busiest)]
        return Row(
            scenario=scenario.name, about=scenario.about, seconds=time.time() - began, bound=run.duplicates if run.exactly is None else run.exactly,
            findings=findings, busiest_minute={name: count for name, count in busiest.items() if count},
            exits=own, notes=run.notes, red=red, late=[*run.delays, *_late(findings, scenario)],
        )  # fmt: skip

    def _in_words(self, ended: Exit) -> str:
        if ended.code < 0:
            return f"{ended.name} {ended.code}"
        log = next(
            instance.log for instance in self._ground.instances.values() if instance.name == ended.name
        )
        return f"{ended.name} {ended.code}, {log_lines.last_error(log, ended.at)[:120] or 'without a word'}"

    async def _finish(self, run: Run, patience: float) -> Evidence:
        """Returns once every message has ended and the ledger has all of it, or when patience has ended."""
        sent = [message for message in run.sent if message.notification not in run.given_up]
        deadline = time.monotonic() + patience
        while True:
            self._endings.check()
            stored = await self._stored(sent) if self._all_ended(sent) else {}
            evidence = Evidence(
                sent=sent, taken=run.taken, final=dict(self._endings.final), deferred=set(self._endings.deferred),
                recorded=dict(self._endings.ids), stored=stored, faults=run.faults,
            )  # fmt: skip
            if time.monotonic() > deadline or _complete(evidence):
                return evidence
            await asyncio.sleep(_LOOK_EVERY)

    def _all_ended(self, sent: list[Sent]) -> bool:
        return all(self._endings.final.get(message.notification) for message in sent)

    async def _overdue(self, evidence: Evidence) -> int:
        """How many of those that were sent the ledger would count, if it were a week later now. 0 where it has not all of them yet: that is
        red for another reason."""
        if not _complete(evidence):
            return 0
        sent = {message.notification for message in evidence.sent}
        return len(await without_end(self._ground.database) & sent)

    async def _stored(self, sent: list[Sent]) -> dict[str, set[str]]:
        """By notification: the ids of its rows in the ledger. Empty while the database is away."""
        stored: dict[str, set[str]] = defaultdict(set)
        try:
            connection = await asyncpg.connect(self._ground.database)
        except (OSError, asyncpg.PostgresError):
            return stored
        try:
            for row in await connection.fetch(_STORED, [UUID(message.notification) for message in sent]):
                stored[str(row[0])].add(str(row[1]))
        finally:
            await connection.close()
        return stored


def _in_words(error: BaseException) -> str:
    """Of a group: the first of those in it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _complete(evidence: Evidence) -> bool:
    return all(
        evidence.final.get(message.notification)
        and set(evidence.recorded[message.notification]) == set(evidence.stored.get(message.notification, ()))
        for message in evidence.sent
    )


def _red(findings: Findings | None, run: Run, scenario: Scenario, busiest: dict[str, int]) -> list[str]:
    loud = {name: count for name, count in busiest.items() if count > log_lines.MOST}
    red = [f"{name} logged {count} lines in a minute." for name, count in loud.items()]
    if findings is None:
        return red
    must_be_none = {
        "lost": findings.lost,
        "handed over out of order": findings.out_of_order,
        "without an ending": findings.unfinished,
        "with two endings": findings.two_endings,
        "statuses missing in the ledger": findings.ledger_missing,
        "rows of the ledger without a status": findings.ledger_extra,
    }
    red += [f"{count} {what}." for what, count in must_be_none.items() if count]
    if run.exactly is not None and findings.duplicates != run.exactly:
        red.append(f"{findings.duplicates} duplicates, and {run.exactly} were foretold.")
    elif run.exactly is None and findings.duplicates > run.duplicates:
        red.append(f"{findings.duplicates} duplicates, {run.duplicates} allowed.")
    if findings.ends and not scenario.ends:
        red.append(f"Ended otherwise than sent: {findings.ends}.")
    if not findings.sent:
        red.append("Nothing was sent.")
    return red


def _late(findings: Findings | None, scenario: Scenario) -> list[str]:
    if findings is None or scenario.recovery is None or (findings.recovery or 0) <= 2 * scenario.recovery:
        return []
    return [
        f"A critical message waited {findings.recovery:.1f} s; twice {scenario.recovery:g} s are allowed."
    ]
