"""Offsets that are no longer kept: the table of what is lost, and the record that a person's consent leaves."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import typer

from tocsin.cli.output import print_table
from tocsin.contracts.dead_letters import DeadLetter
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Reason
from tocsin.kafka import GroupSpec, KafkaFault, KafkaSettings, Loss, ProducerRecord, Publisher
from tocsin.kafka.topics.admin import Admin
from tocsin.runtime import Health

EVERY_GROUP = "all"
PUBLISH_SECONDS = 30.0


def chosen(losses: Sequence[Loss], groups: Sequence[str]) -> tuple[Loss, ...]:
    """The losses that a person accepts. KafkaFault when a group that is named has none: a typing error must not pass for done."""
    with_losses = {loss.group for loss in losses}
    if unknown := sorted(set(groups) - with_losses - {EVERY_GROUP}):
        msg = f"Nothing is lost of group {', '.join(unknown)}. Groups with losses: {', '.join(sorted(with_losses)) or 'none'}."
        raise KafkaFault(msg)
    return tuple(loss for loss in losses if EVERY_GROUP in groups or loss.group in groups)


async def accept(
    admin: Admin, losses: Sequence[Loss], groups: Sequence[GroupSpec], *, settings: KafkaSettings
) -> None:
    """Let the groups read on with what is kept, and leave a dead letter for each loss. GroupAtWork when a group has members: nothing of
    that group is changed then, and no letter is written."""
    publisher = Publisher(settings=settings, health=Health(service="tocsin"))
    await publisher.open()
    try:
        for group in dict.fromkeys(loss.group for loss in losses):
            of_group = [loss for loss in losses if loss.group == group]
            await admin.accept(of_group, groups)
            letters = [dead_letter(loss, topics=Topics(settings.topic_prefix)) for loss in of_group]
            await publisher.publish(letters, timeout=PUBLISH_SECONDS)
    finally:
        await publisher.close()


def dead_letter(loss: Loss, *, topics: Topics) -> ProducerRecord:
    """The record that stays of a loss: a dead letter of the service that was to read it, or of the router for a service without dead
    letters of its own. The ledger keeps it."""
    service = next(group.service for group in topics.groups() if group.name == loss.group)
    name, number = loss.partition
    letter = DeadLetter(
        service=service,
        reason=Reason.OFFSET_NOT_KEPT,
        detail=f"Group {loss.group} was to read on at {loss.committed}; {name}/{number} kept {loss.kept.start} to {loss.kept.end}.",
        origin=f"{name}/{number}/{loss.committed}",
        at=datetime.now(UTC),
    )
    value = {
        "group": loss.group,
        "topic": name,
        "partition": number,
        "from": loss.committed,
        "to": loss.read_on_at,
        "records": loss.records,
    }
    own = topics.dead(service)
    has_own = any(topic.name == own for topic in topics.all())
    return ProducerRecord(
        own if has_own else topics.dead("router"), None, json.dumps(value).encode(), tuple(letter.headers())
    )


def print_losses(losses: Sequence[Loss], *, accepted: bool) -> None:
    """The table, and how to go on where nothing was accepted."""
    rows = [
        (
            loss.group,
            loss.partition.topic,
            str(loss.partition.partition),
            str(loss.committed),
            str(loss.kept.start),
            str(loss.kept.end),
            "unknown" if loss.records is None else str(loss.records),
        )
        for loss in losses
    ]
    title = "Accepted: read on with what is kept" if accepted else "Offsets no longer kept"
    print_table(title, ("group", "topic", "partition", "committed", "kept from", "kept to", "lost"), rows)
    if not accepted:
        groups = " ".join(f"--accept-loss {group}" for group in dict.fromkeys(loss.group for loss in losses))
        typer.echo(f"These groups do not read on until you accept what is lost: tocsin topics apply {groups}", err=True)  # fmt: skip


def as_json(loss: Loss) -> dict[str, object]:
    """A loss in the command's JSON."""
    return {
        "group": loss.group,
        "topic": loss.partition.topic,
        "partition": loss.partition.partition,
        "committed": loss.committed,
        "kept_from": loss.kept.start,
        "kept_to": loss.kept.end,
        "lost": loss.records,
    }
