"""What parts of templates may render to."""

from typing import Any

import pytest

from tocsin.contracts.part_forms import (
    FLAG,
    LINK,
    SAFE_LINK,
    PartForm,
    matching,
    number,
    one_of,
    text_up_to,
    whole_number,
)

COLOUR = matching(r"#[0-9a-f]{6}", "a colour")


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        (one_of("a", "b"), "b", "b"),
        (whole_number(0, 99), "07", 7),
        (whole_number(-5, 5), "-5", -5),
        (number(0, 1), "0.25", 0.25),
        (number(0, 1), "1", 1.0),
        (text_up_to(3), "äöü", "äöü"),
        (FLAG, "true", True),
        (FLAG, "false", False),
        (LINK, "http://localhost:8080/x", "http://localhost:8080/x"),
        (SAFE_LINK, "HTTPS://shop.example/x", "HTTPS://shop.example/x"),
        (COLOUR, "#3366ff", "#3366ff"),
    ],
)
def test_what_fits(form: PartForm, text: str, value: Any) -> None:
    assert form.fits(text)
    assert form.value(text) == value


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (one_of("a", "b"), "c"),
        (whole_number(0, 99), "100"),
        (whole_number(0, 99), "-1"),
        (whole_number(0, 99), "1.0"),
        (whole_number(0, 99), "\uff11"),
        (whole_number(0, 99), "1" * 10_000),
        (number(0, 1), "1.1"),
        (number(0, 1), "nan"),
        (number(0, 1), "1e-3"),
        (text_up_to(3), "four"),
        (FLAG, "True"),
        (LINK, "javascript:alert(1)"),
        (LINK, "https://" + "a" * 3000),
        (SAFE_LINK, "http://shop.example/x"),
        (COLOUR, "#3366ff\n"),
    ],
)
def test_what_does_not(form: PartForm, text: str) -> None:
    assert not form.fits(text)


def test_the_rule_of_words_lists_them() -> None:
    assert one_of("a", "b", "c").rule == "`a`, `b` or `c`"
