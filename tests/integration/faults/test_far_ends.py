"""The proving ground's far ends against the real adapters: which answer each trouble gives, and what is written down."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import UnionType
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from reached import REACHED
from sinks import behaviour as far
from sinks.behaviour import Behaviour, Step
from sinks.handle import Sinks
from sinks.journal import Call, Taken
from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Provider, ProviderKind, Rejected, Throttled
from tocsin.channel.provider_config import read_providers
from tocsin.contracts.contents import Content
from tocsin.contracts.jobs import EmailContent, PushContent, SmsContent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_email.settings import KINDS as EMAIL
from tocsin.dispatch_push.settings import KINDS as PUSH
from tocsin.dispatch_sms.settings import KINDS as SMS
from tocsin.runtime import SystemClock
from tocsin.testing.jobs import job_for
from tocsin.testing.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
KINDS: dict[Channel, Mapping[str, ProviderKind[Any]]] = {
    Channel.EMAIL: EMAIL,
    Channel.SMS: SMS,
    Channel.PUSH: PUSH,
}
PROBE = "Hello, probe acme critical r-17 4 goodbye"
CONTENTS: dict[Channel, Content] = {
    Channel.EMAIL: EmailContent(subject="One", text=f"{PROBE}\n", html=None),
    Channel.SMS: SmsContent(body=PROBE),
    Channel.PUSH: PushContent(title="One", body=PROBE),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sinks(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sinks]:
    async with Sinks(tmp_path_factory.mktemp("sinks"), names=("main", "other")) as sinks:
        yield sinks


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def good_again(sinks: Sinks) -> AsyncIterator[None]:
    yield
    await sinks.behave(far.GOOD)


def lines(path: Path, kind: type[Taken] | type[Call], since: int) -> list[Taken | Call]:
    return [msgspec.json.decode(line, type=kind) for line in path.read_bytes().splitlines()[since:]]


class Book:
    """What the far ends write down from now on."""

    def __init__(self, sinks: Sinks) -> None:
        self._sinks = sinks
        self._before = [len(path.read_bytes().splitlines()) for path in (sinks.accepted, sinks.calls)]

    @property
    def taken(self) -> list[Taken]:
        return lines(self._sinks.accepted, Taken, self._before[0])  # type: ignore[return-value]

    @property
    def answers(self) -> list[str]:
        calls = lines(self._sinks.calls, Call, self._before[1])
        return [call.answer for call in calls if isinstance(call, Call)]


@asynccontextmanager
async def adapter(
    sinks: Sinks,
    channel: Channel,
    folder: Path,
    *,
    tls: bool = False,
    call_timeout: float = 5.0,
    name: str = "main",
) -> AsyncIterator[Provider]:
    """The channel's adapter, as the written file configures it."""
    sinks.write_providers(folder, tls=tls, call_timeout=call_timeout)
    config = read_providers(folder / f"{channel}.toml", KINDS[channel], {}).configs[name]
    provider = KINDS[channel][config.kind].create(config, SystemClock())
    await provider.open()
    try:
        yield provider
    finally:
        await provider.close()


async def listens(port: int) -> bool:
    """Whether a connection to the port is taken."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.transport.abort()
    await asyncio.sleep(0)  # the socket is closed in the loop's next turn
    return True


async def send(provider: Provider, channel: Channel) -> Answer:
    return await provider.send(job_for(channel, content=CONTENTS[channel]))


@pytest.mark.parametrize("channel", REACHED)
async def test_a_taken_message_is_written_down_with_its_probe_and_delivery(
    sinks: Sinks, channel: Channel, tmp_path: Path
) -> None:
    book = Book(sinks)
    async with adapter(sinks, channel, tmp_path) as provider:
        assert isinstance(await send(provider, channel), Accepted)
    (taken,) = book.taken
    assert (taken.tenant, taken.lane, taken.recipient, taken.sequence) == ("acme", "critical", "r-17", 4)
    assert (taken.channel, taken.end) == (channel, "main")
    assert taken.delivery == job_for(channel).delivery_id
    assert not taken.ambiguous
    assert book.answers == []


async def test_sendgrid_takes_mail_and_can_be_in_trouble_alone(sinks: Sinks, tmp_path: Path) -> None:
    book = Book(sinks)
    async with adapter(sinks, Channel.EMAIL, tmp_path, name="main-sendgrid") as provider:
        assert isinstance(await send(provider, Channel.EMAIL), Accepted)
        (taken,) = book.taken
        assert (taken.channel, taken.end) == (Channel.EMAIL, "main-sendgrid")
        assert (taken.recipient, taken.delivery) == ("r-17", job_for(Channel.EMAIL).delivery_id)
        await sinks.behave(far.refuse(503), channel="email", name="main")
        assert isinstance(await send(provider, Channel.EMAIL), Accepted)
        await sinks.behave(far.refuse(429, retry_after=7), channel="email", name="main-sendgrid")
        assert isinstance(await send(provider, Channel.EMAIL), Throttled)


async def test_mail_over_tls_is_taken_too(sinks: Sinks, tmp_path: Path) -> None:
    async with adapter(sinks, Channel.EMAIL, tmp_path, tls=True) as provider:
        assert isinstance(await send(provider, Channel.EMAIL), Accepted)


MAIL = [
    (far.refuse(421, step=Step.MAIL), Throttled, (0, "421")),
    (far.refuse(450, step=Step.RCPT), NotSent, (0, "450")),
    (far.refuse(452, step=Step.RCPT), Throttled, (0, "452")),
    (far.refuse(550, step=Step.RCPT), Rejected, (0, "550")),
    (far.refuse(421, step=Step.CONNECT), Throttled, (0, "421")),
    (far.refuse(451), NotSent, (0, "451")),
    (far.refuse(452), NotSent, (0, "452")),
    (far.refuse(550), Rejected, (0, "550")),
    (far.RESET_TAKEN, Ambiguous, (1, "reset_taken")),
    (far.RESET_LOST, Ambiguous, (0, "reset_lost")),
    (far.MUTE, Ambiguous, (0, "mute")),
    (Behaviour(kind=far.Kind.MUTE, step=Step.MAIL), NotSent, (0, "mute")),
    (far.slow(0.1), Accepted, (1, "slow")),
    (far.CLOSE_NEW, NotSent, (0, "closed")),
]
HTTP = [
    (far.refuse(503), NotSent, (0, "503")),
    (far.refuse(500), Ambiguous, (0, "500")),
    (far.refuse(429, retry_after=7), Throttled, (0, "429")),
    (far.NONSENSE, Ambiguous, (0, "nonsense")),
    (far.RESET_TAKEN, Ambiguous, (1, "reset_taken")),
    (far.RESET_LOST, Ambiguous, (0, "reset_lost")),
    (far.MUTE, Ambiguous, (0, "mute")),
    (far.slow(0.1), Accepted, (1, "slow")),
    (Behaviour(kind=far.Kind.DRIP, seconds=0.001), Accepted, (1, "drip")),
    # Whether the request left before the far end's reset came is a race, which either may win.
    (far.CLOSE_NEW, Ambiguous | NotSent, (0, "closed")),
]


@pytest.mark.parametrize(
    ("channel", "trouble", "answer", "expected"),
    [(Channel.EMAIL, *row) for row in MAIL]
    + [(channel, *row) for channel in (Channel.SMS, Channel.PUSH) for row in HTTP],
)
async def test_each_trouble_gives_its_answer_and_its_line(
    *,
    sinks: Sinks,
    channel: Channel,
    trouble: Behaviour,
    answer: type | UnionType,
    expected: tuple[int, str],
    tmp_path: Path,
) -> None:
    taken, written = expected
    book = Book(sinks)
    async with adapter(sinks, channel, tmp_path, call_timeout=1.0) as provider:
        if trouble == far.CLOSE_NEW and channel is Channel.PUSH:
            await send(provider, channel)  # the access token comes over the same port
            await sinks.restart(0.0)
            await until(
                lambda: listens(sinks.ports["main"][channel]), seconds=10
            )  # its closing was told, not its return
        await sinks.behave(trouble, channel=channel)
        said = await send(provider, channel)
    assert isinstance(said, answer)
    if isinstance(said, Throttled) and channel is not Channel.EMAIL:
        assert said.retry_after == 7
    await until(
        lambda: set(book.answers) == {written}, seconds=10
    )  # a call may give up before the far end has written
    assert len([line for line in book.taken if trouble.kind in {"slow", "drip"} or line.ambiguous]) == taken


async def test_a_dripping_mail_server_is_given_up(sinks: Sinks, tmp_path: Path) -> None:
    await sinks.behave(far.DRIP, channel="email")
    book = Book(sinks)
    async with adapter(sinks, Channel.EMAIL, tmp_path, call_timeout=0.7) as provider:
        assert isinstance(await send(provider, Channel.EMAIL), NotSent)
        await sinks.behave(Behaviour(kind=far.Kind.DRIP, seconds=0.001), channel="email")
        assert isinstance(await send(provider, Channel.EMAIL), Accepted)
    assert (book.answers, len(book.taken)) == (["drip"], 1)


async def test_a_failed_handshake_is_not_sent(sinks: Sinks, tmp_path: Path) -> None:
    await sinks.behave(far.TLS_FAILURE, channel="email")
    async with adapter(sinks, Channel.EMAIL, tmp_path, tls=True) as provider:
        said = await send(provider, Channel.EMAIL)
        assert isinstance(said, NotSent)
        assert said.reason is Reason.UNREACHABLE
        await sinks.behave(far.GOOD)
        assert isinstance(await send(provider, Channel.EMAIL), Accepted)


@pytest.mark.parametrize("channel", REACHED)
async def test_a_server_that_restarts_under_kept_connections_is_found_again(
    sinks: Sinks, channel: Channel, tmp_path: Path
) -> None:
    async with adapter(sinks, channel, tmp_path) as provider:
        await send(provider, channel)
        await sinks.restart(0.3, channel=channel)
        assert not isinstance(await send(provider, channel), Accepted)
        async with asyncio.timeout(10):
            while not isinstance(await send(provider, channel), Accepted):
                pass


async def test_a_trouble_may_be_one_tenants_or_one_names_alone(sinks: Sinks, tmp_path: Path) -> None:
    async with adapter(sinks, Channel.EMAIL, tmp_path) as provider:
        await sinks.behave(far.refuse(451), name="other")
        assert isinstance(await send(provider, Channel.EMAIL), Accepted)
        await sinks.behave(far.refuse(451), tenant="another")
        assert isinstance(await send(provider, Channel.EMAIL), Accepted)
        await sinks.behave(far.refuse(550), tenant="acme", recipient="r-17")
        assert isinstance(await send(provider, Channel.EMAIL), Rejected)


async def test_many_mails_at_once_are_all_counted(sinks: Sinks, tmp_path: Path) -> None:
    before = await sinks.count()
    async with adapter(sinks, Channel.EMAIL, tmp_path) as provider:
        await asyncio.gather(*(send(provider, Channel.EMAIL) for _ in range(200)))
    after = await sinks.count()
    assert (after.accepted - before.accepted, after.calls - before.calls) == (200, 0)
