"""`docs/templates.md` lists the filters, arguments and tests that there are, and no others."""

import re
from pathlib import Path

from tocsin.router.templates.language import FILTERS, ROOTS, TESTS

PAGE = (Path(__file__).parents[3] / "docs" / "templates.md").read_text()


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_the_page_lists_each_filter_with_its_arguments():
    rows = re.findall(r"^\| `(.+?)` \|", section("Filters"), re.MULTILINE)
    assert rows == [FILTERS[name].written(name) for name in sorted(FILTERS)]


def test_the_page_lists_each_test():
    bullets = "".join(line for line in section("Tests").splitlines() if line.startswith(("* ", "  ")))
    listed = re.findall(r"`'?([^`\s']+)'?`", bullets)
    filters = {"select", "reject", "selectattr", "rejectattr"}
    assert sorted(set(listed) - filters) == sorted(TESTS)


def test_the_page_lists_each_variable():
    assert re.findall(r"^\| `(\w+)` \|", section("Variables"), re.MULTILINE) == [
        "data",
        *(r for r in ROOTS if r != "data"),
    ]
