"""What scales by itself: every worker by the lag of its lanes, never beyond its shards; ingest by its processor time."""

import pytest
from tests.rendered_manifests import Manifests, Object, labels, manifests

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane

SCALED = ("staging", "prod")


@pytest.fixture(params=SCALED)
def overlay(request: pytest.FixtureRequest) -> Manifests:
    return manifests(request.param)


def target(scaler: Object, overlay: Manifests) -> Object:
    return overlay.named("Deployment", scaler["spec"]["scaleTargetRef"]["name"])


def groups(scaler: Object) -> set[str]:
    return {trigger["metadata"]["consumerGroup"] for trigger in scaler["spec"]["triggers"]}


def test_there_are_never_more_workers_than_shards(overlay: Manifests) -> None:
    for scaler in overlay.of_kind("ScaledObject"):
        given = overlay.environment(target(scaler, overlay))
        shards = [int(value) for name, value in given.items() if name.endswith("_SHARDS")]
        if labels(target(scaler, overlay))["app.kubernetes.io/name"] == "ledger":
            assert not shards, "then its scaler has a bound to keep"
        else:
            assert [scaler["spec"]["maxReplicaCount"]] == shards


def test_each_lane_of_each_worker_is_looked_at_by_the_scaler_of_who_serves_it(overlay: Manifests) -> None:
    topics = Topics(overlay.generated("tocsin")["KAFKA_TOPIC_PREFIX"])
    scaled = {
        scaler["spec"]["scaleTargetRef"]["name"]: groups(scaler) for scaler in overlay.of_kind("ScaledObject")
    }
    for deployment in overlay.deployments:
        own = labels(deployment)
        if "tocsin/lanes" in own or own["app.kubernetes.io/name"] == "ledger":
            lanes = overlay.environment(deployment).get("LANES", ",".join(Lane)).split(",")
            service = own["app.kubernetes.io/component"]
            expected = {topics.group(service, Lane(lane)) for lane in lanes}
            assert scaled.pop(deployment["metadata"]["name"]) == expected
            assert expected <= {group.name for group in topics.groups()}
    assert scaled == {}


def test_they_go_up_at_once_and_down_slowly_and_know_the_brokers(overlay: Manifests) -> None:
    for scaler in overlay.of_kind("ScaledObject"):
        spec = scaler["spec"]
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 1800
        assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 600}]
        assert spec["minReplicaCount"] >= 2
        for trigger in spec["triggers"]:
            assert (
                trigger["metadata"]["bootstrapServers"]
                == overlay.generated("tocsin")["KAFKA_BOOTSTRAP_SERVERS"]
            )
            assert overlay.named("TriggerAuthentication", trigger["authenticationRef"]["name"])


def test_who_is_scaled_has_no_number_in_its_manifest(overlay: Manifests) -> None:
    scalers = overlay.of_kind("ScaledObject", "HorizontalPodAutoscaler")
    names = [scaler["spec"]["scaleTargetRef"]["name"] for scaler in scalers]
    assert len(names) == len(set(names))
    for deployment in overlay.deployments:
        assert ("replicas" in deployment["spec"]) == (deployment["metadata"]["name"] not in names)


def test_a_tenants_limit_holds_with_the_fewest_of_ingest(overlay: Manifests) -> None:
    (scaler,) = overlay.of_kind("HorizontalPodAutoscaler")
    given = overlay.environment(target(scaler, overlay))
    assert given["INGEST_INSTANCES"] == str(scaler["spec"]["minReplicas"])


def test_without_a_scaler_ingest_knows_how_many_there_are() -> None:
    dev = manifests("dev")
    ingest = dev.named("Deployment", "ingest")
    assert dev.environment(ingest)["INGEST_INSTANCES"] == str(ingest["spec"]["replicas"])
