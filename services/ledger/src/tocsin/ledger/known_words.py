"""Words that a caller may write, and what is said of any other."""

from collections.abc import Sequence
from typing import Final

from tocsin.contracts.dead_letters import REASONS
from tocsin.contracts.topics import Topics
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.nearest import did_you_mean
from tocsin.web import judged
from tocsin.web.values import Judge

WORDS: Final[dict[str, Sequence[str]]] = {
    "reason": [reason.value for reason in REASONS],
    "service": sorted({group.service for group in Topics().groups()}),
    "kind": sorted({topic.family for topic in Topics().all()}),
}
"""Of dead letters, by the name of the filter."""


def one_of(name: str, known: Sequence[str]) -> Judge:
    """Refuses any other word, and names the nearest of those that are known; all of them where none is near."""

    def judge(value: str) -> str:
        if value in known:
            return value
        raise ValueRefused("word_unknown", f"Unknown {name}. {did_you_mean(value, known)}".rstrip("."))

    return judged(judge)
