"""Questions to a group's coordinator, asked from outside of the group. All raise aiokafka's KafkaError."""

from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.commit import OffsetFetchRequest

from tocsin.kafka.client.aiokafka_internals import committed_in, raise_for
from tocsin.kafka.client.broker_client import BrokerClient
from tocsin.kafka.records import TopicPartition


async def committed_by(client: BrokerClient, group: str) -> dict[TopicPartition, int]:
    """Every offset that the group has committed."""
    answer = await client.ask_group(group, OffsetFetchRequest(group, None))
    return {partition: offset for partition, (offset, _) in committed_in(answer).items()}


async def member_count(client: BrokerClient, group: str) -> int:
    """The group's members now; none of a group that does not exist."""
    answer = await client.ask_group(group, DescribeGroupsRequest([group]))
    members = 0
    for code, _name, _state, _protocol_type, _protocol, joined, *_ in answer.groups:
        raise_for(code)
        members += len(joined)
    return members
