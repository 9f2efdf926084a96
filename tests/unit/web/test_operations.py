"""What a service answers to those who operate it."""

from collections.abc import AsyncIterator

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families

from tocsin.runtime import Health
from tocsin.testing import ManualClock
from tocsin.web import operations_app


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def health(clock: ManualClock) -> Health:
    return Health(service="things", clock=clock)


@pytest.fixture
async def client(health: Health) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(operations_app(name="things", health=health))
    async with httpx.AsyncClient(transport=transport, base_url="http://things") as client:
        yield client


async def test_readyz_lists_each_check_with_its_reason(client: httpx.AsyncClient, health: Health) -> None:
    assert (await client.get("/readyz")).status_code == 503
    health.check("kafka").set_ready()
    health.check("directory").set_not_ready("reading")
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "checks": [
            {"name": "kafka", "ready": True, "reason": None},
            {"name": "directory", "ready": False, "reason": "reading"},
        ],
    }
    health.check("directory").set_ready()
    assert (await client.get("/readyz?verbose")).status_code == 200


async def test_livez_fails_when_the_loop_has_stopped_turning(
    client: httpx.AsyncClient, health: Health, clock: ManualClock
) -> None:
    health.turned(late=0.002)
    assert (await client.get("/livez?verbose")).json() == {
        "alive": True,
        "loop_late_seconds": 0.002,
        "since_seconds": 0.0,
    }
    clock.advance(60)
    assert (await client.get("/livez")).status_code == 503


async def test_metrics_are_numbers_of_the_process(client: httpx.AsyncClient, health: Health) -> None:
    health.check("kafka").set_ready()
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'tocsin_ready{check="kafka",component="things"} 1.0' in answer.text


async def test_metrics_are_openmetrics_for_who_asks(client: httpx.AsyncClient, health: Health) -> None:
    health.check("kafka").set_ready()
    accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    answer = await client.get("/metrics", headers={"accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    families = {family.name: family for family in openmetrics_families(answer.text)}
    assert families["tocsin_ready"].samples


@pytest.mark.parametrize("accept", ["*/*", "text/plain", "application/json"])
async def test_metrics_are_the_classic_text_for_everybody_else(
    client: httpx.AsyncClient, accept: str
) -> None:
    answer = await client.get("/metrics", headers={"accept": accept})
    assert answer.headers["content-type"].startswith("text/plain")
    assert "_created" not in answer.text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_head_is_answered_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    told, asked = await client.get(path), await client.head(path)
    assert (asked.status_code, asked.content) == (told.status_code, b"")


@pytest.mark.parametrize("path", ["/", "/openapi.json", "/docs", "/v1/tenant"])
async def test_nothing_else_is_there(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_halted_service_still_says_how_it_is(client: httpx.AsyncClient, health: Health) -> None:
    health.halted = "Record directory/0/7 cannot be read: upgrade this service."
    assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/metrics")).status_code == 200


async def test_a_service_may_have_pages_of_its_own(health: Health) -> None:
    app = operations_app(name="things", health=health, pages={"/internal/things": lambda: {"things": [1]}})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://things") as client:
        answer = await client.get("/internal/things")
        assert (answer.status_code, answer.json()) == (200, {"things": [1]})
        assert (await client.post("/internal/things")).status_code == 405


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/other"])
async def test_nothing_here_is_traced(
    path: str, client: httpx.AsyncClient, spans: InMemorySpanExporter
) -> None:
    await client.get(path, headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
    assert spans.get_finished_spans() == ()
