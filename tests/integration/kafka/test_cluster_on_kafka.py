import pytest

from tocsin.testing.cluster_suite import ClusterSuite


@pytest.mark.kafka
class TestKafkaCluster(ClusterSuite):
    pass
