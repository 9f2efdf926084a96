"""Each metric answers a question, and no page names one that does not exist."""

import re
from pathlib import Path

import pytest

from tocsin.observability import metrics
from tocsin.observability.unlocked_metrics import Counter, Gauge, Histogram
from tocsin.specifications.metric_questions import QUESTIONS
from tocsin.specifications.metrics_page import Unquestioned, metrics_page, sections

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "operations" / "metrics.md"
DEFINED = {metric for metric in vars(metrics).values() if isinstance(metric, Counter | Gauge | Histogram)}
SHOWN = {
    f"{metric._name}{ending}"
    for metric in DEFINED
    for ending in ("", "_total" * isinstance(metric, Counter), *(("_bucket", "_count", "_sum") if isinstance(metric, Histogram) else ()))
}  # fmt: skip
PAGES = sorted(
    path
    for path in [*ROOT.glob("docs/**/*.md"), *ROOT.glob("*/*/README.md")]
    if "adr" not in path.parts and path.name != "benchmarks.md"
)
NO_METRICS = ("tocsin_dead_", "tocsin_link", "tocsin_actions", "tocsin_notification", "tocsin_delivery")
"""Headers of dead letters, and fields of push messages."""


def test_the_page_has_every_metric() -> None:
    assert {metric for under in sections().values() for metric in under} == DEFINED


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_a_question_is_one(name: str) -> None:
    assert QUESTIONS[name].endswith("?")


def test_a_metric_without_a_question_is_refused() -> None:
    fewer = {name: question for name, question in QUESTIONS.items() if name != "tocsin_paused"}
    with pytest.raises(Unquestioned, match="tocsin_paused"):
        metrics_page(PAGE, fewer)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_only_metrics_that_exist(page: Path) -> None:
    named = set(re.findall(r"`(tocsin_[a-z_]+)[`{]", page.read_text()))
    assert {name for name in named - SHOWN if not name.startswith(NO_METRICS)} == set()
