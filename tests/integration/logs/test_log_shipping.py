"""The services' lines in a search engine, as docs/operations/logs.md says: a real rsyslog, a real OpenSearch, and the files that are shipped for them."""

import contextlib
import io
import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest
from tests.integration.logs.search_engine import SearchEngine
from tests.integration.logs.shipper import NAMESPACE, SHIPPED, Pod, Shipper
from tests.log_lines import lines_of

from tocsin.channel.answers import NotSent
from tocsin.channel.delivery import Delivery
from tocsin.channel.hand_off_metrics import End
from tocsin.channel.trouble_lines import TroubleLines
from tocsin.contracts.faults import Fault
from tocsin.contracts.vocabulary import Lane, Reason, StatusName
from tocsin.observability import bound, configure_logging, get_logger, metrics
from tocsin.testing.until import until

pytestmark = [pytest.mark.java, pytest.mark.nightly]

CALLS = 40
"""Refused by the provider of the incident."""
WITHIN = 180
"""Seconds in which lines must have come; the engine's node shares its processors with whatever else runs."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchEngine]:
    engine = SearchEngine(tmp_path_factory.mktemp("engine"))
    engine.start(timeout=WITHIN)
    yield engine
    engine.stop()


@pytest.fixture
def engine(node: SearchEngine) -> SearchEngine:
    """With the template that is shipped, and without lines."""
    node.ask("DELETE", "/tocsin-logs-*")
    node.ask("PUT", "/_index_template/tocsin-logs", json.loads((SHIPPED / "index-template.json").read_text()))
    return node


@pytest.fixture
def shipper(tmp_path: Path, engine: SearchEngine) -> Iterator[Shipper]:
    rsyslog = Shipper(tmp_path, url=engine.url)
    yield rsyslog
    rsyslog.stop()


@contextlib.contextmanager
def logged_by(service: str) -> Iterator[io.StringIO]:
    """What the service would write with LOG_FIELDS=ecs and LOG_LEVEL=DEBUG."""
    with lines_of(service) as out:
        configure_logging(service, json=True, level="DEBUG", version="0.1.0", names="ecs", stream=out)
        yield out


def delivery_of(notification: str) -> Delivery:
    """What the lines tell of one."""
    job = SimpleNamespace(
        notification_id=notification,
        delivery_id=str(uuid.uuid4()),
        tenant="acme",
        traceparent=f"00-{uuid.uuid4().hex}-{'b' * 16}-00",
    )
    return cast("Delivery", SimpleNamespace(job=job))


def incident(notification: str) -> None:
    """A provider takes no call, one delivery ends so, and an adapter fails: lines by the code that writes them in a dispatcher."""
    lines = TroubleLines()
    for _ in range(CALLS):
        lines.not_taken("primary", NotSent(reason=Reason.UNREACHABLE))
    lines.not_taken("backup", NotSent(reason=Reason.CREDENTIALS_REFUSED, code="535"))
    counter = metrics.deliveries.labels("email", "bulk", "primary", "failed", "unreachable", "provider")
    end = End(counter, Lane.BULK, "primary", StatusName.FAILED, Reason.UNREACHABLE, Fault.PROVIDER)
    lines.ended(end, delivery_of(notification))
    lines.close()
    log = get_logger("tocsin.channel.attempts")
    with bound(tenant="acme", notification_id=notification):
        try:
            adapter()
        except ConnectionError as error:
            log.warning("provider raised", provider="primary", error=error, exc_info=True)


def adapter() -> NoReturn:
    raise ConnectionError("Verbindung zu 日本.example über Köln beendet")


async def all_there(engine: SearchEngine, lines: int) -> list[dict[str, Any]]:
    """So many lines, as soon as the engine has them; one that it has twice is two."""
    try:
        await until(lambda: len(engine.lines()) >= lines, seconds=WITHIN, every=0.5)
    except TimeoutError:
        pytest.fail(f"{len(engine.lines())} of {lines} lines have come after {WITHIN} s")
    return engine.lines()


def numbered(first: int, count: int) -> list[str]:
    """Lines that are told apart by a number."""
    with logged_by("router") as out:
        for number in range(first, first + count):
            get_logger("tocsin.test").debug("numbered", number=number)
    return out.getvalue().splitlines()


def numbers(lines: list[dict[str, Any]]) -> Counter[int]:
    return Counter(line["number"] for line in lines if "number" in line)


async def test_an_incident_is_found_by_its_notification_and_by_provider(
    engine: SearchEngine, shipper: Shipper
) -> None:
    notification = str(uuid.uuid4())
    with logged_by("dispatch-email") as out:
        incident(notification)
    lines = out.getvalue().splitlines()
    pod = Pod(shipper.pods, "dispatch-email-7f9c", "dispatch-email")
    pod.say(*lines, "Fatal Python error: not JSON at all")
    shipper.start()
    arrived = await all_there(engine, len(lines) + 1)

    where = {
        "namespace": NAMESPACE,
        "pod": {"name": "dispatch-email-7f9c"},
        "container": {"name": "dispatch-email"},
    }
    assert [line.pop("kubernetes") for line in arrived] == [where] * len(arrived)
    foreign = [line for line in arrived if "service.name" not in line]
    assert [line["message"] for line in foreign] == ["Fatal Python error: not JSON at all"]
    told = [line for line in arrived if line not in foreign]
    assert sorted(map(in_order, told)) == sorted(in_order(json.loads(line)) for line in lines)

    # The queries of the page.
    path = f"/tocsin-logs-*/_search?q=notification_id:{notification}&sort=@timestamp&size=1000"
    about = {hit["_source"]["message"]: hit["_source"] for hit in engine.ask("GET", path)["hits"]["hits"]}
    assert about.keys() == {"delivery ended", "provider raised"}
    assert "日本.example über Köln" in about["provider raised"]["error.message"]
    assert about["provider raised"]["error.stack_trace"].startswith("Traceback (most recent call last):\n")
    query = json.loads((SHIPPED / "warnings-by-provider.json").read_text())
    buckets = engine.ask("POST", "/tocsin-logs-*/_search", query)["aggregations"]["provider"]["buckets"]
    assert {bucket["key"]: bucket["calls"]["value"] for bucket in buckets} == {"primary": CALLS, "backup": 1}
    assert {bucket["key"]: bucket["reason"]["buckets"][0]["key"] for bucket in buckets} == {
        "primary": "unreachable",
        "backup": "credentials_refused",
    }


def in_order(line: dict[str, Any]) -> str:
    return json.dumps(line, sort_keys=True)


async def test_nothing_is_lost_or_doubled_while_the_engine_is_away(
    engine: SearchEngine, shipper: Shipper
) -> None:
    first, second = (Pod(shipper.pods, f"router-worker-{name}", "router") for name in "ab")
    first.say(*numbered(0, 200))
    shipper.start()
    await all_there(engine, 200)
    engine.stop()
    first.say(*numbered(200, 300))
    first.rotate()
    first.say(*numbered(500, 300))
    second.say(*numbered(800, 100))
    shipper.stop()
    second.say(*numbered(900, 100))
    shipper.start()
    engine.start(timeout=WITHIN)
    assert numbers(await all_there(engine, 1_000)) == Counter(range(1_000))


async def test_nothing_is_lost_or_doubled_when_rsyslog_is_killed(
    engine: SearchEngine, shipper: Shipper
) -> None:
    pod = Pod(shipper.pods, "router-worker-c", "router")
    pod.say(*numbered(0, 500))
    shipper.start()
    await all_there(engine, 1)
    pod.say(*numbered(500, 500))
    shipper.kill()
    pod.say(*numbered(1_000, 500))
    shipper.start()
    assert numbers(await all_there(engine, 1_500)) == Counter(range(1_500))


async def test_what_the_engine_refuses_for_now_is_sent_again_and_what_it_refuses_for_ever_is_kept(
    engine: SearchEngine, shipper: Shipper
) -> None:
    pod = Pod(shipper.pods, "router-worker-d", "router")
    pod.say(*numbered(0, 10))
    shipper.start()
    await all_there(engine, 10)
    # As the engine does by itself where its disk is nearly full.
    engine.ask("PUT", "/tocsin-logs-*/_settings", {"index.blocks.read_only_allow_delete": True})
    pod.say(*numbered(10, 90))
    wrong = json.loads(numbered(0, 1)[0]) | {"@timestamp": "yesterday", "number": -1}
    pod.say(json.dumps(wrong), day="2026-02-27")  # an index of its own, which nobody has blocked
    await until(lambda: refusals(shipper) == 1, seconds=WITHIN, every=0.5)
    assert numbers(await all_there(engine, 10)) == Counter(range(10))
    engine.ask("PUT", "/tocsin-logs-*/_settings", {"index.blocks.read_only_allow_delete": None})
    assert numbers(await all_there(engine, 100)) == Counter(range(100))
    kept = (shipper.spool / "tocsin-lines-refused").read_text()
    assert kept.startswith("mapper_parsing_exception: failed to parse field [@timestamp]")
    assert '"number": -1' in kept


def refusals(shipper: Shipper) -> int:
    kept = shipper.spool / "tocsin-lines-refused"
    return len(kept.read_text().splitlines()) if kept.exists() else 0


async def test_a_day_is_an_index_and_is_deleted_as_one(engine: SearchEngine, shipper: Shipper) -> None:
    pod = Pod(shipper.pods, "router-worker-e", "router")
    pod.say(*numbered(0, 5), day="2026-02-27")
    pod.say(*numbered(5, 5), day="2026-02-28")
    shipper.start()
    await all_there(engine, 10)
    engine.ask("DELETE", "/tocsin-logs-2026-02-27")
    assert numbers(engine.lines()) == Counter(range(5, 10))


async def test_a_line_that_the_container_runtime_cuts_comes_in_parts(
    engine: SearchEngine, shipper: Shipper
) -> None:
    pod = Pod(shipper.pods, "router-worker-f", "router")
    text = json.dumps({"message": "long", "error.stack_trace": "x" * 20_000})
    pod.say(text[:16_384], part="P")
    pod.say(text[16_384:])
    shipper.start()
    parts = await all_there(engine, 2)
    assert "".join(line["message"] for line in parts) == text


@pytest.fixture
def refusing_engine() -> Iterator[str]:
    """Where every request is answered as by an engine that has no master: as a whole, and not line by line."""

    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(503)
            self.end_headers()
            self.wfile.write(
                b'{"error": {"type": "cluster_block_exception", "reason": "no master"}, "status": 503}'
            )

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_request_that_is_refused_as_a_whole_is_kept(tmp_path: Path, refusing_engine: str) -> None:
    shipper = Shipper(tmp_path, url=refusing_engine)
    (line,) = numbered(7, 1)
    Pod(shipper.pods, "router-worker-g", "router").say(line)
    shipper.start()
    kept = shipper.spool / "tocsin-requests-refused.json"
    await until(lambda: kept.exists() and kept.read_text().endswith("\n"), seconds=WITHIN, every=0.2)
    shipper.stop()
    refused = json.loads(kept.read_text())
    assert refused["reply"]["error"]["reason"] == "no master"
    sent = json.loads(refused["request"]["postdata"].splitlines()[1])
    assert sent.items() >= json.loads(line).items()
