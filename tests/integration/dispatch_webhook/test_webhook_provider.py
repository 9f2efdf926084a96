"""The webhook provider against an endpoint that verifies as Standard Webhooks has it."""

import base64
from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.integration.channel.test_guarded_http import HOSTILE, Canary, attempts  # noqa: F401 - a fixture
from tests.integration.dispatch_webhook.webhook_world import (
    KEY,
    SECRET,
    WebhookWorld,
    endpoint,
    put,
)

from tocsin.channel import Accepted, NotSent, Rejected, Throttled
from tocsin.channel.far_ends import BoundedFarEnds
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Lane, Reason
from tocsin.dispatch_webhook import endpoints, webhook
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite, World

OTHER = "whsec_" + base64.b64encode(b"another-secret-of-thirty-2-bytes").decode()


@pytest.fixture
async def world() -> AsyncIterator[WebhookWorld]:
    endpoint_of_a_tenant = WebhookWorld()
    await endpoint_of_a_tenant.listen()
    yield endpoint_of_a_tenant
    await endpoint_of_a_tenant.hang_up()


def job(world: WebhookWorld, **fields: object) -> Job:
    return job_for(Channel.WEBHOOK, **(world.job_fields | fields))


class TestWebhookProvider(ProviderSuite):
    """Receivers drop repeats by `webhook-id`: what is not answered with 2xx was not taken."""

    async def test_refused_credentials_are_not_the_messages_fault(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await self.answer(world, Behaviour.REFUSES_CREDENTIALS, caplog)
        assert isinstance(answer, NotSent)
        assert answer.reason is Reason.PROVIDER_ERROR

    async def test_silence_after_the_message_is_ambiguous(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await self.answer(world, Behaviour.SILENT, caplog, call_timeout=1.0)
        assert isinstance(answer, NotSent)
        assert answer.reason is Reason.UNREACHABLE

    async def test_a_reset_after_the_message_is_ambiguous(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert isinstance(await self.answer(world, Behaviour.RESETS, caplog), NotSent)

    async def test_what_is_no_answer_is_ambiguous(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert isinstance(await self.answer(world, Behaviour.BABBLES, caplog), NotSent)


async def test_every_attempt_has_the_same_id_and_body_and_its_own_time(world: WebhookWorld) -> None:
    sent = job(world)
    async with world.provider() as provider:
        await provider.send(sent)
        world.clock.advance(seconds=30)
        await provider.send(sent)
    (first, body), (second, again) = world.received
    assert first["webhook-id"] == second["webhook-id"] == sent.delivery_id
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 30
    assert body == again


async def test_a_secret_that_is_replaced_and_the_new_one_are_both_good(world: WebhookWorld) -> None:
    put(world.endpoints, endpoint(world.hook, secrets=[OTHER, SECRET]))
    async with world.provider() as provider:
        for world.secret in (SECRET, OTHER):
            assert isinstance(await provider.send(job(world)), Accepted)
        put(world.endpoints, endpoint(world.hook, secrets=[OTHER]))
        assert isinstance(await provider.send(job(world)), Accepted)


async def test_headers_of_the_tenant_are_sent_and_take_the_place_of_none_of_ours(world: WebhookWorld) -> None:
    headers = {"Authorization": "Bearer t", "Webhook-Id": "forged", "CONTENT-TYPE": "text/plain"}
    put(world.endpoints, endpoint(world.hook, headers=headers))
    async with world.provider() as provider:
        assert isinstance(await provider.send(job(world)), Accepted)
    ((head, _),) = world.received
    assert head["authorization"] == "Bearer t"
    assert (head["webhook-id"], head["content-type"]) == (job(world).delivery_id, "application/json")


async def test_a_message_goes_to_the_url_that_the_endpoint_has_now(world: WebhookWorld) -> None:
    put(world.endpoints, endpoint("https://gone.invalid/"))
    async with world.provider() as provider:
        assert isinstance(await provider.send(job(world)), NotSent)
        put(world.endpoints, endpoint(world.hook))
        assert isinstance(await provider.send(job(world)), Accepted)


async def test_nothing_goes_to_one_that_is_disabled_or_deleted(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "LATE", 0.0)
    put(world.endpoints, endpoint(world.hook, enabled=False))
    async with world.provider() as provider:
        for sent in (job(world), job(world, address_key="never-was"), job(world, tenant="beta")):
            answer = await provider.send(sent)
            assert isinstance(answer, Rejected)
            assert answer.reason is Reason.ENDPOINT_DISABLED
    assert world.requests == 0


async def test_a_redirect_is_a_failure(world: WebhookWorld) -> None:
    world.scripted = (307, {"Location": f"{world.url}/elsewhere"}, b"")
    async with world.provider() as provider:
        answer = await provider.send(job(world))
    assert isinstance(answer, NotSent)
    assert (answer.code, world.requests) == ("HTTP 307", 1)


@pytest.mark.parametrize(("status", "kind"), [(429, Throttled), (503, NotSent)])
async def test_retry_after_is_obeyed(world: WebhookWorld, status: int, kind: type) -> None:
    world.scripted = (status, {"Retry-After": "120"}, b"")
    async with world.provider() as provider:
        answer = await provider.send(job(world))
    assert type(answer) is kind
    assert isinstance(answer, Throttled | NotSent)
    assert answer.retry_after == 120.0


async def test_a_critical_call_ends_before_its_lane_ends_it(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the lane would take the answer for an ambiguous one, and the message would end as `unknown`."""
    monkeypatch.setattr(webhook, "_CRITICAL_SECONDS", 0.2)
    await world.behave(Behaviour.SILENT)
    async with world.provider(call_timeout=29.0) as provider:
        answer = await provider.send(job(world, lane=Lane.CRITICAL))
    assert isinstance(answer, NotSent)


async def test_secrets_that_cannot_be_opened_are_not_the_messages_fault(world: WebhookWorld) -> None:
    stolen = endpoint(world.hook, tenant="beta", key="other")
    put(world.endpoints, endpoint(world.hook, secrets=[]))
    record = endpoint(world.hook)
    record.secrets[:] = stolen.secrets
    put(world.endpoints, record)
    async with world.provider() as provider:
        answer = await provider.send(job(world))
    assert isinstance(answer, NotSent)
    assert (answer.reason, world.requests) == (Reason.SENDER_REFUSED, 0)


async def test_each_endpoint_is_a_far_end_of_its_own(world: WebhookWorld) -> None:
    async with world.provider(max_in_flight_per_endpoint=3) as provider:
        assert isinstance(provider, BoundedFarEnds)
        assert provider.far_end_places == 3
        assert provider.far_end(job(world)) == f"acme/{KEY}"
        assert provider.far_end(job(world, tenant="beta")) == f"beta/{KEY}"


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_url_gets_no_connection(
    url: str,
    world: WebhookWorld,
    attempts: list[str],  # noqa: F811
) -> None:
    """What no URL at the API may be may still stand on the topic."""
    canary = Canary()
    async with canary.listening() as port, world.provider(allow=(f":{port}",)) as provider:
        put(world.endpoints, endpoint(url.format(port=port)))
        answer = await provider.send(job(world))
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.ADDRESS_INVALID
    assert (attempts, canary.reached) == ([], 0)


async def test_what_the_operator_allows_is_called(world: WebhookWorld) -> None:
    async with world.provider(allow=(f"127.0.0.1:{world.port}",)) as provider:
        assert isinstance(await provider.send(job(world)), Accepted)


async def test_a_status_goes_out_as_it_was_written_and_signed(world: WebhookWorld) -> None:
    event = b'{"specversion":"1.0","type":"tocsin.status.delivered.v1","timestamp":"2026-01-31T12:00:00Z","data":{"status":"delivered"}}'
    told = job(world)
    told.private.told = msgspec.Raw(event)
    async with world.provider() as provider:
        assert isinstance(await provider.send(told), Accepted)
    ((head, body),) = world.received
    assert (head["webhook-id"], body) == (told.delivery_id, event)
