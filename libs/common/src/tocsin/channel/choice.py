"""Which provider is asked next: a pure function over those that may be, in their order, and the tries so far."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from tocsin.channel.retry_policy import Try, uncertain_provider
from tocsin.contracts.jobs import Job


class Candidate(Protocol):
    """A provider instance, as much of it as the choice looks at."""

    @property
    def name(self) -> str:
        """Unique in its dispatcher."""
        ...

    def works_for(self, job: Job) -> bool:
        """Whether a call for the job may begin soon, as far as its breaker says."""
        ...


C = TypeVar("C", bound=Candidate)


def next_candidate(candidates: Iterable[C], job: Job, tries: Sequence[Try], *, attempt: int) -> C | None:
    """The first that works and was not tried in this attempt. None: nobody is left.

    If none works, an attempt begins at the first all the same, and waits there; it goes on only to one that works. While nobody
    knows whether one of them has sent the message, only that one may be asked, unless the job says `resend_elsewhere`.
    """
    only = None if job.resend_elsewhere else uncertain_provider(tries)
    tried = {call.provider for call in tries if call.attempt == attempt}
    waits_at: C | None = None
    for candidate in candidates:
        if candidate.name not in tried and only in {None, candidate.name}:
            if candidate.works_for(job):
                return candidate
            waits_at = waits_at or candidate
    return None if tried else waits_at
