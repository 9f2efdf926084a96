"""`tocsin topics apply`: topics as the registry has them, and a start offset for every group; beside it the commands of `moving`."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final

import typer
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.cli import losses, moving
from tocsin.cli.output import print_json, print_table, refuse
from tocsin.contracts.topics import DAY_MS, DEFAULT_PARTITIONS, PRODUCERS, Topic, Topics
from tocsin.kafka import Admin, GroupSpec, KafkaFault, KafkaSettings, Plan, TopicSpec
from tocsin.runtime import About, Settings, load_settings
from tocsin.runtime.errors import ExitCode

app = typer.Typer(help="Topics and the start offsets of groups.", no_args_is_help=True)

FIXED: Final = "never: a topic keeps what it was made with"


class TopicSizes(Settings):
    """How large the topics are made."""

    model_config = SettingsConfigDict(env_prefix="TOPIC_", frozen=True)

    partitions: Annotated[
        int,
        About(
            unit="partitions",
            change=FIXED,
            danger="The most shards that a service can ever have; each costs brokers memory and files",
        ),
    ] = Field(default=DEFAULT_PARTITIONS, ge=1, description="Partitions of each lane's topics")
    replication_factor: Annotated[
        int,
        About(
            unit="copies",
            change=FIXED,
            danger="With 1 or 2 the loss of a broker can lose messages",
        ),
    ] = Field(default=3, ge=1, description="Copies of each partition")


class TopicsSettings(Settings):
    """What `tocsin topics apply` reads."""

    model_config = SettingsConfigDict(frozen=True)

    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="The brokers")
    topics: TopicSizes = Field(default_factory=TopicSizes, description="How large topics are made")


TOMBSTONE_MS = 7 * DAY_MS
"""How long compaction keeps a tombstone: whoever reads a compacted topic whole takes less time from its first record to its end."""


@app.callback()
def _group() -> None:
    """Topics and the start offsets of groups."""


app.command("drained")(moving.drained)
app.command("carry")(moving.carry)


@app.command()
def apply(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Partitions of each lane's topics; fixed once they exist. Without it TOPIC_PARTITIONS, else {DEFAULT_PARTITIONS}.",
        ),
    ] = None,
    replication_factor: Annotated[
        int | None,
        typer.Option(min=1, help="Copies of each partition. Without it TOPIC_REPLICATION_FACTOR, else 3."),
    ] = None,
    accept_loss: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP",
            help="Let this group, or `all`, read on with what is kept where its offset is kept no longer; leaves a dead letter.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Create what is missing, set what differs, give every group its start. Never changes a partition count.

    Offsets that are no longer kept are shown and left as they are, with exit code 3, until you accept what is lost.
    """
    settings = load_settings(TopicsSettings)
    applying = apply_registry(
        settings.kafka,
        partitions=partitions or settings.topics.partitions,
        replication_factor=replication_factor or settings.topics.replication_factor,
        dry_run=dry_run,
        accept_loss=accept_loss or (),
    )
    try:
        plan = asyncio.run(applying)
    except KafkaFault as fault:
        refuse(str(fault))
    if as_json:
        print_json(_as_json(plan))
    else:
        _print(plan, dry_run=dry_run)
    if plan.losses:
        raise typer.Exit(ExitCode.OPERATOR_MUST_ACT)


def spec_of(topic: Topic, *, partitions: int, replication_factor: int) -> TopicSpec:
    """The registry's topic as the broker should have it."""
    return TopicSpec(
        name=topic.name,
        partitions=topic.partitions or partitions,
        replication_factor=replication_factor,
        min_insync_replicas=2 if replication_factor >= 3 else 1,
        cleanup="compact" if topic.compacted else "delete",
        retention_ms=topic.retention_ms,
        delete_retention_ms=TOMBSTONE_MS if topic.compacted else None,
        segment_ms=topic.segment_ms,
        max_message_bytes=topic.max_message_bytes,
        uncompressed=PRODUCERS in topic.writers,
    )


async def apply_registry(
    settings: KafkaSettings,
    *,
    partitions: int,
    replication_factor: int,
    dry_run: bool = False,
    accept_loss: Sequence[str] = (),
) -> Plan:
    """Makes the broker's topics and groups what the registry says, and returns what that took. Its losses are those that nobody has
    accepted. Raises KafkaFault."""
    topics = Topics(settings.topic_prefix)
    specs = [
        spec_of(topic, partitions=partitions, replication_factor=replication_factor) for topic in topics.all()
    ]
    groups = [
        GroupSpec(group=group.name, topics=group.topics, read_back=group.outcome_topic, stored=group.stored)
        for group in topics.groups()
    ]
    admin = Admin(settings=settings)
    await admin.open()
    try:
        plan = await admin.plan(specs, groups)
        accepted = losses.chosen(plan.losses, accept_loss)
        if dry_run:
            return plan
        await admin.apply(plan)
        if accepted:
            await losses.accept(admin, accepted, groups, settings=settings)
        return replace(
            plan,
            losses=tuple(loss for loss in plan.losses if loss not in accepted),
            accepted=accepted,
        )
    finally:
        await admin.close()


def _print(plan: Plan, *, dry_run: bool) -> None:
    rows = [
        (
            change.action,
            change.spec.name,
            str(change.spec.partitions),
            ", ".join(f"{name}: {now or 'unset'} → {then}" for name, (now, then) in change.settings.items()),
        )
        for change in plan.changes
        if change.action != "same"
    ]
    if rows:
        print_table("Topics", ("action", "topic", "partitions", "settings"), rows)
    starts = Counter((start.action, start.group, start.topic) for start in plan.starts)
    if starts:
        print_table(
            "Start offsets",
            ("action", "group", "topic", "where"),
            [(*where, f"{count} partitions") for where, count in starts.items()],
        )
    if plan.accepted:
        losses.print_losses(plan.accepted, accepted=True)
    if plan.losses:
        losses.print_losses(plan.losses, accepted=False)
    if plan.empty:
        typer.echo("Nothing to do: topics and groups are as they should be.")
    elif dry_run:
        typer.echo("Dry run: nothing was changed.")


def _as_json(plan: Plan) -> dict[str, object]:
    return {
        "topics": [
            {"topic": change.spec.name, "action": change.action, "partitions": change.spec.partitions}
            | {
                "settings": {
                    name: {"now": now, "then": then} for name, (now, then) in change.settings.items()
                }
            }
            for change in plan.changes
        ],
        "starts": [
            {
                "action": start.action,
                "group": start.group,
                "topic": start.topic,
                "partition": start.partition,
                "offset": start.offset,
            }
            for start in plan.starts
        ],
        "losses": [losses.as_json(loss) for loss in plan.losses],
        "accepted": [losses.as_json(loss) for loss in plan.accepted],
    }
