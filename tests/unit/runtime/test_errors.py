"""Finding the error that decides how a consumer ends, wherever a task group or a wrapper has put it."""

import pytest

from tocsin.runtime import OperatorError, ServiceHalted, find_cause
from tocsin.runtime.errors import one_line

WANTED = OperatorError("run `tocsin topics apply`.")


def raised_from(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        WANTED,
        ExceptionGroup("", [WANTED]),
        BaseExceptionGroup("", [KeyboardInterrupt(), ExceptionGroup("", [ValueError(), WANTED])]),
        raised_from(RuntimeError(), WANTED),
        ExceptionGroup("", [raised_from(RuntimeError(), ExceptionGroup("", [WANTED]))]),
    ],
)
def test_it_is_found(error: BaseException) -> None:
    assert find_cause(error, OperatorError) is WANTED


def test_the_nearest_is_found() -> None:
    near, far = ServiceHalted("near"), OperatorError("far")
    assert find_cause(raised_from(near, far), OperatorError) is near
    assert find_cause(ExceptionGroup("", [raised_from(ValueError(), far), near]), OperatorError) is near


def test_what_is_not_there_is_not_found() -> None:
    circle = ValueError()
    raised_from(circle, circle)
    during = ValueError()
    during.__context__ = WANTED  # something else went wrong while that was handled
    for error in (None, circle, during, ExceptionGroup("", [during])):
        assert find_cause(error, OperatorError) is None


def test_a_line_for_the_log() -> None:
    assert one_line(ValueError("first\nsecond")) == "ValueError: first"
    assert one_line(ValueError()) == "ValueError"
    assert one_line(ExceptionGroup("of a task group", [ValueError("alone")])) == "ValueError: alone"
    two = ExceptionGroup("of a task group", [ValueError(), TypeError()])
    assert one_line(two) == "ExceptionGroup: of a task group (2 sub-exceptions)"
