"""Whoever operates Tocsin finds every page from one."""

from pathlib import Path

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations"


def test_the_index_names_every_page_of_operations() -> None:
    text = (OPERATIONS / "README.md").read_text()
    assert {page.name for page in OPERATIONS.glob("*.md") if f"]({page.name})" not in text} == {"README.md"}
