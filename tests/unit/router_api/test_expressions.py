"""The language in which workflows say who is meant."""

from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hostile_programs import DEEP_EXPRESSIONS, DOUBLING_EXPRESSION, TOO_LONG_EXPRESSION

from tocsin.router.expressions import (
    MOST_RESULTS,
    ExpressionFails,
    ExpressionRefused,
    ExpressionTooCostly,
    compile_expression,
)

EVENT = {
    "subject": "s",
    "data": {
        "x": ["a", "b", {"id": 1, "role": "o"}, {"id": 2, "role": "p"}],
        "n": [[1], [2, [3]]],
        "o": {"k": {"id": 5}, "l": {"id": 6}},
    },
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("data.x[*].id", [1, 2]),
        ("data.x[-1].role", "p"),
        ("data.x[99]", None),
        ("data.n[][]", [1, 2, 3]),
        ("data.o.*.id", [5, 6]),
        ("data.x[?role=='o' || id==`2`].id", [1, 2]),
        ("data.x[?@=='a']", ["a"]),
        ("data.x[?id > `1`].role", ["p"]),
        ("data.none || subject", "s"),
        ("[subject, data.x[2].id]", ["s", 1]),
        ("[{id: subject}, {id: data.o.k.id}]", [{"id": "s"}, {"id": 5}]),
        ("[data.x[*].id, data.o.*.id][]", [1, 2, 5, 6]),
    ],
)
def test_what_an_expression_finds(text: str, found: Any) -> None:
    assert compile_expression(text).search(EVENT) == found == jmespath.search(text, EVENT)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("length(data.x)", "a function"),
        ("data.x[0:2]", "a slice"),
        ("a | b", "a pipe"),
        ("!a", "`!`"),
        ("a && b", "`&&`"),
        ("`1`", "a literal"),
        ("a == `1`", "a comparison"),
        ("a[?b == `paid`]", "Write a text in single quotes"),
        ("@", "`@`"),
        ("data.x[?role]", "compares a path with a literal"),
        ("data.x[?a == b]", "compares a path with a literal"),
        ("data.x[?a == `1` && b == `2`]", "compares a path with a literal"),
        ("data.x[?[a, b] == `1`]", "at the beginning"),
        ("data.x[*].{id: id}", "at the beginning"),
        ("data.x[].[@, @][]", "at the beginning"),
        (DOUBLING_EXPRESSION, "nests at most 60 deep"),
        ("data.[?", "Not a JMESPath expression near character 5"),
        (TOO_LONG_EXPRESSION, "at most 1,000 characters"),
        *((text, "nests at most 60 deep") for text in DEEP_EXPRESSIONS),
        ("a" + ".a" * 20 + "||a" * 100, "nests at most 60 deep"),
        (r'{id: subject, attributes: {"\ud800": type}}', "half a surrogate pair"),
        (r'{id: subject, attributes: {"\u0000": type}}', "NUL character"),
        (r'{id: subject, attributes: {a: {"\udfff": type}}}', "half a surrogate pair"),
        (r'data."\ud800".id', "half a surrogate pair"),
        (r'data.x[?"\ud800" == `1`].id', "half a surrogate pair"),
    ],
)
def test_what_is_no_part_of_the_language_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ExpressionRefused) as refused:
        compile_expression(text)
    assert sentence in refused.value.detail


def test_steps_and_results_are_counted() -> None:
    event = {"x": [{"id": n} for n in range(MOST_RESULTS + 1)]}
    with pytest.raises(ExpressionTooCostly, match="more than 10,000"):
        compile_expression("x[*].id").search(event)
    assert len(compile_expression("x[*].id").search({"x": event["x"][1:]})) == MOST_RESULTS
    with pytest.raises(ExpressionTooCostly, match="30,000 steps"):
        compile_expression("x[*].id").search({"x": [{}] * 15_000})


NAMES = st.sampled_from(["a", "b", "c"])
LITERALS = st.sampled_from(["'x'", "`1`", "`0`", "`true`", "`null`", "`[1]`", '`"x"`'])
VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, 2.5, "", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
STEPS = st.one_of(
    NAMES.map(lambda name: f".{name}"),
    st.sampled_from(["[0]", "[-1]", "[*]", "[]", ".*"]),
    st.builds("[?{} {} {}]".format, NAMES | st.just("@"), st.sampled_from(["==", "!=", "<", ">="]), LITERALS),
    st.builds("[?{} == {} || {} != {}]".format, NAMES, LITERALS, NAMES, LITERALS),
)
PATHS = st.builds(lambda name, steps: name + "".join(steps), NAMES, st.lists(STEPS, max_size=6))
EXPRESSIONS = st.one_of(
    PATHS,
    st.builds("{} || {}".format, PATHS, PATHS),
    st.builds("[{}, {}]{}".format, PATHS, PATHS, st.sampled_from(["", "[]", "[*].a"])),
    st.builds("{{id: {}, b: {}}}".format, PATHS, PATHS),
)


def outcome(search: Any) -> Any:
    try:
        return repr(search())
    except (TypeError, ExpressionFails):
        return "fails"


@settings(max_examples=300)
@given(EXPRESSIONS, st.dictionaries(NAMES, VALUES))
def test_what_is_found_is_what_jmespath_finds(text: str, event: dict[str, Any]) -> None:
    expression = compile_expression(text)
    assert outcome(lambda: expression.search(event)) == outcome(lambda: jmespath.search(text, event))
