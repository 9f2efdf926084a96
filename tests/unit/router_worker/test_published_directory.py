"""The worker's view of the directory follows the topic, record by record."""

import pytest

from tocsin.contracts.codec import UNREADABLE_ERRORS, encode
from tocsin.contracts.directory import ApiKeyRecord, WebhookEndpointRecord
from tocsin.kafka import ConsumerRecord


def test_a_workflow_changes_its_event_types(worker, workflow):
    worker.publish(workflow(revision=2, event_types=["com.shop.other", "com.shop.other"]))
    assert worker.directory.subscribers("acme", "com.shop.shipped") == []
    (only,) = worker.directory.subscribers("acme", "com.shop.other")
    assert only.workflow.revision == 2
    worker.withdraw(workflow())
    assert worker.directory.subscribers("acme", "com.shop.other") == []
    assert worker.directory.workflow("acme", "shipped") is None


def test_what_is_withdrawn_is_gone_and_may_come_back(worker, templates):
    template = templates()[0]
    worker.withdraw(template, template)
    assert worker.directory.templates("acme", "shipped")[template.channel, "default"] == {}
    worker.publish(template)
    assert worker.directory.templates("acme", "shipped")[template.channel, "default"] == {"en": template}


def test_other_tenants_see_nothing(worker):
    assert worker.directory.tenant("other") is None
    assert worker.directory.category("other", "orders") is None
    assert worker.directory.subscribers("other", "com.shop.shipped") == []
    assert worker.directory.templates("other", "shipped") == {}


def test_endpoints_take_the_types_that_they_name(worker):
    def endpoint(key, *types, **fields):
        return WebhookEndpointRecord(
            tenant="acme", key=key, url="https://a.example/", secrets=["s"], event_types=list(types), **fields
        )

    def keys(event_type, tenant="acme"):
        return [each.address_key for each in worker.directory.endpoints(tenant, event_type)]

    worker.publish(endpoint("b", "*"), endpoint("a", "x", "y"), endpoint("c", "y", enabled=False))
    assert (keys("x"), keys("y"), keys("z")) == (["a", "b"], ["a", "b", "c"], ["b"])
    assert keys("x", tenant="other") == []
    worker.publish(endpoint("a", "z"))
    worker.withdraw(endpoint("b"))
    assert (keys("x"), keys("y"), keys("z")) == ([], ["c"], ["a"])


def test_keys_are_passed_over(worker):
    key = ApiKeyRecord(tenant="acme", id="k", mode="live", sha256="0" * 64, scopes=["send"])
    worker.publish(key)
    worker.withdraw(key)


def test_a_record_of_another_shape_is_not_passed_over(worker):
    with pytest.raises(UNREADABLE_ERRORS):
        worker.directory.apply(ConsumerRecord("directory", 0, 3, 0, b"x/acme/y", b'{"kind":"x"}'))


@pytest.mark.parametrize("broken", [{"data_schema": {"type": 7}}, {"recipients": "data.["}])
async def test_a_workflow_that_cannot_be_used_refuses_its_events(worker, workflow, broken):
    worker.publish(workflow(**broken))
    written = await worker.route(worker.event())
    assert written.names() == ["event_refused"]
    assert encode(broken).decode() not in str(written.records)
