"""What providers of email over HTTP have in common: one account at a server of ours, and what each instance must do besides the shared suite."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tocsin.channel import Provider, ProviderKind, ProvidersInvalid, Rejected, Throttled, check_providers
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.testing import ManualClock
from tocsin.testing.http_world import HttpWorld
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite

NOW = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
LINK = "https://tocsin.example/u/abc.def?x=1"
JOB = job_for(Channel.EMAIL, unsubscribe_url=LINK)


class MailApi(HttpWorld):
    """One account. `entry` is what its instance has in the providers file, `secrets` what stands in the files that it names."""

    channel = Channel.EMAIL
    kind: ClassVar[ProviderKind[Any]]
    entry: ClassVar[Mapping[str, object]]
    secrets: ClassVar[Mapping[str, str]]
    asks_for_patience: ClassVar[Throttled]
    """The answer to its refusal, when it wants to be asked again in seven seconds."""
    too_large: ClassVar[int]
    """A text of so many characters is refused unsent."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        for name, secret in self.secrets.items():
            (folder / name).write_text(secret + "\n")

    @classmethod
    @asynccontextmanager
    async def listening(cls, folder: Path) -> AsyncIterator["MailApi"]:
        """The server, until the test ends."""
        server = cls(folder)
        await server.listen()
        yield server
        await server.hang_up()

    def unopened(self, **fields: object) -> Provider:
        """An instance that calls this server; `fields` replace its own."""
        given = {"name": "test", "base_url": self.url, **self.entry, **fields}
        config = self.kind.config.model_validate(given, context={"folder": self.folder})
        return self.kind.create(config, ManualClock(NOW))

    @asynccontextmanager
    async def provider(self, *, call_timeout: float = 10.0, **fields: object) -> AsyncIterator[Provider]:
        provider = self.unopened(call_timeout=call_timeout, **fields)
        await provider.open()
        yield provider
        await provider.close()

    @abstractmethod
    async def wants_to_be_asked_again(self) -> None:
        """From now on it asks for patience, and says that it is over in seven seconds."""


class AsksByRetryAfter(MailApi):
    """It says so as HTTP has it."""

    async def wants_to_be_asked_again(self) -> None:
        status, headers, body = self.scripts[Behaviour.THROTTLES]
        self.scripted = (status, headers | {"Retry-After": "7"}, body)


class MailApiSuite(ProviderSuite):
    """No mail is sent that the provider would refuse for certain, or that would say more than the job does."""

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"sender": None}, Reason.SENDER_MISSING),
            ({"sender": SenderIdentity(address="größe@example.com")}, Reason.CONTENT_REFUSED),
            ({"sender": SenderIdentity(address="a@b.example", reply_to="größe@example.com")}, Reason.CONTENT_REFUSED),
            ({"address": "größe@example.com"}, Reason.ADDRESS_INVALID),
            ({"address": "ada@example.org\r\nBcc: eve@example.org"}, Reason.ADDRESS_INVALID),
            ({"content": EmailContent(subject="x")}, Reason.CONTENT_REFUSED),
            ({"unsubscribe_url": "https://x.example/\r\nBcc: eve@example.org"}, Reason.CONTENT_REFUSED),
            ({"delivery_id": "a\r\nBcc: eve@example.org"}, Reason.CONTENT_REFUSED),
        ],
        ids=range(8),
    )  # fmt: skip
    async def test_what_no_mail_may_hold_is_rejected_unsent(
        self, world: MailApi, fields: dict[str, Any], reason: Reason
    ) -> None:
        await assert_rejected_unsent(world, fields, reason)

    async def test_a_mail_that_is_too_large_is_rejected_unsent(self, world: MailApi) -> None:
        content = EmailContent(subject="x", text="a" * world.too_large)
        await assert_rejected_unsent(world, {"content": content}, Reason.TOO_LARGE)

    async def test_when_it_wants_to_be_asked_again_is_passed_on(self, world: MailApi) -> None:
        await world.wants_to_be_asked_again()
        async with world.provider() as provider:
            assert await provider.send(JOB) == world.asks_for_patience

    async def test_an_instance_that_was_not_opened_says_so(self, world: MailApi) -> None:
        provider = world.unopened()
        with pytest.raises(RuntimeError, match="not opened"):
            await provider.send(JOB)
        await provider.close()


async def assert_rejected_unsent(world: MailApi, fields: dict[str, Any], reason: Reason) -> None:
    """The answer has this reason and names nobody, and the server was not asked."""
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.EMAIL, **fields))
    assert isinstance(answer, Rejected)
    assert answer.reason is reason
    assert answer.detail is not None
    assert "example" not in answer.detail
    assert world.requests == 0


def assert_invalid(
    folder: Path, kind: str, adapter: ProviderKind[Any], *, lines: str, secret: tuple[str, str], sentence: str
) -> None:
    """A file with one instance of these lines has one fault, which this sentence tells; the secret (its file, its content) is not told."""
    name, content = secret
    (folder / name).write_text(content)
    path = folder / "providers.toml"
    path.write_text(f'[[providers]]\nname = "a"\nkind = "{kind}"\n{lines}\n')
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(path, {kind: adapter})
    assert sentence in str(invalid.value)
    assert len(invalid.value.faults) == 1
    assert content == "" or content not in str(invalid.value)
