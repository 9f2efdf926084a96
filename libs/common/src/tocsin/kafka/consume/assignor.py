"""Who gets which shard: all partitions of a shard, over all topics of the group, go to one member.

A shard is a fixed set of partition numbers (``partition % shards``) and the unit of ownership in a lane.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from tocsin.kafka.errors import PartitionsUnequal


def shard_of(partition: int, shards: int) -> int:
    """The shard that a partition number belongs to, in every topic of the lane."""
    return partition % shards


def share_shards(shards: int, held: Mapping[str, Iterable[int]]) -> dict[str, list[int]]:
    """Shards 0 to ``shards`` - 1 over the members: counts differ by one at most, and each member keeps what it held as
    far as that allows. The same answer for the same input, whichever member computes it."""
    base, extra = divmod(shards, len(held))
    most_first = sorted(held, key=lambda member: (-len(set(held[member])), member))
    quotas = {member: base + (place < extra) for place, member in enumerate(most_first)}
    free = set(range(shards))
    shares: dict[str, list[int]] = {}
    for member in most_first:
        shares[member] = sorted(free & set(held[member]))[: quotas[member]]
        free -= set(shares[member])
    for member in most_first:
        given = sorted(free)[: quotas[member] - len(shares[member])]
        shares[member] = sorted(shares[member] + given)
        free -= set(given)
    return shares


class ShardClaim(msgspec.Struct, frozen=True):
    """What each member tells the leader: how many shards it counts, and which it held last."""

    # What members tell each other keeps its name: all would have to change at once.
    shards: int = msgspec.field(name="slots")
    held: list[int] = []


class _Cluster(Protocol):
    def partitions_for_topic(self, topic: str) -> set[int] | None: ...


class ShardAssignor(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's assignor for one member of one group. ``refusal`` holds why this leader refused to assign:
    aiokafka passes only its text on."""

    name = "tocsin-slots"  # members agree on the assignor by its name, so it stays

    def __init__(self, *, shards: int) -> None:
        self._shards = shards
        self.held: list[int] = []
        self.refusal: PartitionsUnequal | None = None

    def metadata(self, topics: Iterable[str]) -> Any:
        """What this member tells the leader."""
        claim = msgspec.json.encode(ShardClaim(self._shards, self.held))
        return ConsumerProtocolMemberMetadata(0, sorted(topics), claim)

    def assign(self, cluster: _Cluster, members: Mapping[str, Any]) -> dict[str, Any]:
        """Done by the leader for all. PartitionsUnequal when members disagree, or topics differ in partitions."""
        try:
            return self._assign(cluster, members)
        except PartitionsUnequal as refusal:
            self.refusal = refusal
            raise

    def _assign(self, cluster: _Cluster, members: Mapping[str, Any]) -> dict[str, Any]:
        claims = {member: _claim(metadata.user_data) for member, metadata in members.items()}
        counts = sorted({claim.shards for claim in claims.values()})
        if counts != [self._shards]:
            msg = (
                f"The members of this group count {' and '.join(map(str, counts))} shards; the number of shards is "
                "fixed: stop the members with the wrong number, or all of them, before you change it."
            )
            raise PartitionsUnequal(msg)
        topics = sorted({topic for metadata in members.values() for topic in metadata.subscription})
        count = equal_count({topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics})
        shares = share_shards(self._shards, {member: claim.held for member, claim in claims.items()})
        return {
            member: ConsumerProtocolMemberAssignment(
                0,
                [
                    (
                        topic,
                        [
                            number
                            for number in range(count)
                            if shard_of(number, self._shards) in shares[member]
                        ],
                    )
                    for topic in sorted(metadata.subscription)
                ],
                b"",
            )
            for member, metadata in members.items()
        }

    def on_assignment(self, assignment: Any) -> None:
        """Remember what is held, so that the next assignment can leave it here."""
        self.held = sorted(
            {shard_of(number, self._shards) for _, numbers in assignment.assignment for number in numbers}
        )


def _claim(user_data: bytes) -> ShardClaim:
    try:
        return msgspec.json.decode(user_data, type=ShardClaim)
    except msgspec.DecodeError as exc:
        msg = (
            "A member of this group does not say how many shards it counts: it is no member of ours; stop it."
        )
        raise PartitionsUnequal(msg) from exc


def equal_count(counts: Mapping[str, int]) -> int:
    """The one number of partitions all topics have; PartitionsUnequal, naming each, when there is no such number."""
    distinct = set(counts.values())
    if len(distinct) == 1 and 0 not in distinct:
        return distinct.pop()
    listed = ", ".join(f"{topic}: {count}" for topic, count in counts.items())
    msg = (
        f"Topics of one group must have the same number of partitions ({listed}). A topic's number stays: set KAFKA_TOPIC_PREFIX to a "
        "prefix that is not used yet, and run `tocsin topics apply`, which makes all topics alike."
    )
    raise PartitionsUnequal(msg)
