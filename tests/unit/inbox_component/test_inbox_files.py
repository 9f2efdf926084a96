"""What pages load of <tocsin-inbox> is small, and made of its sources as they are."""

import pytest

from tocsin.dev.inbox_component import COMPONENT, MADE_OF, made


@pytest.mark.npm
@pytest.mark.parametrize("name", MADE_OF)
def test_the_files_are_made_of_their_sources(name: str) -> None:
    now = made(COMPONENT / "src" / MADE_OF[name])
    assert (COMPONENT / name).read_text() == now, "Write them anew: make component"


def test_the_element_is_one_small_file() -> None:
    assert (COMPONENT / "tocsin-inbox.js").stat().st_size < 15_000


def test_nothing_parses_markup_or_runs_text() -> None:
    """What a message says could be either."""
    for file in COMPONENT.glob("**/*.js"):
        text = file.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
            assert word not in text, f"{file.name} has {word}"
