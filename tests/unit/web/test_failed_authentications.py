"""Who fails often is slowed and logged, without a key and in bounded memory; whoever has a key is let in all the same."""

import logging
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from tocsin.contracts.directory import ApiKeyRecord
from tocsin.runtime import Health
from tocsin.testing import ManualClock
from tocsin.web import FailedAuthentications, Gate, KeyTable, Sender, Sources, new_key, service_app
from tocsin.web.failed_authentications import FREE_FAILURES, OTHERS


class Timers:
    """Calls what is due when the clock is moved on."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self._due: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self._due.append((self.clock.monotonic() + seconds, call))

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        while due := [entry for entry in self._due if entry[0] <= self.clock.monotonic()]:
            self._due = [entry for entry in self._due if entry not in due]
            for _, call in due:
                call()
            self.clock.advance(0.2)


@pytest.fixture
def timers() -> Timers:
    return Timers()


def counting(timers: Timers, **more: Any) -> FailedAuthentications:
    return FailedAuthentications(
        service="failures-test", clock=timers.clock, call_later=timers.call_later, **more
    )


Lines = Callable[[], list[tuple[str, int]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    logged: list[tuple[str, int]] = []

    class Log:
        def warning(self, _event: str, *, source: str, failures: int, seconds: float) -> None:
            logged.append((source, failures))

    monkeypatch.setattr("tocsin.web.failed_authentications.log", Log())
    return lambda: logged


def counted(reason: str) -> float:
    labels = {"component": "failures-test", "reason": reason}
    return REGISTRY.get_sample_value("tocsin_authentication_failures_total", labels) or 0


def test_the_first_failures_of_a_minute_are_free(timers: Timers, lines: Lines) -> None:
    failures = counting(timers)
    before = counted("mismatch")
    assert [failures.count("10.0.0.1", "mismatch") for _ in range(FREE_FAILURES)] == [None] * FREE_FAILURES
    assert failures.count("10.0.0.1", "mismatch") == 60
    timers.advance(45)
    assert failures.count("10.0.0.1", "mismatch") == 15
    assert failures.count("10.0.0.2", "mismatch") is None
    assert counted("mismatch") == before + FREE_FAILURES + 3
    assert lines() == []
    timers.advance(15)
    assert lines() == [("10.0.0.1", FREE_FAILURES + 2)]
    assert failures.count("10.0.0.1", "mismatch") is None
    timers.advance(60)
    assert lines() == [("10.0.0.1", FREE_FAILURES + 2), ("10.0.0.2", 1), ("10.0.0.1", 1)]
    assert len(failures) == 0


def test_a_line_is_written_once_a_minute_and_source(timers: Timers, lines: Lines) -> None:
    failures = counting(timers)
    for _ in range(600):
        failures.count("10.0.0.1", "unknown")
        timers.advance(0.5)
    timers.advance(60)
    assert sum(number for _, number in lines()) == 600
    assert len(lines()) in {5, 6}


def test_memory_is_bounded_and_many_sources_share_one_count(timers: Timers, lines: Lines) -> None:
    failures = counting(timers, most_sources=1000)
    for number in range(5000):
        failures.count(f"source-{number}", "missing")
    assert len(failures) == 1001
    assert failures.count("source-4999", "missing") == 60
    assert failures.count("source-1", "missing") is None
    timers.advance(60)
    assert len(failures) == 0
    assert (OTHERS, 4001) in lines()


ADDRESSES = [
    ("10.0.0.9", "", "10.0.0.9"),
    ("10.0.0.9", "203.0.113.7", "10.0.0.9"),  # it is no proxy of ours
    ("192.0.2.1", "203.0.113.7", "203.0.113.7"),
    ("192.0.2.1", "", "192.0.2.1"),
    ("192.0.2.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),  # what stands before was the caller's to write
    ("192.0.2.1", "203.0.113.7, 192.0.2.200", "203.0.113.7"),
    ("192.0.2.1", "203.0.113.7, nonsense", "192.0.2.1"),
    ("192.0.2.1", "nonsense, 192.0.2.200", "192.0.2.200"),
    ("2001:db8:1:2:aaaa::1", "", "2001:db8:1:2::/64"),
    ("::ffff:10.0.0.9", "", "10.0.0.9"),
    ("", "203.0.113.7", "unknown"),
]


@pytest.mark.parametrize(("peer", "header", "source"), ADDRESSES)
def test_the_source_is_the_peer_or_what_a_trusted_proxy_says(peer: str, header: str, source: str) -> None:
    sources = Sources([ip_network("192.0.2.0/24")])
    headers = [(b"x-forwarded-for", header.encode())] if header else []
    assert sources.of({"client": (peer, 1), "headers": headers}) == source
    if not header:
        assert Sources().of({"client": (peer, 1), "headers": [(b"x-forwarded-for", b"192.0.2.9")]}) == source


def test_a_peer_without_an_address() -> None:
    assert Sources().of({"client": None, "headers": []}) == "unknown"


async def test_a_valid_key_is_let_in_where_others_are_slowed(
    timers: Timers, lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    keys, key, guessed = KeyTable(), new_key("live"), new_key("live")
    keys.put(ApiKeyRecord(tenant="acme", id=key.id, mode="live", sha256=key.sha256, scopes=["send"]))
    app = service_app(name="failures-test", health=Health(), keys=keys)
    app.state.gate = Gate(keys=keys, failures=counting(timers))

    @app.get("/send")
    async def send(caller: Sender) -> str:
        return caller.tenant

    caplog.set_level(logging.DEBUG)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        wrong = {"authorization": f"Bearer {guessed.reveal()}"}
        answers = [await client.get("/send", headers=wrong) for _ in range(FREE_FAILURES + 1)]
        assert {answer.status_code for answer in answers[:-1]} == {401}
        slowed = answers[-1]
        assert (slowed.status_code, slowed.json()["code"]) == (429, "too_many_failures")
        assert slowed.headers["retry-after"] == "60"
        right = await client.get("/send", headers={"authorization": f"Bearer {key.reveal()}"})
        assert (right.status_code, right.json()) == (200, "acme")
    timers.advance(60)
    assert lines() == [("127.0.0.1", FREE_FAILURES + 1)]
    assert guessed.id not in caplog.text
    assert guessed.secret not in caplog.text
