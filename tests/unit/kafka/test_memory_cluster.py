from tocsin.testing.cluster_suite import ClusterSuite


class TestMemoryCluster(ClusterSuite):
    pass
