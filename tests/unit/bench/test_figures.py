"""What the bench counts as lost, doubled or out of order, and how several runs become one line."""

import pytest

from figures import Figure, difference, reordered
from summary import of_targets, summaries


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (["a", "b", "c"], []),
        (["b", "a", "c"], []),
        (["b", "c", "a"], ["mails: 1 before an earlier one to the same recipient, such as c"]),
        (["a", "c", "a", "b"], []),
        (["c"], []),
    ],
)
def test_only_messages_to_the_same_recipient_are_out_of_order(seen: list[str], said: list[str]) -> None:
    sent = [("ada", "a"), ("bob", "b"), ("ada", "c")]
    assert reordered("mails", sent, seen) == said


def test_what_is_lost_doubled_or_strange_is_named() -> None:
    assert difference("mails", ["a", "b"], ["b", "b", "c"]) == [
        "mails: 1 of 2 lost, such as a",
        "mails: 1 of 2 doubled, such as b",
        "mails: 1 of 2 never sent, such as c",
    ]


def test_a_target_is_compared_with_the_median() -> None:
    figures = [
        Figure(name="router", unit="events/s", target="router", value=value)
        for value in (20_000, 7_000, 9_000)
    ]
    answers = {
        target.key: (summary.spread, target.reached(summary.middle)) if summary else None
        for target, summary in of_targets(summaries(figures))
    }
    assert answers.pop("router") == ((7_000, 9_000, 20_000), "must met")
    assert not any(answers.values())


def test_of_several_figures_the_worst_answers_to_a_target() -> None:
    figures = [
        Figure(name=name, unit="MB", target="memory", better="less", value=value)
        for name, value in (("ingest", 60), ("router", 130), ("ledger", 80))
    ]
    (worst,) = (summary.name for _, summary in of_targets(summaries(figures)) if summary)
    assert worst == "router"
