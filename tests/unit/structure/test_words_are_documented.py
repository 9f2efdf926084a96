"""Every word a reader of statuses or an HTTP caller can meet is explained, and nothing else is."""

import ast
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

import pytest

from tocsin.contracts.vocabulary import Again, Outcome, Reason, Rule, StatusName
from tocsin.web import plain_words
from tocsin.web.codes import CODES

ROOT = Path(__file__).parents[3]
STATUSES = (ROOT / "docs" / "statuses.md").read_text()
PROBLEMS = ROOT / "docs" / "problems"


def rows(section: str) -> list[list[str]]:
    """The table under a heading: a list of cells for each row."""
    text = STATUSES.split(f"## {section}\n")[1].split("\n## ")[0]
    return [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\| `.*$", text, re.MULTILINE)
    ]


@pytest.mark.parametrize(
    ("section", "words"),
    [("Outcomes", [*Outcome, *Again]), ("Statuses", StatusName), ("Rules", Rule), ("Reasons", Reason)],
)
def test_every_word_of_a_status_has_its_line(section: str, words: Iterable[StrEnum]) -> None:
    assert [row[0] for row in rows(section)] == [str(word) for word in words]


def test_the_page_says_rightly_what_is_final() -> None:
    assert {row[0]: row[2] for row in rows("Statuses")} == {
        str(status): "yes" if status.final else "no" for status in StatusName
    }


def test_every_problem_has_its_page_and_its_line() -> None:
    pages = {path.stem for path in PROBLEMS.glob("*.md")} - {"README"}
    assert pages == set(CODES)
    table = re.findall(
        r"^\| \[`(\w+)`\]\(\1\.md\) \| (\d+) \|", (PROBLEMS / "README.md").read_text(), re.MULTILINE
    )
    assert dict(table) == {name: str(code.status) for name, code in CODES.items()}


@pytest.mark.parametrize("name", sorted(CODES))
def test_a_problems_page_says_what_it_is_and_what_to_do(name: str) -> None:
    page = (PROBLEMS / f"{name}.md").read_text()
    assert f"# {CODES[name].title}\n" in page
    assert f"Code `{name}`, HTTP status {CODES[name].status}." in page
    assert "## What to do" in page


CODE_OF: dict[str, int | str] = {
    "Fault": "code",
    "ProblemError": "code",
    "ValueRefused": 0,
    "PydanticCustomError": 0,
    "TemplateFault": 1,
}
"""What a fault is made with, and which argument of it is the code."""


def codes_of_faults() -> Iterator[str]:
    """Every code that stands in the sources as a text."""
    for path in [*ROOT.glob("libs/common/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]:
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in CODE_OF:
                place = CODE_OF[call.func.id]
                given = [keyword.value for keyword in call.keywords if keyword.arg == place]
                if isinstance(place, int):
                    given = call.args[place : place + 1]
                yield from (str(code.value) for code in given if isinstance(code, ast.Constant))


def test_every_code_of_a_fault_has_its_line() -> None:
    page = (PROBLEMS / "README.md").read_text().split("## Codes of `errors`")[1]
    table = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    forms = {*plain_words.SENTENCES, *plain_words.WITH_VALUES}
    codes = set(codes_of_faults()) - set(CODES) - set(Reason) - forms
    assert table == sorted(codes | {"too_large"})  # also a reason, of jobs
    assert set(re.findall(r"`(\w+)`", page.split("A value of the wrong form")[1].split("\n\n")[0])) == forms
