"""Exit codes, the errors that only a person can put right, and how to find one inside what a task group raises.

OperatorError      the process ends with exit code 3; the log has the sentence and no traceback
└── ServiceHalted  the process stays, unready with the sentence: starting again would fail for the same reason
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import TypeVar

from tocsin.observability import error_text

E = TypeVar("E", bound=BaseException)


class ExitCode(IntEnum):
    """How a service ends; `runtime/service.py` says when."""

    FINISHED = 0
    FAILED = 1
    SETTINGS_INVALID = 2
    OPERATOR_MUST_ACT = 3
    OWNERSHIP_LOST = 4
    TOO_SLOW = 5


class OperatorError(Exception):
    """A part of the service cannot go on until a person acts.

    The message is one sentence: what is wrong, and which command or setting puts it right.
    """


class ServiceHalted(OperatorError):
    """The service must not go on, and a restart would not help: a release has to change first.

    The runtime ends every component's `run` and answers HTTP until the process is told to stop: `/readyz` says why.
    """


def exit_code_of(error: BaseException) -> ExitCode:
    """The `exit_code` that every error in there has; `FAILED` where one has none, or another."""
    codes = {getattr(leaf, "exit_code", ExitCode.FAILED) for leaf in leaves(error)}
    return codes.pop() if len(codes) == 1 else ExitCode.FAILED


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


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors themselves, of what tasks may have raised together in nested groups; `error` alone where it is no group."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def one_line(error: BaseException) -> str:
    """What an error is, in one line for a log, without any value; the error itself, where a group holds only one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error_text(error)
