"""The Web Push provider against a push service and a browser."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.integration.dispatch_push.push_service import NOW, PushService, base64url, pem

from tocsin.channel import Accepted, FarEnds, NotSent, ProvidersInvalid, Rejected, check_providers
from tocsin.channel.breaker import Verdict, verdict_of
from tocsin.contracts.jobs import Job, PushContent
from tocsin.contracts.vocabulary import Channel, DeviceKind, Lane, Reason
from tocsin.dispatch_push.settings import KINDS
from tocsin.dispatch_push.webpush import WebPushConfig
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[PushService]:
    service = PushService(tmp_path)
    await service.listen()
    yield service
    await service.hang_up()


def job(world: PushService, **fields: object) -> Job:
    return job_for(Channel.PUSH, **(world.job_fields | fields))


class TestWebPushProvider(ProviderSuite):
    async def test_refused_credentials_are_not_the_messages_fault(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nor the push service's: a subscription that was made for another key is answered so, and a tenant may have it."""
        answer = await self.answer(world, Behaviour.REFUSES_CREDENTIALS, caplog)
        assert isinstance(answer, NotSent)
        assert answer.reason is Reason.SENDER_REFUSED
        assert verdict_of(answer) is Verdict.WORKS


async def test_the_message_is_what_the_job_says(world: PushService) -> None:
    sent = job(world, expires_at=NOW + timedelta(hours=1))
    sent.intent.private.link = "https://shop.example/orders/1"
    async with world.provider() as provider:
        assert await provider.send(sent) == Accepted(message_id=sent.delivery_id)
    ((head, shown),) = world.messages
    assert (head["ttl"], head["urgency"]) == ("3600", "normal")
    assert shown == {
        "title": "marked-body title",
        "body": "marked-body",
        "tag": sent.delivery_id,
        "data": {
            "order": "4711",
            "tocsin_notification": sent.notification_id,
            "tocsin_delivery": sent.delivery_id,
            "tocsin_link": "https://shop.example/orders/1",
        },
    }


@pytest.mark.parametrize(
    ("lane", "urgency"), [(Lane.CRITICAL, "high"), (Lane.TRANSACTIONAL, "normal"), (Lane.BULK, "low")]
)
async def test_the_lane_says_how_urgent_it_is(world: PushService, lane: Lane, urgency: str) -> None:
    async with world.provider() as provider:
        await provider.send(job(world, lane=lane))
    assert world.messages[0][0]["urgency"] == urgency


async def test_a_second_send_has_the_same_topic_and_tag_and_other_keys(world: PushService) -> None:
    async with world.provider() as provider:
        for _ in range(2):
            await provider.send(job(world))
    (first, second), (one, other) = world.messages, world.bodies
    assert (first[0]["topic"], first[1]["tag"]) == (second[0]["topic"], second[1]["tag"])
    assert one[:16] != other[:16]  # the salt
    assert one[21:86] != other[21:86]  # our key


async def test_a_vapid_token_serves_for_hours(world: PushService) -> None:
    async with world.provider() as provider:
        for hours in (0, 5, 2):
            world.clock.advance(hours=hours)
            await provider.send(job(world, expires_at=NOW + timedelta(days=1)))
    tokens = [head["authorization"] for head, _ in world.messages]
    assert tokens[0] == tokens[1] != tokens[2]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"address": "no-subscription"}, Reason.ADDRESS_INVALID),
        ({"content": PushContent(title="t", body="b", data={"tocsin_link": "x"})}, Reason.CONTENT_REFUSED),
        ({"content": PushContent(title="t", body="x" * 3900)}, Reason.TOO_LARGE),
    ],
)
async def test_what_no_push_service_would_take_ends_before_the_call(
    world: PushService, fields: dict[str, object], reason: Reason
) -> None:
    async with world.provider() as provider:
        answer = await provider.send(job(world, **fields))
    assert isinstance(answer, Rejected)
    assert answer.reason is reason
    assert world.requests == 0


async def test_the_largest_message_fits(world: PushService) -> None:
    async with world.provider() as provider:
        tried = job(world, content=PushContent(title="t", body=""))
        await provider.send(tried)
        room = 3993 - len(json.dumps(world.messages[0][1], separators=(",", ":")))
        for body, kind in (("x" * room, Accepted), ("x" * (room + 1), Rejected)):
            assert isinstance(
                await provider.send(job(world, content=PushContent(title="t", body=body))), kind
            )
    assert len(world.bodies[-1]) == 4096


async def test_a_key_that_is_no_point_is_the_devices_fault(world: PushService) -> None:
    token = json.loads(world.browser.subscription)
    token["keys"]["p256dh"] = base64url(b"\x04" + b"\x01" * 64)
    async with world.provider() as provider:
        answer = await provider.send(job(world, address=json.dumps(token)))
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.ADDRESS_INVALID


async def test_an_endpoint_that_is_not_public_is_not_called(world: PushService) -> None:
    async with world.provider(allow=[]) as provider:
        answer = await provider.send(job(world))
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.ADDRESS_INVALID
    assert world.requests == 0


async def test_a_name_that_leads_nowhere_is_not_sent(world: PushService) -> None:
    token = json.loads(world.browser.subscription) | {"endpoint": "https://push.invalid/1"}
    async with world.provider() as provider:
        answer = await provider.send(job(world, address=json.dumps(token)))
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.UNREACHABLE


async def test_a_redirect_is_not_followed(world: PushService) -> None:
    world.scripted = (307, {"Location": world.browser.endpoint}, b"")
    async with world.provider() as provider:
        assert isinstance(await provider.send(job(world)), NotSent)
    assert world.requests == 1


async def test_a_known_push_service_is_a_far_end_and_so_are_all_other_hosts_of_a_tenant(
    world: PushService,
) -> None:
    subscription = json.loads(world.browser.subscription)
    async with world.provider() as provider:
        assert isinstance(provider, FarEnds)
        for endpoint, far_end in (
            ("https://fcm.googleapis.com/fcm/send/1", "fcm.googleapis.com"),
            ("https://fcm.googleapis.com:443/fcm/send/1", "fcm.googleapis.com"),
            ("https://updates.push.services.mozilla.com/wpush/v2/1", "updates.push.services.mozilla.com"),
            ("https://web.push.apple.com/1", "web.push.apple.com"),
            ("https://fcm.googleapis.com.example/1", "other hosts of acme"),
            ("https://hangs-1.example/1", "other hosts of acme"),
            ("https://hangs-2.example/1", "other hosts of acme"),
        ):
            token = json.dumps(subscription | {"endpoint": endpoint})
            assert provider.far_end(job(world, address=token)) == far_end
        other = json.dumps(subscription | {"endpoint": "https://hangs-1.example/1"})
        assert provider.far_end(job(world, address=other, tenant="globex")) == "other hosts of globex"
        assert provider.far_end(job_for(Channel.PUSH, target=DeviceKind.WEBPUSH, address="x")) is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"subject": "push@example.com"}, "`subject` is not valid: push services want an address to turn to: mailto:… or https://…."),
        ({"subject": None}, "`subject` is missing."),
        ({"vapid_key_file": None}, "`vapid_key_file` is missing."),
        ({"targets": ["apns"]}, "`targets` may name only what this kind serves: webpush."),
    ],
)  # fmt: skip
def test_one_sentence_for_each_fault(tmp_path: Path, fields: dict[str, object], sentence: str) -> None:
    entry = PushService(tmp_path).entry() | fields
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items() if value is not None]
    (tmp_path / "providers.toml").write_text("[[providers]]\n" + "\n".join(lines))
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(tmp_path / "providers.toml", KINDS)
    assert [fault.partition("provider test: ")[2] for fault in invalid.value.faults] == [sentence]


def test_the_key_is_never_shown(tmp_path: Path) -> None:
    config = WebPushConfig.model_validate(PushService(tmp_path).entry(), context={"folder": tmp_path})
    assert "PRIVATE" not in repr(config) + str(config.model_dump())


def test_a_key_of_another_kind_is_a_fault(tmp_path: Path) -> None:
    entry = PushService(tmp_path).entry()
    (tmp_path / "vapid.pem").write_text(pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items()]
    (tmp_path / "providers.toml").write_text("[[providers]]\n" + "\n".join(lines))
    with pytest.raises(ProvidersInvalid, match="the file's key is none for ES256"):
        check_providers(tmp_path / "providers.toml", KINDS)
