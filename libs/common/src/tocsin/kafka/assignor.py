"""Who gets which slot: all partitions of a slot, over all topics of the group, go to one member."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from tocsin.kafka.errors import PartitionsUnequal
from tocsin.kafka.slots import slot_of


class _Cluster(Protocol):
    def partitions_for_topic(self, topic: str) -> set[int] | None: ...


class SlotClaim(msgspec.Struct, frozen=True):
    """What each member tells the leader: how many slots it believes in, and which it held last."""

    slots: int
    held: list[int] = []


def share_slots(slots: int, held: Mapping[str, Iterable[int]]) -> dict[str, list[int]]:
    """Slots 0 to ``slots`` - 1 over the members, differing by one at most; each keeps what it held as far as
    that is balanced. The same answer for the same input, whichever member computes it."""
    base, extra = divmod(slots, len(held))
    kept: dict[str, list[int]] = {}
    free = set(range(slots))
    by_holding = sorted(held, key=lambda member: (-len(set(held[member])), member))
    for member in by_holding:
        quota = base + (1 if extra and len(set(held[member]) & free) > base else 0)
        kept[member] = sorted(set(held[member]) & free)[:quota]
        extra -= 1 if len(kept[member]) > base else 0
        free -= set(kept[member])
    for member in sorted(held, key=lambda member: (len(kept[member]), member)):
        while free and len(kept[member]) < base:
            kept[member].append(_lowest(free))
    for member in sorted(held, key=lambda member: (len(kept[member]), member)):
        if free:
            kept[member].append(_lowest(free))
    return {member: sorted(numbers) for member, numbers in kept.items()}


def _lowest(free: set[int]) -> int:
    number = min(free)
    free.remove(number)
    return number


class SlotAssignor(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's assignor for one member of one group. ``refusal`` holds why this leader refused to assign:
    aiokafka passes only its text on."""

    name = "tocsin-slots"

    def __init__(self, *, slots: int) -> None:
        self._slots = slots
        self.held: list[int] = []
        self.refusal: PartitionsUnequal | None = None

    def metadata(self, topics: Iterable[str]) -> Any:
        """What this member tells the leader."""
        claim = msgspec.json.encode(SlotClaim(self._slots, self.held))
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
        self._check_claims(claims)
        count = _partition_count(cluster, members)
        shares = share_slots(self._slots, {member: claim.held for member, claim in claims.items()})
        return {
            member: _assignment(members[member].subscription, numbers, self._slots, count)
            for member, numbers in shares.items()
        }

    def _check_claims(self, claims: Mapping[str, SlotClaim]) -> None:
        counts = sorted({claim.slots for claim in claims.values()})
        if counts != [self._slots]:
            msg = (
                f"The members of this group count {' and '.join(map(str, counts))} slots; the number of slots is "
                "fixed: stop the members with the wrong number, or all of them, before you change it."
            )
            raise PartitionsUnequal(msg)

    def on_assignment(self, assignment: Any) -> None:
        """Remember what is held, so that the next assignment can leave it here."""
        self.held = sorted(
            {slot_of(number, self._slots) for _, numbers in assignment.assignment for number in numbers}
        )


def _claim(user_data: bytes) -> SlotClaim:
    try:
        return msgspec.json.decode(user_data, type=SlotClaim)
    except msgspec.DecodeError as exc:
        msg = (
            "A member of this group does not say how many slots it counts: it is no member of ours; stop it."
        )
        raise PartitionsUnequal(msg) from exc


def _partition_count(cluster: _Cluster, members: Mapping[str, Any]) -> int:
    topics = sorted({topic for metadata in members.values() for topic in metadata.subscription})
    counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
    return equal_count(counts)


def equal_count(counts: Mapping[str, int]) -> int:
    """The one number of partitions all topics have; PartitionsUnequal, naming each, when there is no such number."""
    distinct = set(counts.values())
    if len(distinct) == 1 and 0 not in distinct:
        return distinct.pop()
    listed = ", ".join(f"{topic}: {count}" for topic, count in counts.items())
    msg = (
        f"Topics of one group must have the same number of partitions ({listed}); see `tocsin topics apply`."
    )
    raise PartitionsUnequal(msg)


def _assignment(topics: Iterable[str], numbers: Iterable[int], slots: int, count: int) -> Any:
    held = set(numbers)
    partitions: dict[str, list[int]] = defaultdict(list)
    for topic in sorted(topics):
        partitions[topic] = [number for number in range(count) if slot_of(number, slots) in held]
    return ConsumerProtocolMemberAssignment(0, list(partitions.items()), b"")
