"""What tests of every part share.

| module | what is in it |
|---|---|
| `clock` | `ManualClock`, which moves only when told to |
| `until` | waiting for a condition |
| `running` | a component's life for the length of a block |
| `late_copy` | a copy of the directory that is behind until somebody waits for it |
| `kafka` | a Kafka cluster in memory: transactions, consumer groups, a publisher, offsets |
| `stage` | consumer groups of one test, on that cluster or on a broker |
| `cluster_suite` | what both must show |
| `http_world`, `provider_suite`, `jobs` | what every provider must do, servers to do it against, jobs to hand over |
| `span_collector` | a collector of traces |
"""

from tocsin.testing.clock import ManualClock

__all__ = ["ManualClock"]
