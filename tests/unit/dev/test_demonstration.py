"""The first events are shown where they can be. Nothing that was done to the sample stops a start."""

import asyncio
import functools
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from rich.console import Console

from tocsin.dev import first_events, foreground
from tocsin.dev.errors import StartFailed
from tocsin.dev.first_events import ArrivedMessage, FirstEvent, deliver
from tocsin.dev.run_folder import RunFolder, replace_file

ADDRESSES = {
    "entry": "http://127.0.0.1:1",
    "kafka": "127.0.0.1:2",
    "database": "postgresql://tocsin:the-password@127.0.0.1:3/postgres",
    "catcher": "http://127.0.0.1:4",
    "catcher_smtp": "127.0.0.1:5",
    "shop": "http://127.0.0.1:6",
    "api_key": "tk_live_one_api-secret",
    "admin_key": "tk_live_two_admin-secret",
}
SECRETS = ("the-password", "api-secret", "admin-secret")


class StartedStack:
    """What `Stack` is once everything of it is ready."""

    def __init__(self, *, folder: RunFolder, steps: object) -> None:
        del steps
        self._folder = folder
        self.addresses: dict[str, Any] = dict(ADDRESSES)
        self.shop_secret = "shop-secret"

    async def up(self) -> None:
        (self._folder.path / "data").mkdir(exist_ok=True)

    def publish_endpoints(self, sample: Mapping[str, Any]) -> None:
        replace_file(self._folder.endpoints, {**self.addresses, "sample": dict(sample)})

    async def down(self) -> None: ...


class Sample:
    """What the first events do, told by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seeded = 0
        self.fault: Exception | None = None
        monkeypatch.setattr(foreground, "Stack", StartedStack)
        monkeypatch.setattr(foreground, "wait_until_keys_work", self._nothing)
        monkeypatch.setattr(foreground, "seed", self._seed)
        monkeypatch.setattr(foreground, "wait_until_workflow_is_known", self._nothing)
        monkeypatch.setattr(foreground, "point_webhooks_at", self._point)
        monkeypatch.setattr(foreground, "let_shop_sign", self._nothing)
        monkeypatch.setattr(foreground, "wait_until_signatures_are_taken", self._nothing)
        monkeypatch.setattr(foreground, "deliver", self._deliver)

    async def _nothing(self, *_: object, **__: object) -> None: ...

    async def _point(self, _api: object, _catcher: str) -> None: ...

    async def _seed(self, _api: object) -> None:
        self.seeded += 1

    async def _deliver(self, *_ways: object, **_apis: object) -> ArrivedMessage:
        if self.fault is not None:
            raise self.fault
        event = FirstEvent(way="HTTP", event_id="e1", recipient="anna")
        return ArrivedMessage(event=event, messages=[], timeline={"timeline": []})


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> Sample:
    return Sample(monkeypatch)


async def start(folder: RunFolder, *, terminal: bool = False) -> str:
    """What a start says until it is ready; it is then ended."""
    said = io.StringIO()
    console = Console(file=said, force_terminal=terminal, width=200)
    running = asyncio.create_task(foreground.run_until_cancelled(folder=folder, console=console))
    while "Ready." not in said.getvalue():
        assert not running.done(), running.exception()
        await asyncio.sleep(0)
    assert json.loads(folder.endpoints.read_text())["entry"] == ADDRESSES["entry"]
    running.cancel()
    await asyncio.wait({running})
    return said.getvalue()


@pytest.mark.parametrize(
    "fault",
    [
        StartFailed("Of the event sent over Kafka not every message was sent: email skipped (preference_off)."),
        aiohttp.ClientConnectionError("gone"),
        KeyError("data"),
        ValueError("no JSON"),
    ],
)  # fmt: skip
async def test_a_failed_demonstration_is_a_warning_with_its_reason(
    sample: Sample, tmp_path: Path, fault: Exception
) -> None:
    sample.fault = fault
    said = await start(RunFolder(tmp_path))
    assert f"The stack runs all the same. {fault}" in said


async def test_the_sample_is_made_once_and_is_its_user_s_from_then_on(sample: Sample, tmp_path: Path) -> None:
    for _ in range(2):
        assert "Warning" not in await start(RunFolder(tmp_path))
    assert sample.seeded == 1


async def test_a_sample_that_could_not_be_made_is_made_at_the_next_start(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(_api: object) -> None:
        raise StartFailed("PUT /v1/tenant was answered 503")

    with monkeypatch.context() as failing:
        failing.setattr(foreground, "seed", refused)
        assert "answered 503" in await start(RunFolder(tmp_path))
    await start(RunFolder(tmp_path))
    assert sample.seeded == 1


@pytest.mark.parametrize("terminal", [True, False])
async def test_keys_and_passwords_are_shown_on_a_terminal_only(
    sample: Sample, tmp_path: Path, *, terminal: bool
) -> None:
    said = await start(RunFolder(tmp_path), terminal=terminal)
    assert [secret in said for secret in SECRETS] == [terminal] * len(SECRETS)
    assert terminal or str(tmp_path / "endpoints.json") in said


class Answers:
    """The API, or the catcher: every call is answered with what the test says for its path."""

    def __init__(self, answer: Callable[[str], Any]) -> None:
        self._answer = answer

    async def call(self, _method: str, path: str, _body: object = None) -> tuple[int, Any]:
        return 200, self._answer(path)

    async def do(self, _method: str, path: str, _body: object = None) -> Any:
        return self._answer(path)


def timeline(*entries: dict[str, Any]) -> Callable[[str], Any]:
    return lambda path: {"data": []} if "?" in path else {"timeline": list(entries)}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (timeline({"channel": "email", "status": "skipped", "final": True, "reason": "preference_off"}), "email skipped (preference_off)"),
        (timeline({"channel": "sms", "status": "failed", "final": True, "reason": "address_missing"}), "sms failed (address_missing)"),
        (timeline({"status": "skipped", "final": True, "rule": "recipient"}), "order-shipped skipped (recipient)"),
        (lambda path: {"data": [{}]} if "?" in path else {}, "no workflow subscribes to"),
    ],
)  # fmt: skip
async def test_what_ended_otherwise_is_told_by_its_reason(answer: Callable[[str], Any], reason: str) -> None:
    async def publish() -> FirstEvent:
        return FirstEvent(way="HTTP", event_id="e1", recipient="anna")

    apis: Any = {"api": Answers(answer), "catcher": Answers(lambda _path: [])}
    with pytest.raises(StartFailed) as failed:
        await deliver(publish, **apis)
    assert reason in str(failed.value)


async def test_a_message_that_never_comes_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def publish() -> FirstEvent:
        return FirstEvent(way="HTTP", event_id="e1", recipient="anna")

    monkeypatch.setattr(first_events, "ARRIVE_WITHIN", 0.05)
    nothing: Any = functools.partial(Answers, timeline())
    with pytest.raises(StartFailed, match="nothing arrived"):
        await deliver(publish, api=nothing(), catcher=Answers(lambda _path: []))  # type: ignore[arg-type]
