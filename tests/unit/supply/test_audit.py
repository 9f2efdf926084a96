"""An audit never says that all is well when nobody was asked, and tolerates nothing beyond its day."""

import subprocess
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tocsin.dev.audit.databases import Database, Fault
from tocsin.dev.audit.exceptions import FILE, ExceptionsInvalid, Tolerated, tolerated
from tocsin.dev.audit.pins import GO, MAVEN, NPM, PYTHON, Pin, all_pins, go_pins, maven_pins, npm_pins
from tocsin.dev.audit.verdict import Verdict, judge
from tocsin.dev.paths import PROJECT
from tocsin.dev.requirement_files import pinned
from tocsin.dev.services import NAMES

A, OTHER = Pin("PyPI", "a", "1.0"), Pin("Go", "b.example/c", "2")
FAULT = Fault(("GHSA-1", "CVE-1"), ("1.1",))
TODAY = date(2026, 5, 1)
HOLDS = Tolerated("CVE-1", "a", "it is never called", TODAY)


def database(name: str, known: Mapping[Pin, Sequence[Fault]]) -> Database:
    return Database(name, lambda _: known)


def verdict(*answers: Mapping[Pin, Sequence[Fault]], exceptions: Sequence[Tolerated] = ()) -> Verdict:
    databases = [database(f"d{number}", known) for number, known in enumerate(answers)]
    return judge({A, OTHER}, databases=databases, tolerated=exceptions, today=TODAY)


@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [
        ([{A: [], OTHER: []}], 0, "2 pinned distributions, none"),
        ([{A: []}, {OTHER: []}], 0, "none"),
        ([{A: [FAULT], OTHER: []}], 1, "a 1.0: GHSA-1, mended in 1.1"),
        (
            [{A: []}, {}],
            3,
            "NOT AUDITED: 1 of 1 of Go; no vulnerability database answered for them (d0, d1 were asked)",
        ),
        ([{}, {}], 3, "NOT AUDITED: 1 of 1 of Go, 1 of 1 of PyPI"),
        ([{A: [FAULT]}], 1, "GHSA-1"),
        ([{A._replace(version="0.9"): [], OTHER: []}], 3, "NOT AUDITED: 1 of 1 of PyPI"),
    ],
)
def test_the_verdict(answers: list[Mapping[Pin, Sequence[Fault]]], code: int, said: str) -> None:
    ended = verdict(*answers)
    assert (ended.exit_code, said in " ".join(ended.lines)) == (code, True), ended


def test_only_what_nobody_has_answered_for_is_asked_further() -> None:
    asked: list[set[Pin]] = []

    def ask(pins: Collection[Pin]) -> Mapping[Pin, Sequence[Fault]]:
        asked.append(set(pins))
        return {}

    judge(
        {A, OTHER}, databases=[database("first", {A: []}), Database("second", ask)], tolerated=(), today=TODAY
    )
    assert asked == [{OTHER}]


@pytest.mark.parametrize(
    ("known", "entry", "code", "said"),
    [
        ({A: [FAULT], OTHER: []}, HOLDS, 0, "CVE-1 of a holds until 2026-05-01: it is never called"),
        ({A: [FAULT], OTHER: []}, HOLDS._replace(id="GHSA-1"), 0, "holds"),
        (
            {A: [FAULT], OTHER: []},
            HOLDS._replace(until=date(2026, 4, 30)),
            1,
            "ended on 2026-04-30: look at it anew",
        ),
        ({A: [FAULT], OTHER: []}, HOLDS._replace(distribution="b"), 1, "a 1.0: GHSA-1"),
        ({A: [FAULT], OTHER: []}, HOLDS._replace(id="CVE-2"), 1, "a 1.0: GHSA-1"),
        ({A: [], OTHER: []}, HOLDS, 1, "The exception for CVE-1 of a is needed no longer"),
        ({OTHER: []}, HOLDS, 3, "NOT AUDITED: 1 of 1 of PyPI"),
        ({OTHER: []}, HOLDS._replace(until=date(2026, 4, 30)), 1, "ended on"),
        ({OTHER: []}, HOLDS._replace(distribution="gone"), 1, "needed no longer"),
        ({A: [FAULT, Fault(("GHSA-2",))], OTHER: []}, HOLDS, 1, "GHSA-2, mended in no version"),
    ],
)
def test_an_exception_covers_one_vulnerability_of_one_distribution_until_its_day(
    known: Mapping[Pin, Sequence[Fault]], entry: Tolerated, code: int, said: str
) -> None:
    ended = verdict(known, exceptions=[entry])
    assert (ended.exit_code, said in " ".join(ended.lines)) == (code, True), ended


ENTRY = '[[exception]]\nid = "CVE-1"\ndistribution = "a"\nreason = "r"\nuntil = 2026-05-01\n'


def test_exceptions_are_read() -> None:
    assert tolerated(ENTRY) == [HOLDS._replace(reason="r")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ENTRY + 'untill = "x"\n', "unknown key untill; an exception has id, distribution, reason, until"),
        (ENTRY.replace('reason = "r"\n', ""), "`reason` of the exception for CVE-1 must be a text"),
        (ENTRY.replace('"r"', '""'), "`reason` of the exception for CVE-1 must be a text"),
        (ENTRY.replace("2026-05-01", '"2026-05-01"'), "`until` of the exception for CVE-1 must be a date"),
        (ENTRY.replace("2026-05-01", "2026-05-01T00:00:00"), "must be a date"),
        (ENTRY.replace("[[exception]]", "[[exceptions]]"), "[[exception]] and nothing else"),
        (ENTRY.replace("[[exception]]", "[exception]"), "[[exception]] and nothing else"),
        ("x =", "is no TOML"),
    ],
)
def test_what_else_stands_there_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ExceptionsInvalid) as refused:
        tolerated(text)
    assert said in str(refused.value)


def test_our_own_exceptions_can_be_read() -> None:
    tolerated((Path(__file__).parents[3] / FILE).read_text())


def test_whatever_a_requirement_file_pins_is_looked_up() -> None:
    known = {(pin.name, pin.version) for pin in all_pins() if pin.ecosystem == "PyPI"}
    files = (Path(__file__).parents[3] / "requirements").glob("*.txt")
    entries = {(canonicalize_name(entry.name), entry.version) for file in files for entry in pinned(file)}
    assert entries - known == set()


def test_a_file_is_read_with_its_hashes(tmp_path: Path) -> None:
    file = tmp_path / "dev.txt"
    file.write_text("a==1.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via b\nb-c==2 ; python_version < '3' \\\n    --hash=sha256:22\n")  # fmt: skip
    first, second = pinned(file)
    assert (first.name, first.version, first.hashes, first.wanted_here) == ("a", "1.0", ("00", "11"), True)
    assert (second.name, second.wanted_here) == ("b-c", False)
    file.write_text("a>=1\n")
    with pytest.raises(ValueError, match="make lock"):
        list(pinned(file))


def test_pins_of_other_languages_are_read() -> None:
    assert Pin("npm", "uplot", "1.6.32") in npm_pins(NPM)
    go = go_pins(GO)
    assert {pin.name for pin in go} >= {"k8s.io/kubernetes", "k8s.io/mount-utils", "sigs.k8s.io/gateway-api"}
    assert not [pin for pin in go if pin.version in {"0.0.0", ""}], (
        "what is replaced counts in the version that takes its place"
    )
    assert {pin.name for pin in maven_pins(MAVEN)} == {
        "com.eatthepath:pushy",
        "org.apache.kafka:connect-mirror",
        "org.apache.kafka:connect-runtime",
        "org.apache.kafka:kafka-tools",
        "org.apache.kafka:kafka_2.13",
        "org.apache.logging.log4j:log4j-core",
        "org.apache.logging.log4j:log4j-slf4j-impl",
        "org.opensearch:opensearch",
        "org.opensearch.plugin:transport-netty4-client",
        "org.slf4j:slf4j-nop",
    }


def test_every_file_with_pins_is_looked_up_or_left_out_for_a_reason() -> None:
    named = {path.resolve().relative_to(PROJECT) for path in (*PYTHON, *NPM, *GO, *MAVEN)}
    listed = subprocess.run(
        ["git", "ls-files", "*go.mod", "*pom.xml", "*requirements*.txt", "*package-lock.json"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    left_out = {
        *(Path("requirements") / f"{name}.txt" for name in (*NAMES, "catcher")),  # `dev` has all of it
        *(Path(path) for path in listed if path.startswith(("bench/peers/", "tests/contract/"))),  # nobody installs these but a bench or a test
    }  # fmt: skip
    assert {Path(path) for path in listed} - left_out == named
