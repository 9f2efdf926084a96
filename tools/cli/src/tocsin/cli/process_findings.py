"""What is wrong with one process, told from its readiness and from two looks at its metrics. The bounds are those of the alerts."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tocsin.cli.findings import Finding
from tocsin.cli.samples import Samples, risen
from tocsin.contracts.vocabulary import Lane, Reason

CHANGE_SECONDS: Final = 20
IMPORT_SECONDS: Final = 60
STUCK_SECONDS: Final = 20
"""A transaction ends after ten seconds at the latest, whatever becomes of its owner."""
TIMER_SECONDS: Final = 30
COPY_SECONDS: Final = 30
POISON_A_SECOND: Final = 1.0
PRODUCER_SHARE: Final = 0.8
_NOT_A_PROVIDERS_FAULT: Final = (Reason.RECHECK, Reason.SET_ASIDE)


def of_readiness(process: str, body: Mapping[str, Any]) -> Iterator[Finding]:
    """What `/readyz` of a process says does not hold."""
    for check in body.get("checks", []):
        if not check["ready"]:
            yield Finding(
                what=f"{process} is not ready, {check['name']}: {check['reason']}.",
                remedy=f"what the reason says; else the last lines of its log, and {process}/livez",
                runbook="TocsinNotReady",
            )


def of_metrics(process: str, before: Samples, after: Samples, *, seconds: float) -> Iterator[Finding]:
    """What its numbers say is wrong; between the two looks lie so many seconds."""
    yield from _dead_letters(process, before, after, seconds)
    yield from _providers(process, after)
    yield from _changes(process, before, after)
    yield from _standing_still(process, after)


def _dead_letters(process: str, before: Samples, after: Samples, seconds: float) -> Iterator[Finding]:
    refused: dict[str, float] = defaultdict(float)
    reasons: dict[str, set[str]] = defaultdict(set)
    for labels, count in risen(before, after, "tocsin_dead_letters_total"):
        if labels["reason"] == Reason.RECORD_UNREADABLE:
            yield Finding(
                what=f"{process} meets records of {labels['lane']} that only Tocsin writes, and cannot read them.",
                remedy="which release wrote them: tocsin_build_info; who else may write there: tocsin acls",
                runbook="TocsinUnreadableRecords",
            )
        else:
            refused[labels["lane"]] += count
            reasons[labels["lane"]].add(labels["reason"])
    for lane, count in refused.items():
        yield Finding(
            what=f"{process} refuses {count / seconds:.1f} records of {lane} a second: {', '.join(sorted(reasons[lane]))}.",
            remedy="tocsin dead, which names the source, and tell the producer",
            runbook="TocsinPoison" if count / seconds > POISON_A_SECOND else "TocsinDeadLetters",
        )


def _providers(process: str, now: Samples) -> Iterator[Finding]:
    paused = any(now.over("tocsin_paused", 0))
    put_off = any(
        labels["reason"] not in _NOT_A_PROVIDERS_FAULT for labels, _ in now.over("tocsin_deferrals_total", 0)
    )
    if paused or (put_off and any(now.over("tocsin_no_provider_works", 0))):
        yield Finding(
            what=f"{process} {'reads no more' if paused else 'has put messages off'}, as none of its providers works.",
            remedy="last_error in /internal/providers, then the providers file",
            runbook="TocsinChannelDown",
        )
    opened: dict[tuple[str, str], float] = defaultdict(float)
    for labels, count in now.over("tocsin_breakers", 0):
        opened[labels["channel"], labels["provider"]] += count
    for (channel, provider), count in opened.items():
        credentials = now.total("tocsin_breaker_openings_total", channel=channel, provider=provider, cause="credentials")  # fmt: skip
        yield Finding(
            what=f"{provider} ({channel}) {'refuses our credentials' if credentials else 'does not work'}: {count:.0f} of its breakers are not closed.",
            remedy="last_error in /internal/providers, the provider's status page, and its credentials",
            runbook="TocsinCredentialsRefused" if credentials else "TocsinProviderDown",
        )


def _changes(process: str, before: Samples, after: Samples) -> Iterator[Finding]:
    published = any(
        labels["kind"] in {"directory", "stops"}
        for labels, _ in risen(before, after, "tocsin_produced_records_total")
    )
    for labels, age in after.of("tocsin_directory_outbox_age_seconds"):
        of_import = labels.get("change") == "import"
        if age > (IMPORT_SECONDS if of_import else CHANGE_SECONDS) and not (of_import and published):
            yield Finding(
                what=f"{process} has not published a change of the directory for {age:,.0f} s, so revoked keys and opt-outs may still count.",
                remedy="look at which router holds the relay's lock, and at locks in PostgreSQL",
                runbook="TocsinOutboxOld",
            )
    for labels, age in after.over("tocsin_copy_age_seconds", COPY_SECONDS):
        yield Finding(
            what=f"The copy of {labels['kind']} in {process} is {age:,.0f} s old: optional messages wait.",
            remedy="look whether it reaches the broker, and whether the router publishes",
            runbook="TocsinCopyOld",
        )


def _standing_still(process: str, now: Samples) -> Iterator[Finding]:
    for labels, age in now.over("tocsin_last_stable_offset_age_seconds", STUCK_SECONDS):
        yield Finding(
            what=f"A transaction has been open for {age:,.0f} s in {labels['kind']} of {labels['lane']}, partition {labels['partition']}.",
            remedy="kafka-transactions.sh describe-producers, and whether the owner of its transactional id lives",
            runbook="TocsinStuckPartition",
        )
    for labels, age in now.over("tocsin_oldest_due_timer_seconds", TIMER_SECONDS):
        if labels["lane"] != Lane.BULK:
            yield Finding(
                what=f"What was due on {labels['lane']} has waited for {age:,.0f} s in {process}.",
                remedy="look at the scheduler's readiness and its database",
                runbook="TocsinTimersLate",
            )
    for labels, count in now.over("tocsin_unusable_offsets", 0):
        yield Finding(
            what=f"{process} waits on {labels['lane']} until you say where to read on: {count:.0f} offsets are of no use.",
            remedy="tocsin topics apply",
            runbook="TocsinUnusableOffsets",
        )
    held = now.total("tocsin_producer_buffered_bytes")
    limit = now.total("tocsin_producer_buffered_limit_bytes")
    if limit and held / limit > PRODUCER_SHARE:
        yield Finding(
            what=f"Kafka takes less than {process} writes: its producer is {held / limit:.0%} full.",
            remedy="look at the brokers: disks, leaders, and how long requests take",
            runbook="TocsinProducerFull",
        )
