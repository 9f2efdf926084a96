"""What tests share: a real broker and database, started once, and a word on which tests ran and which did not."""

import json
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.whole_stack import whole_stack
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tocsin.dev import KafkaServer, PostgresServer, create_database, drop_database
from tocsin.observability import configure_tracing, shutdown_tracing
from tocsin.testing.span_collector import SpanCollector

# The machine may be busy with something else: how long an example takes says nothing of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# Tests kill processes at any moment: a note that one leaves would refuse the workflow of another. Tests of the note set a folder.
os.environ["CRASH_NOTES"] = ""
os.environ["EXIT_NOTES"] = ""

TESTS = Path(__file__).parent
PACKAGES = {  # marker -> the program it needs, how to get it
    "browser": ("chromium", "apt install chromium"),
    "java": ("javac", "apt install default-jdk-headless"),
    "kcat": ("kcat", "apt install kcat"),
    "npm": ("npm", "apt install nodejs npm"),
    "postfix": ("postfix", "apt install postfix"),
    "prometheus": ("prometheus", "apt install prometheus prometheus-alertmanager"),
}
FETCHED = "prometheus"
"""Unpacked from Debian's package where it is not installed; `tocsin.dev` says what to do where that fails."""
ORDER = ("contract", "unit", "e2e", "integration", "browser")
"""What fails fast first, then what one process does for minutes while others have many small files to share."""
STACKS_OF_THEIR_OWN = (
    "test_acls.py",
    "test_detached_stack.py",
    "test_local_stack_life.py",
    "test_proving_ground.py",
    "test_jaeger.py",
    "test_upgrade.py",
)
"""Files whose tests start stacks themselves, and so need not wait for those on the shared one."""
MEASURED = "measured"
"""A test that records this property (`record_property`) has its words printed at the end: what it prints itself is lost among processes."""
LEFT_OUT = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--nightly", action="store_true", help="also the tests that take too long for every change"
    )
    parser.addoption(
        "--fuzz-minutes",
        type=float,
        default=0.0,
        help="how long all fuzzers together go on with other inputs",
    )


def pytest_configure(config: pytest.Config) -> None:
    unknown = _without() - PACKAGES.keys()
    if unknown:
        raise pytest.UsageError(f"WITHOUT may name {', '.join(PACKAGES)}; not {', '.join(sorted(unknown))}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what WITHOUT names, and without `--nightly` what is marked so, and remembers how many tests that were. Sorts by
    kind; the tests on the session's whole stack come before those with a stack of their own, which another process runs meanwhile."""
    reasons = _without() if config.getoption("--nightly") else {*_without(), "nightly"}
    left_out = [(item, name) for item in items for name in sorted(reasons) if item.get_closest_marker(name)]
    config.stash[LEFT_OUT] = Counter(name for _, name in left_out)
    if left_out:
        gone = {item for item, _ in left_out}
        config.hook.pytest_deselected(items=list(gone))
        items[:] = [item for item in items if item not in gone]
    items.sort(key=_place)


class FilesAndTheStack(LoadScopeScheduling):  # type: ignore[misc]
    """Tests of one file run in one process, one after the other; so do all tests of the shared stack, which is started once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", maxsplit=1)[0]
        shared = _kind(nodeid) == "e2e" and not file.endswith(STACKS_OF_THEIR_OWN)
        return "e2e" if shared else file


def pytest_make_parametrize_id(val: object) -> str | None:
    """The same in every process, also of sets; None leaves the id to pytest."""
    if isinstance(val, set | frozenset):
        return " ".join(sorted(map(str, val)))
    return None


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesAndTheStack:
    """Tests are shared out among `-n` processes in the order they have, so that what fails fast still comes first."""
    config.option.loadscopereorder = False
    return FilesAndTheStack(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that runs a share of the tests says what was left out, which the one that reports has not seen."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        counts: Counter[str] = session.config.stash[LEFT_OUT]
        output["left_out"] = dict(counts)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    node.config.stash[LEFT_OUT] = Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, (program, how) in PACKAGES.items():
        if marker != FETCHED and item.get_closest_marker(marker) and shutil.which(program) is None:
            pytest.fail(
                f"this test needs {program}: {how}; or leave such tests out: make test WITHOUT={marker}",
                pytrace=False,
            )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How many tests of each kind passed, what they have measured, and what was left out."""
    passed = Counter(_kind(report.nodeid) for report in terminalreporter.getreports("passed"))
    terminalreporter.write_sep("=", "tests by kind")
    for kind in sorted(passed):
        terminalreporter.write_line(f"{kind:<12} {passed[kind]:>5} passed")
    for report in terminalreporter.getreports("passed"):
        for name, words in report.user_properties:
            if name == MEASURED:
                terminalreporter.write_line(words)
    left_out = config.stash.get(LEFT_OUT, Counter()).copy()
    if nightly := left_out.pop("nightly", 0):
        terminalreporter.write_line(f"{'nightly':<12} {nightly:>5} not run: make nightly runs them")
    for marker, count in sorted(left_out.items()):
        program, how = PACKAGES[marker]
        terminalreporter.write_line(
            f"{marker:<12} {count:>5} not run, as WITHOUT asked: they need {program} ({how})"
        )


def _without() -> set[str]:
    return {name for name in os.environ.get("WITHOUT", "").split(",") if name}


def _place(item: pytest.Item) -> tuple[int, bool, bool]:
    """Last of their kind come those that look at rendered manifests: kustomize, which they need, takes two minutes to build the first time."""
    kind = _kind(item.nodeid)
    place = ORDER.index(kind) if kind in ORDER else -1
    rendered = hasattr(getattr(item, "module", None), "manifests")
    return place, rendered, "local_stack" not in getattr(item, "fixturenames", ())


def _kind(nodeid: str) -> str:
    """The folder directly under tests/."""
    parts = nodeid.split("::", maxsplit=1)[0].split("/")
    return parts[parts.index(TESTS.name) + 1] if TESTS.name in parts[:-2] else "other"


@pytest.fixture
def fuzz_minutes(request: pytest.FixtureRequest) -> float:
    """How long one fuzzer goes on after its first round, which has the same inputs in every run."""
    fuzzers = [item for item in request.session.items if "fuzz_minutes" in getattr(item, "fixturenames", ())]
    return float(request.config.getoption("--fuzz-minutes")) / len(fuzzers)


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Apache Kafka; `KAFKA_BOOTSTRAP_SERVERS` names one that already runs."""
    if address := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield address
        return
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server.bootstrap_servers
    server.kill()  # nobody needs its data again


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real PostgreSQL with the right to create databases; `DATABASE_URL` names one that already runs."""
    if address := os.environ.get("DATABASE_URL"):
        yield address
        return
    with PostgresServer(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server.url


@pytest.fixture
def topic_prefix() -> str:
    """A topic prefix no other test uses, so that tests share a broker without meeting."""
    return f"t{uuid.uuid4().hex[:12]}."


@pytest.fixture
def database_template() -> str | None:
    """The database that `database_url` copies; None: it begins empty. Folders whose tests all begin with the same tables
    say so here, as a copy takes a fraction of the time of making them."""
    return None


@pytest.fixture
def database_url(postgres_server: str, database_template: str | None) -> Iterator[str]:
    """URL of a database of the test's own, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield create_database(postgres_server, name, template=database_template)
    drop_database(postgres_server, name)


@pytest.fixture(scope="session")
def span_collector() -> Iterator[SpanCollector]:
    """Where the services of `local_stack` export their spans: all of them, and at once."""
    with SpanCollector() as collector:
        yield collector


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What this process records: spans of sampled traces that come in, and of none that begin here."""
    exporter = InMemorySpanExporter()
    configure_tracing("router", None, 0.0, version="1.2.3", exporter=exporter)
    yield exporter
    shutdown_tracing()


@pytest.fixture(scope="session")
def local_stack(
    tmp_path_factory: pytest.TempPathFactory, span_collector: SpanCollector
) -> Iterator[dict[str, Any]]:
    """The whole local stack, ready and seeded: the content of its endpoints.json. It ends with the test run;
    `LOCAL_STACK` names the endpoints.json of one that already runs."""
    if path := os.environ.get("LOCAL_STACK"):
        yield json.loads(Path(path).read_text())
        return
    with whole_stack(tmp_path_factory.mktemp("stack"), spans_to=span_collector.endpoint) as stack:
        yield stack
