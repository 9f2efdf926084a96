"""A ground on which an installation moves to another topic prefix with more partitions."""

from collections.abc import Mapping

from reached import REACHED
from tocsin.contracts.topics import DEFAULT_PREFIX, Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.installation import topics_apply
from twin_ground import TwinGround

FORMER, NEW = DEFAULT_PREFIX, "tocsin12."
PARTITIONS, SHARDS = 12, 4


class MovingGround(TwinGround):
    """The first set has the usual prefix and its few partitions, the second the new prefix; broker and database are the same. The new topics
    are there from the beginning, and empty."""

    @property
    def of_second(self) -> Mapping[str, str]:
        """The other prefix, and more shards."""
        services = ("ROUTER", "SCHEDULER", *(f"DISPATCH_{channel.upper()}" for channel in REACHED))
        return {"KAFKA_TOPIC_PREFIX": NEW, **{f"{name}_SHARDS": str(SHARDS) for name in services}}

    @property
    def status_topics(self) -> Mapping[str, int]:
        """Those of both prefixes."""
        return {**super().status_topics, **{Topics(NEW).status(lane): PARTITIONS for lane in Lane}}

    async def _open(self) -> None:
        await super()._open()
        await self.command_of_second(*topics_apply(partitions=PARTITIONS))
