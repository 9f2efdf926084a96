"""A Kafka cluster in memory, behind the protocols that the engine of a consumer group works with.

| file | what is in it |
|---|---|
| `log` | partitions: records by offset, open transactions, markers |
| `group` | consumer groups: members, generations, assignments, committed offsets |
| `cluster` | `MemoryCluster`, and the clients it makes: transactions, `MemoryPublisher`, `MemoryOffsets` |

`ClusterSuite` (`tocsin.testing.cluster_suite`) holds it and the real broker to the same behaviour. No session
and no transaction ever times out here, and nothing is deleted; a test says `MemoryGroup.expel` instead.
"""

from tocsin.testing.kafka.cluster import MemoryCluster, MemoryOffsets, MemoryPublisher
from tocsin.testing.kafka.group import MemoryGroup

__all__ = ["MemoryCluster", "MemoryGroup", "MemoryOffsets", "MemoryPublisher"]
