"""What is shown of an error that no database raised."""

from functools import partial

import pytest
from pydantic import BaseModel

from tocsin.observability import error_text, traceback_text
from tocsin.runtime import OperatorError


class Sized(BaseModel):
    size: int
    name: str


def raised(work: object) -> Exception:
    try:
        work()  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test is about
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("work", "text"),
    [
        (lambda: {"a": 1}["s3cret"], "KeyError: '…'"),
        (partial(int, "s3cret"), "ValueError: invalid literal for int() with base 10: '…'"),
        (partial(float, "s3'cret\""), "ValueError: could not convert string to float: '…'"),
        ("s3cret\ud800".encode, "UnicodeEncodeError: utf-8, position 6"),
        (b"s3cret\xff".decode, "UnicodeDecodeError: utf-8, position 6"),
        (lambda: Sized.model_validate({"size": "s3cret"}), "ValidationError: int_parsing, missing"),
        (partial(getattr, None, "name"), "AttributeError: 'NoneType' object has no attribute 'name'"),
        (lambda: ("a", "b")[len("long")], "IndexError: tuple index out of range"),
    ],
)  # fmt: skip
def test_a_foreign_error_keeps_its_words_and_loses_its_values(work: object, text: str) -> None:
    assert error_text(raised(work)) == text


def test_ours_is_shown_as_it_is() -> None:
    assert error_text(OperatorError("Set 'A' to a number.")) == "OperatorError: Set 'A' to a number."


def test_an_error_without_words_is_its_class() -> None:
    assert error_text(ValueError()) == "ValueError"
    assert error_text(RuntimeError("first\nsecond")) == "RuntimeError: first"


def test_a_traceback_tells_every_error_on_the_way() -> None:
    def work() -> None:
        try:
            int("s3cret")
        except ValueError:
            raise ExceptionGroup("together", [KeyError("s3cret"), RuntimeError("other")]) from None

    shown = traceback_text(raised(work))
    assert "s3cret" not in shown.replace('int("s3cret")', "").replace('KeyError("s3cret")', "")
    assert "ExceptionGroup: together (2 sub-exceptions)" in shown
    assert "  | KeyError: '…'" in shown
    assert "base 10" not in shown  # `from None` hides it, as Python does

    def chained() -> None:
        try:
            int("s3cret")
        except ValueError as first:
            raise RuntimeError("outside") from first

    lines = traceback_text(raised(chained)).splitlines()
    assert lines[-1] == "RuntimeError: outside"
    assert "ValueError: invalid literal for int() with base 10: '…'" in lines


def test_an_error_that_is_its_own_cause_ends() -> None:
    error = ValueError("a")
    error.__context__ = RuntimeError("b")
    error.__context__.__context__ = error
    assert traceback_text(error).endswith("ValueError: a")
