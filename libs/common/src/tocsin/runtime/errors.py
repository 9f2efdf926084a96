"""Errors that only a person can put right, and how to find one inside what a task group raises.

OperatorError      the process ends with exit code 3; the log has the sentence and no traceback
└── ServiceHalted  the process stays, unready with the sentence: starting again would fail for the same reason
"""

from typing import TypeVar

E = TypeVar("E", bound=BaseException)


class OperatorError(Exception):
    """A part of the service cannot go on until a person acts.

    The message is one sentence: what is wrong, and which command or setting puts it right.
    """


class ServiceHalted(OperatorError):
    """The service must not go on, and a restart would not help: a release has to change first.

    The runtime ends every component's `run`, closes them, and answers HTTP until it is told to stop: `/readyz` says why.
    """


def find_cause(error: BaseException | None, kind: type[E]) -> E | None:
    """The first error of this kind: `error` itself, one inside its exception groups, or one that it was raised `from`.

    The nearest wins: an error before those inside it, and those before what they were raised from.
    """
    queue = [error]
    seen: set[int] = set()
    for candidate in queue:  # the queue grows while it is read
        if isinstance(candidate, kind):
            return candidate
        if candidate is None or id(candidate) in seen:
            continue
        seen.add(id(candidate))
        if isinstance(candidate, BaseExceptionGroup):
            queue.extend(candidate.exceptions)
        queue.append(candidate.__cause__)
    return None
