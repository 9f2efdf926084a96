import msgspec
import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kafka import PartitionsUnequal
from tocsin.kafka.consume.assignor import ShardAssignor, shard_of, share_shards

members = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3), st.frozensets(st.integers(0, 15)), min_size=1, max_size=6
)


class Cluster:
    def __init__(self, **counts: int) -> None:
        self._counts = counts

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._counts[topic])) if topic in self._counts else None


@given(st.integers(1, 16), members)
def test_every_shard_has_one_owner_and_shares_differ_by_one(shards, held):
    shares = share_shards(shards, held)
    assert sorted(number for numbers in shares.values() for number in numbers) == list(range(shards))
    sizes = [len(numbers) for numbers in shares.values()]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 16), members)
def test_what_is_balanced_stays_where_it_is(shards, held):
    shares = share_shards(shards, held)
    assert share_shards(shards, shares) == shares


def test_a_newcomer_takes_no_more_than_its_share():
    assert share_shards(4, {"old": {0, 1, 2, 3}, "new": set()}) == {"old": [0, 1], "new": [2, 3]}
    assert share_shards(2, {"a": {1}, "b": {0}, "c": set()}) == {"a": [1], "b": [0], "c": []}


def test_a_shard_is_the_partition_number_modulo_the_number_of_shards():
    assert [shard_of(partition, 4) for partition in range(6)] == [0, 1, 2, 3, 0, 1]


def joined(*assignors: ShardAssignor, topics=("x", "y")) -> dict[str, ConsumerProtocolMemberMetadata]:
    return {f"m{place}": assignor.metadata(topics) for place, assignor in enumerate(assignors)}


def test_a_shard_is_the_same_partitions_of_every_topic():
    first, second = ShardAssignor(shards=2), ShardAssignor(shards=2)
    assigned = first.assign(Cluster(x=5, y=5), joined(first, second))
    assert assigned["m0"].assignment == [("x", [0, 2, 4]), ("y", [0, 2, 4])]
    assert assigned["m1"].assignment == [("x", [1, 3]), ("y", [1, 3])]
    second.on_assignment(assigned["m1"])
    assert msgspec.json.decode(second.metadata(["x"]).user_data) == {"slots": 2, "held": [1]}


@pytest.mark.parametrize(
    ("others", "cluster", "sentence"),
    [
        (ShardAssignor(shards=3), Cluster(x=4, y=4), "count 2 and 3 shards"),
        (ShardAssignor(shards=2), Cluster(x=4, y=5), "x: 4, y: 5"),
        (ShardAssignor(shards=2), Cluster(x=4), "y: 0"),
    ],
)
def test_the_leader_refuses(others, cluster, sentence):
    leader = ShardAssignor(shards=2)
    with pytest.raises(PartitionsUnequal, match=sentence):
        leader.assign(cluster, joined(leader, others))
    assert sentence in str(leader.refusal)


def test_a_foreign_member_is_refused():
    leader = ShardAssignor(shards=2)
    foreign = ConsumerProtocolMemberMetadata(0, ["x"], b"")
    with pytest.raises(PartitionsUnequal, match="no member of ours"):
        leader.assign(Cluster(x=4), joined(leader) | {"foreign": foreign})
