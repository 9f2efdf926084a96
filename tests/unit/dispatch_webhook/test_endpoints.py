"""The dispatcher's copy of the endpoints."""

import asyncio
from typing import Any

import pytest

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import WebhookEndpointRecord
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_webhook import endpoints as module
from tocsin.dispatch_webhook.endpoints import Endpoints
from tocsin.kafka import ConsumerRecord
from tocsin.testing.jobs import job_for
from tocsin.trust import Seal, SealBroken, SealKeyMissing

SEAL = Seal([("k1", "s" * 32)])
JOB = job_for(Channel.WEBHOOK, address_key="shop")


def endpoint(key: str = "shop", tenant: str = "acme", **fields: Any) -> WebhookEndpointRecord:
    secret = SEAL.seal("whsec_c2VjcmV0", tenant=tenant, entity=f"webhook_endpoint/{key}")
    return WebhookEndpointRecord(
        **{"tenant": tenant, "key": key, "url": "https://shop.example/", "secrets": [secret]} | fields
    )


def put(copy: Endpoints, entity: WebhookEndpointRecord) -> None:
    copy.apply(ConsumerRecord("directory", 0, 0, 0, entity.record_key, encode(entity)))


def remove(copy: Endpoints, entity: WebhookEndpointRecord) -> None:
    copy.apply(ConsumerRecord("directory", 0, 0, 0, entity.record_key, None))


def test_a_job_finds_its_own_tenants_endpoint() -> None:
    copy = Endpoints(seal=SEAL)
    put(copy, endpoint(tenant="beta"))
    assert copy.get(JOB) is None
    put(copy, endpoint())
    found = copy.get(JOB)
    assert found is not None
    assert copy.opened(found).secrets == ("whsec_c2VjcmV0",)
    remove(copy, endpoint())
    assert copy.get(JOB) is None


async def test_one_whose_record_comes_later_is_waited_for() -> None:
    copy = Endpoints(seal=SEAL)
    waiting = asyncio.create_task(copy.wait_for(JOB))
    await asyncio.sleep(0)
    put(copy, endpoint(key="another"))
    await asyncio.sleep(0)
    assert not waiting.done()
    put(copy, endpoint())
    assert await waiting is not None


async def test_one_that_was_deleted_is_not_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATE", 0.0)
    assert await Endpoints(seal=SEAL).wait_for(JOB) is None


def test_secrets_of_another_endpoint_or_tenant_do_not_open() -> None:
    copy = Endpoints(seal=SEAL)
    stolen = endpoint(secrets=endpoint(tenant="beta").secrets)
    with pytest.raises(SealBroken):
        copy.opened(stolen)
    with pytest.raises(SealKeyMissing):
        Endpoints(seal=Seal([])).opened(endpoint())


def test_only_where_it_is_asked_for_is_a_recipients_order_kept() -> None:
    copy = Endpoints(seal=SEAL)
    assert copy.turn_of(JOB, b"acme/ada") is None
    put(copy, endpoint())
    assert copy.turn_of(JOB, b"acme/ada") is None
    put(copy, endpoint(ordered=True))
    assert copy.turn_of(JOB, b"acme/ada") == b"acme/ada\x00shop"
