"""Which provider is asked next: a pure function over those that may be, in their order, and the tries so far."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from tocsin.channel.retry_policy import Try, uncertain_provider


class Candidate(Protocol):
    """A provider instance, as much of it as the choice looks at."""

    @property
    def name(self) -> str:
        """Unique in its dispatcher."""
        ...


C = TypeVar("C", bound=Candidate)


def next_candidate(
    candidates: Iterable[C], tries: Sequence[Try], *, attempt: int, resend_elsewhere: bool
) -> C | None:
    """The first that was not tried in this attempt. None: nobody is left.

    While nobody knows whether one of them has sent the message, only that one may be asked, unless `resend_elsewhere`.
    """
    only = None if resend_elsewhere else uncertain_provider(tries)
    tried = {one.provider for one in tries if one.attempt == attempt}
    for candidate in candidates:
        if candidate.name not in tried and only in {None, candidate.name}:
            return candidate
    return None
