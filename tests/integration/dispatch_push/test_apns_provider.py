"""The APNs provider against a server that checks what Apple's documentation says."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from h2.errors import ErrorCodes
from tests.integration.dispatch_push.apns_server import (
    NOW,
    TOPIC,
    ApnsServer,
    pem,
    refusal,
)
from tests.integration.dispatch_push.certificates import certificate_of_loopback
from tests.integration.dispatch_push.http2_world import ServerConnection

from tocsin.channel import (
    Accepted,
    Ambiguous,
    NotSent,
    Provider,
    ProvidersInvalid,
    Rejected,
    check_providers,
)
from tocsin.contracts.jobs import Job, PushContent
from tocsin.contracts.vocabulary import Channel, DeviceKind, Lane, Reason
from tocsin.dispatch_push import http2_connection
from tocsin.dispatch_push.apns import APNS, ApnsConfig
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite
from tocsin.testing.until import until


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApnsServer]:
    server = ApnsServer(tmp_path)
    await server.listen()
    yield server
    await server.hang_up()


def job(**fields: object) -> Job:
    return job_for(Channel.PUSH, target=DeviceKind.APNS, **fields)


def sending(provider: Provider, count: int, **fields: object) -> "list[asyncio.Task[object]]":
    return [asyncio.create_task(provider.send(job(**fields))) for _ in range(count)]


class TestApnsProvider(ProviderSuite):
    pass


async def test_the_message_is_what_the_job_says(world: ApnsServer) -> None:
    sent = job(expires_at=NOW + timedelta(hours=1))
    sent.intent.private.link = "https://shop.example/orders/1"
    async with world.provider() as provider:
        assert await provider.send(sent) == Accepted(message_id=sent.delivery_id)
    ((head, payload),) = world.messages
    assert head[":path"] == f"/3/device/{sent.private.address}"
    assert head["apns-id"] == head["apns-collapse-id"] == sent.delivery_id
    assert head["apns-expiration"] == str(int(NOW.timestamp()) + 3600)
    assert (head["apns-topic"], head["apns-priority"]) == (TOPIC, "10")
    assert payload == {
        "aps": {"alert": {"title": "marked-body title", "body": "marked-body"}},
        "order": "4711",
        "tocsin_notification": sent.notification_id,
        "tocsin_delivery": sent.delivery_id,
        "tocsin_link": "https://shop.example/orders/1",
    }


@pytest.mark.parametrize(
    ("lane", "priority"), [(Lane.CRITICAL, "10"), (Lane.TRANSACTIONAL, "10"), (Lane.BULK, "5")]
)
async def test_bulk_saves_the_devices_power(world: ApnsServer, lane: Lane, priority: str) -> None:
    async with world.provider() as provider:
        await provider.send(job(lane=lane))
    assert world.messages[0][0]["apns-priority"] == priority


@pytest.mark.parametrize(("app", "topic"), [("shop", TOPIC), ("driver", "com.example.driver"), (None, TOPIC)])
async def test_each_app_has_its_topic(world: ApnsServer, app: str | None, topic: str) -> None:
    async with world.provider(topics={"driver": "com.example.driver"}) as provider:
        assert isinstance(await provider.send(job(app=app)), Accepted)
    assert world.messages[0][0]["apns-topic"] == topic


async def test_an_app_without_a_topic_may_be_another_instances(world: ApnsServer) -> None:
    async with world.provider(topic=None, topics={"driver": "com.example.driver"}) as provider:
        answer = await provider.send(job(app="shop"))
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.SENDER_REFUSED  # not the instance's failure: its breaker stays closed
    assert world.requests == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"address": "not hexadecimal"}, Reason.ADDRESS_INVALID),
        ({"address": "ab" * 31}, Reason.ADDRESS_INVALID),
        ({"address": "ab" * 31 + "abc"}, Reason.ADDRESS_INVALID),
        ({"address": ""}, Reason.ADDRESS_INVALID),
        ({"content": PushContent(title="t", body="b", data={"aps": "forged"})}, Reason.CONTENT_REFUSED),
        (
            {"content": PushContent(title="t", body="b", data={"tocsin_delivery": "forged"})},
            Reason.CONTENT_REFUSED,
        ),
        ({"content": PushContent(title="t", body="x" * 4000)}, Reason.TOO_LARGE),
        ({"content": PushContent(title="t", body="", data={"k": "x" * 4000})}, Reason.TOO_LARGE),
    ],
)
async def test_what_apns_would_never_take_ends_before_the_call(
    world: ApnsServer, fields: dict[str, object], reason: Reason
) -> None:
    async with world.provider() as provider:
        answer = await provider.send(job(**fields))
    assert isinstance(answer, Rejected)
    assert answer.reason is reason
    assert world.requests == 0


async def test_a_device_that_is_gone_says_since_when(world: ApnsServer) -> None:
    await world.behave(Behaviour.REFUSES_RECIPIENT)
    async with world.provider() as provider:
        answer = await provider.send(job())
    assert isinstance(answer, Rejected)
    assert (answer.reason, answer.since) == (Reason.DEVICE_GONE, NOW)


# The provider token


async def test_a_token_serves_for_40_minutes(world: ApnsServer) -> None:
    async with world.provider() as provider:
        for minutes in (0, 39, 2, 39, 2):
            world.clock.advance(minutes=minutes)
            await provider.send(job())
    assert len(world.tokens) == 3


async def test_a_refused_token_is_replaced_when_it_is_20_minutes_old(world: ApnsServer) -> None:
    """APNs takes at most one token of a team in 20 minutes, whatever made us make it."""
    async with world.provider() as provider:
        await provider.send(job())
        world.scripted = refusal(403, "ExpiredProviderToken")
        for minutes, requests in ((19, 2), (1, 4), (19, 5), (1, 7)):
            world.clock.advance(minutes=minutes)
            assert isinstance(await provider.send(job()), NotSent)
            assert world.requests == requests
        world.scripted = None
        assert isinstance(await provider.send(job()), Accepted)
    assert (
        len(world.tokens) == 2
    )  # the first and the third: the server counts those of messages that it takes


# One connection with many streams


async def test_many_share_one_connection(world: ApnsServer) -> None:
    world.holds_answers = True
    async with world.provider() as provider:
        calls = sending(provider, 50)
        await until(lambda: len(world.held) == 50)
        assert len(world.connections) == 1
        world.answer_all()
        assert all(isinstance(answer, Accepted) for answer in await asyncio.gather(*calls))


async def test_no_more_streams_than_the_server_allows(world: ApnsServer) -> None:
    """APNs allows one until it has seen a token that it takes."""
    world.streams, world.holds_answers = 3, True
    async with world.provider() as provider:
        calls = sending(provider, 30)
        await until(lambda: len(world.held) == 3)
        world.holds_answers = False
        world.answer_all()
        answers = await asyncio.gather(*calls)
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert world.most_at_once == 3


async def test_what_waits_for_a_stream_in_vain_was_not_sent(world: ApnsServer) -> None:
    world.streams = 0
    async with world.provider(call_timeout=0.5) as provider:
        answers = await asyncio.gather(*sending(provider, 3))
    assert {type(answer) for answer in answers} == {NotSent}
    assert world.requests == 0


async def test_bodies_wait_for_the_window(world: ApnsServer) -> None:
    world.window, world.holds_windows = 100, True
    async with world.provider() as provider:
        calls = sending(provider, 5, content=PushContent(title="t", body="x" * 1000))
        await until(lambda: bool(world.connections) and len(world.connections[0].unacknowledged) == 5)
        assert world.requests == 0
        world.holds_windows = False
        world.connections[0].widen()
        assert all(isinstance(answer, Accepted) for answer in await asyncio.gather(*calls))
    assert {payload["aps"]["alert"]["body"] for _, payload in world.messages} == {"x" * 1000}


async def test_a_body_that_did_not_go_out_whole_was_not_sent(world: ApnsServer) -> None:
    world.window, world.holds_windows = 100, True
    async with world.provider(call_timeout=1.0) as provider:
        late = await provider.send(job())
        assert isinstance(late, NotSent)
        (cut_off,) = sending(provider, 1)
        await until(lambda: bool(world.connections[0].requests))
        await world.hang_up()
        assert isinstance(await cut_off, NotSent)


async def test_an_answer_may_come_before_the_body_is_whole(world: ApnsServer) -> None:
    world.window, world.holds_windows = 100, True
    world.scripted = refusal(413, "PayloadTooLarge")
    async with world.provider() as provider:
        (call,) = sending(provider, 1)
        await until(lambda: bool(world.connections) and bool(world.connections[0].requests))
        world.connections[0].answer(1)
        answer = await call
        assert isinstance(answer, Rejected)
        await until(lambda: world.resets == 1)


async def test_farewell_ends_what_was_not_begun_and_lets_the_rest_be_answered(world: ApnsServer) -> None:
    world.holds_answers = True
    async with world.provider() as provider:
        calls = sending(provider, 4)
        await until(lambda: len(world.held) == 4)
        former = world.connections[0]
        former.say_farewell(3, b'{"reason":"Shutdown"}')  # of the streams 1, 3, 5, 7
        await until(lambda: sum(call.done() for call in calls) == 2)
        ended = [call.result() for call in calls if call.done()]
        for answer in ended:
            assert isinstance(answer, NotSent)
            assert (answer.reason, answer.code) == (Reason.PROVIDER_ERROR, "Shutdown")
        world.holds_answers = False
        assert isinstance(await provider.send(job()), Accepted)  # over another connection
        assert len(world.connections) == 2
        for connection, stream in world.held[:2]:
            connection.answer(stream)
        answers = await asyncio.gather(*calls)
        assert sum(isinstance(answer, Accepted) for answer in answers) == 2
        await until(lambda: former not in world.connections)  # nothing is under way there


async def test_what_waits_for_a_stream_goes_over_the_next_connection(world: ApnsServer) -> None:
    world.streams, world.holds_answers = 1, True
    async with world.provider() as provider:
        calls = sending(provider, 3)
        await until(lambda: len(world.held) == 1)
        world.holds_answers = False
        world.connections[0].say_farewell(1)
        await until(lambda: sum(call.done() for call in calls) == 2)
        world.answer_all()
        assert all(isinstance(answer, Accepted) for answer in await asyncio.gather(*calls))


@pytest.mark.parametrize(
    ("code", "kind"), [(ErrorCodes.REFUSED_STREAM, NotSent), (ErrorCodes.INTERNAL_ERROR, Ambiguous)]
)
async def test_a_stream_that_is_reset(world: ApnsServer, code: ErrorCodes, kind: type) -> None:
    world.holds_answers = True
    async with world.provider() as provider:
        (call,) = sending(provider, 1)
        await until(lambda: len(world.held) == 1)
        connection, stream = world.held.pop()
        connection.reset(stream, code)
        assert isinstance(await call, kind)
        world.holds_answers = False
        assert isinstance(await provider.send(job()), Accepted)
        assert len(world.connections) == 1


async def test_a_connection_without_a_sign_of_life_is_replaced(
    world: ApnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a call without an answer the server is asked; a network that forgot the connection says nothing."""
    monkeypatch.setattr(http2_connection, "PING_WAIT", 0.2)
    async with world.provider(call_timeout=1.0) as provider:
        await provider.send(job())
        former = world.connections[0]
        former.transport.pause_reading()
        assert isinstance(await provider.send(job()), Ambiguous)
        await until(lambda: len(world.connections) == 1 and not provider._client._connection.usable)  # type: ignore[attr-defined]
        assert isinstance(await provider.send(job()), Accepted)
        assert former is not world.connections[-1]
        former.transport.abort()


async def test_a_silent_connection_is_asked_now_and_then(
    world: ApnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2_connection, "PING_EVERY", 0.05)
    async with world.provider() as provider:
        await provider.send(job())
        await until(lambda: world.pings > 2)
        assert isinstance(await provider.send(job()), Accepted)
        assert len(world.connections) == 1


async def test_a_farewell_to_each_connection_ends_as_not_sent(world: ApnsServer) -> None:
    """A server that opens connections only to close them is not asked for ever."""
    world.streams = 0
    async with world.provider(call_timeout=5.0) as provider:
        (call,) = sending(provider, 1)
        seen: list[ServerConnection] = []
        while not call.done():
            for connection in list(world.connections):
                if connection not in seen:
                    seen.append(connection)
                    connection.say_farewell(0)
            await asyncio.sleep(0.01)
        assert isinstance(call.result(), NotSent)
        assert len(seen) == 3


# TLS


async def test_over_tls_certificates_are_checked(world: ApnsServer, tmp_path: Path) -> None:
    authority, key = certificate_of_loopback(tmp_path)
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(authority, key)
    own.set_alpn_protocols(["h2"])
    await world.hang_up()
    world.tls, world.port = own, 0
    await world.listen()
    async with world.provider(ca_file=str(authority)) as provider:
        assert isinstance(await provider.send(job()), Accepted)
        assert world.messages[0][0][":scheme"] == "https"
    async with world.provider() as provider:  # the system does not trust it
        answer = await provider.send(job())
        assert isinstance(answer, NotSent)
        assert answer.reason is Reason.UNREACHABLE


# Configuration


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"key_id": "short"}, "`key_id` is not valid: Apple's ids have ten signs, A to Z and 0 to 9."),
        ({"team_id": "team456789"}, "`team_id` is not valid: Apple's ids have ten signs, A to Z and 0 to 9."),
        ({"topic": "no topic"}, "`topic` is not valid: a topic is an app's bundle id, such as com.example.shop."),
        ({"topics.driver": "?"}, "`topics.driver` is not valid: a topic is an app's bundle id, such as com.example.shop."),
        ({"topic": None}, "give `topic`, or `topics` with the bundle id of each app."),
        ({"key_file": None}, "`key_file` is missing."),
        ({"key_id": None}, "`key_id` is missing."),
        ({"base_url": "api.push.apple.com"}, "`base_url` is not valid: it has a scheme and a host, such as https://api.push.apple.com."),
        ({"base_url": "https://api.push.apple.com:99999"}, "`base_url` is not valid: it has a scheme and a host, such as https://api.push.apple.com."),
        ({"targets": ["fcm"]}, "`targets` may name only what this kind serves: apns."),
        ({"topc": "x"}, "`topc` is no setting of this kind of provider."),
        ({"ca_file": "absent.pem"}, "`ca_file` absent.pem holds no certificates that can be read."),
    ],
)  # fmt: skip
def test_one_sentence_for_each_fault(tmp_path: Path, fields: dict[str, object], sentence: str) -> None:
    server = ApnsServer(tmp_path)
    entry = server.entry(base_url="https://api.push.apple.com") | fields
    lines = [f"{name} = {value!r}" for name, value in entry.items() if value is not None]
    (tmp_path / "providers.toml").write_text("[[providers]]\n" + "\n".join(lines).replace("'", '"'))
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(tmp_path / "providers.toml", {"apns": APNS})
    assert [fault.partition("provider test: ")[2] for fault in invalid.value.faults] == [sentence]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("not a key", "the file holds no private key in PEM, without password."),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)), "the file's key is none for ES256 (P-256)."),
        (pem(ec.generate_private_key(ec.SECP384R1())), "the file's key is none for ES256 (P-256)."),
    ],
)  # fmt: skip
def test_faults_of_the_key_file(tmp_path: Path, content: str, sentence: str) -> None:
    server = ApnsServer(tmp_path)
    (tmp_path / "key.p8").write_text(content)
    lines = [f'{name} = "{value}"' for name, value in server.entry(base_url="https://apns.example").items()]
    (tmp_path / "providers.toml").write_text("[[providers]]\n" + "\n".join(lines))
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(tmp_path / "providers.toml", {"apns": APNS})
    assert sentence in str(invalid.value)


def test_the_key_is_never_shown(tmp_path: Path) -> None:
    config = ApnsConfig.model_validate(
        ApnsServer(tmp_path).entry(base_url="https://apns.example"), context={"folder": tmp_path}
    )
    assert "PRIVATE" not in repr(config) + str(config.model_dump())
