"""Topics, their settings, and the start offsets of groups: what `tocsin topics apply` does."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code

from tocsin.kafka.client.aiokafka_internals import closed_unless_started
from tocsin.kafka.client.commits import CommittedOffset
from tocsin.kafka.client.connecting import no_broker_answers
from tocsin.kafka.client.offsets import Offsets
from tocsin.kafka.errors import KafkaFault
from tocsin.kafka.records import TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.topics.group_commits import GroupCommits
from tocsin.kafka.topics.plan import GroupSpec, Loss, Plan, StartOffset, TopicChange, TopicSpec, change_of

# DescribeConfigs: the setting was made on the topic itself, rather than inherited from the broker.
_SET_ON_TOPIC = 1
VISIBLE_SECONDS = 20.0


class Admin:
    """`open()` first, `close()` last. Everything is idempotent."""

    def __init__(self, *, settings: KafkaSettings) -> None:
        self._settings = settings
        self._offsets = Offsets(settings=settings)
        self._commits = GroupCommits(settings=settings, offsets=self._offsets)
        self._client: AIOKafkaAdminClient | None = None

    async def open(self) -> None:
        """Connect; KafkaFault when no broker answers."""
        await self._offsets.open()
        client = AIOKafkaAdminClient(**self._settings.client_options())
        self._client = client
        try:
            with closed_unless_started():
                await client.start()
        except KafkaError as exc:
            await self.close()
            raise no_broker_answers(exc) from exc

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        await self._offsets.close()

    async def plan(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec] = ()) -> Plan:
        """What `apply` would do. PlanRefused when a topic exists with another number of partitions, KafkaFault when no broker answers.

        A start offset is missing where a group has committed nothing; it will be the first offset kept. The
        offsets of a topic that the plan creates begin at 0. A commit that is no longer kept is a loss.
        """
        try:
            return await self._plan(topics, groups)
        except KafkaError as exc:
            raise no_broker_answers(exc) from exc

    async def _plan(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec]) -> Plan:
        existing = await self._offsets.topics()
        counts = {
            spec.name: await self._offsets.partitions(spec.name) if spec.name in existing else None
            for spec in topics
        }
        now = await self._settings_of([spec.name for spec in topics if spec.name in existing])
        changes = tuple(
            change_of(spec, partitions=counts[spec.name], settings=now.get(spec.name, {})) for spec in topics
        )
        planned = {topic.name: topic.partitions for topic in topics}
        starts: list[StartOffset] = []
        losses: list[Loss] = []
        for group in groups:
            to_write, lost = await self._commits.look(group, existing=existing, planned=planned)
            starts += to_write
            losses += lost
        return Plan(changes=changes, starts=tuple(starts), losses=tuple(losses))

    async def apply(self, plan: Plan) -> None:
        """Do it: create topics, change settings, write start offsets and repairs. Returns once all can be seen. Losses stay as they are.
        GroupAtWork when a group has members."""
        await self._create([change.spec for change in plan.changes if change.action == "create"])
        for change in plan.changes:
            if change.action == "configure":
                await self._configure(change)
        await self._until_seen([change.spec for change in plan.changes if change.action != "same"])
        await self._commits.write(plan.starts)

    async def accept(self, losses: Sequence[Loss], groups: Sequence[GroupSpec]) -> None:
        """Let the groups of these losses read on with what is kept. GroupAtWork when a group has members."""
        await self._commits.accept(losses, groups)

    async def commit(self, group: str, commits: Mapping[TopicPartition, CommittedOffset]) -> None:
        """Let the group go on there. GroupAtWork when it has members."""
        await self._commits.commit(group, commits)

    async def delete_topics(self, names: Sequence[str]) -> None:
        """Remove topics that exist; for tests and development."""
        there = sorted(set(names) & await self._offsets.topics())
        if there:
            response = await self._open.delete_topics(there)
            for name, code, *_ in response.topic_error_codes:
                _raise_for(code, f"Topic {name} could not be deleted")

    # Looking

    async def _settings_of(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """What is set on each topic itself. Of a topic that the broker asked has not heard of yet, nothing."""
        if not names:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        settings: dict[str, dict[str, str]] = {}
        for response in await self._open.describe_configs(resources):
            for code, message, _, name, entries in response.resources:
                if code == UnknownTopicOrPartitionError.errno:
                    continue
                _raise_for(code, f"The settings of {name} could not be read ({message})")
                settings[name] = {entry[0]: entry[1] for entry in entries if entry[3] == _SET_ON_TOPIC}
        return settings

    # Doing

    async def _create(self, specs: Sequence[TopicSpec]) -> None:
        if not specs:
            return
        topics = [
            NewTopic(
                name=spec.name,
                num_partitions=spec.partitions,
                replication_factor=spec.replication_factor,
                topic_configs=spec.settings,
            )
            for spec in specs
        ]
        response = await self._open.create_topics(topics)
        for name, code, message in response.topic_errors:
            _raise_for(code, f"Topic {name} could not be created ({message})")

    async def _until_seen(self, specs: Sequence[TopicSpec]) -> None:
        """A broker answers before it has heard from the controller itself."""
        expected = {spec.name: spec.settings for spec in specs}

        async def seen() -> bool:
            if not expected.keys() <= await self._offsets.topics():
                return False
            now = await self._settings_of(list(expected))
            return all(
                name in now and settings.items() <= now[name].items() for name, settings in expected.items()
            )

        try:
            async with asyncio.timeout(VISIBLE_SECONDS):
                while not await seen():  # noqa: ASYNC110 - a broker tells nobody what it has heard
                    await asyncio.sleep(0.05)
        except TimeoutError as exc:
            msg = f"What was done to {', '.join(sorted(expected))} could not be seen within {VISIBLE_SECONDS:g} s."
            raise KafkaFault(msg) from exc

    async def _configure(self, change: TopicChange) -> None:
        """The request replaces all settings of a topic, so what others set on it is sent along."""
        name = change.spec.name
        now = await self._settings_of([name])
        then = now.get(name, {}) | change.spec.settings
        responses = await self._open.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, configs=then)]
        )
        for response in responses:
            for code, message, *_ in response.resources:
                _raise_for(code, f"The settings of {name} could not be changed ({message})")

    @property
    def _open(self) -> Any:
        if self._client is None:
            raise RuntimeError("Admin is used before open()")
        return self._client


def _raise_for(code: int, what: str) -> None:
    if code:
        raise KafkaFault(f"{what}: {for_code(code).__name__}.")
