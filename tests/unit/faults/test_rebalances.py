"""Rebalances are counted by the generations that members say they work in."""

from pathlib import Path

from rebalances import generations, rebalances


def line(group: str, generation: int, event: str = "acquired shards") -> str:
    return f'{{"event":"{event}","group":"{group}","generation":{generation}}}\n'


def test_the_newest_generation_of_any_member_counts(tmp_path: Path) -> None:
    first, second, none = (tmp_path / name for name in ("first.log", "second.log", "none.log"))
    first.write_text(line("mail", 3) + "Traceback\n" + line("mail", 9, event="released shards"))
    second.write_text(line("mail", 5) + line("push", 1))
    assert generations([first, second, none]) == {"mail": 5, "push": 1}


def test_a_group_that_was_not_seen_before_has_no_number() -> None:
    assert rebalances({"mail": 5}, {"mail": 7, "push": 1}) == {"mail": 2}
