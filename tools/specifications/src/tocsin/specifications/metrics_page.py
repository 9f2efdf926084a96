"""The tables of `docs/operations/metrics.md`, from the definitions, the questions, their expressions and the faults. All else there is its author's."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tocsin.contracts.faults import FAULTS, Fault
from tocsin.observability import metrics
from tocsin.observability.unlocked_metrics import Counter, Gauge, Histogram
from tocsin.specifications.metric_queries import query_of
from tocsin.specifications.metric_questions import QUESTIONS
from tocsin.specifications.on_call_questions import ON_CALL

Metric = Counter | Gauge | Histogram
_LINE: Final = re.compile(r"^# (?P<section>[A-Z].*)$|^(?P<name>[a-z_]+) = \w+\(\"", re.MULTILINE)
_WITHOUT_REASON: Final = {
    Fault.NONE: "`sent`, `cancelled`",
    Fault.US: ", and `expired`: not handed over in time",
}


class Unquestioned(Exception):
    """A metric has no question in `tocsin.specifications.metric_questions`, or a question has no metric."""


def metrics_page(path: Path, questions: Mapping[str, str] = QUESTIONS) -> str:
    """The page with today's tables between its markers. Raises `Unquestioned`."""
    text = _between(path.read_text(), "questions", _questions())
    return _between(text, "metrics", "".join(_lines(questions)))


def _between(page: str, marker: str, tables: str) -> str:
    begin, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->\n"
    before, begins, rest = page.partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        raise Unquestioned(
            f"The page of metrics lacks the lines {begin.strip()} and {end.strip()} for its tables."
        )
    return f"{before}{begin}{tables}{end}{after}"


def _questions() -> str:
    rows = (f"| {question} | {_code(expression)} |\n" for question, expression in ON_CALL.items())
    return "\n| question | query |\n|---|---|\n" + "".join(rows)


def _code(expression: str) -> str:
    escaped = expression.replace("|", "\\|")
    return f"`{escaped}`"


def sections() -> dict[str, list[Metric]]:
    """The metrics, under the headings that they have in their file."""
    sections: dict[str, list[Metric]] = {}
    source = Path(metrics.__file__).read_text().partition("# fmt: off\n")[2].partition("# fmt: on\n")[0]
    for line in _LINE.finditer(source):
        if line["section"]:
            sections[line["section"]] = under = []
        else:
            under.append(getattr(metrics, line["name"]))
    return sections


def _lines(questions: Mapping[str, str]) -> Iterator[str]:
    defined = {metric._name for under in sections().values() for metric in under}
    if differing := sorted(defined ^ questions.keys()):
        raise Unquestioned(f"A metric and its question belong together; one of both is missing: {', '.join(differing)}.")  # fmt: skip
    for section, under in sections().items():
        yield f"\n## {section}\n\n| question | metric | what it says | labels | type, unit | query |\n|---|---|---|---|---|---|\n"
        for metric in under:
            yield _row(metric, questions[metric._name])
    yield "\n## Whose fault\n\n| `fault` | reasons |\n|---|---|\n"
    for fault in Fault:
        reasons = [f"`{reason}`" for reason, whose in FAULTS.items() if whose is fault]
        yield f"| `{fault}` | {', '.join(reasons) + _WITHOUT_REASON.get(fault, '')} |\n"


def _row(metric: Metric, question: str) -> str:
    name = metric._name + ("_total" if isinstance(metric, Counter) else "")
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    says = metric._documentation.replace("|", "\\|")
    return f"| {question} | `{name}` | {says} | {labels} | {metric._type}, {_unit(metric._name)} | {_code(query_of(metric))} |\n"


def _unit(name: str) -> str:
    return next((unit for unit in ("seconds", "bytes") if name.endswith(f"_{unit}")), "number")
