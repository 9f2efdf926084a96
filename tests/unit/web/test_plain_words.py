"""What pydantic finds is said in sentences of ours, and repeats no value."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from tocsin.contracts.values.mail_address import mail_address
from tocsin.web import RequestBody, in_plain_words, judged


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(RequestBody):
    word: str = "a"


class Everything(RequestBody):
    """Each kind of field that our requests have."""

    text: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    key: Annotated[str, Field(pattern="^[a-z]{1,5}$")] = "a"
    items: Annotated[list[int], Field(default_factory=lambda: [1], min_length=1, max_length=2)]
    members: dict[str, str] = Field(default_factory=dict)
    inner: Inner = Inner()
    number: Annotated[int, Field(ge=1, le=5)] = 1
    measure: float = 1.0
    flag: bool = True
    at: AwareDatetime | None = None
    colour: Colour = Colour.RED
    kind: Literal["send"] = "send"
    email: Annotated[str, judged(mail_address)] = "ann@example.test"
    own: str = ""

    @field_validator("own")
    @classmethod
    def _own(cls, value: str) -> str:
        if value == "custom":
            raise PydanticCustomError("own_code", "Our own words")
        if value:
            raise ValueError("Words of a plain error")
        return value


TIME = "Must be a date and time with its offset from UTC, such as `2026-01-31T12:00:00Z`"
SAID: list[tuple[dict[str, Any], str, str]] = [
    ({"text": "a"}, "string_too_short", "The number of characters must be at least 2"),
    ({"text": "abcd"}, "string_too_long", "The number of characters must be at most 3"),
    ({"text": 5}, "string_type", "Must be a text"),
    ({"key": "A"}, "string_pattern_mismatch", "Must match the regular expression `^[a-z]{1,5}$`"),
    ({"items": []}, "too_short", "The number of items must be at least 1"),
    ({"items": [1, 2, 3]}, "too_long", "The number of items must be at most 2"),
    ({"items": "x"}, "list_type", "Must be a list"),
    ({"items": [1.5]}, "int_from_float", "Must be a whole number"),
    ({"members": []}, "dict_type", "Must be an object"),
    ({"inner": 5}, "model_type", "Must be an object"),
    ({"inner": {"word": 5}}, "string_type", "Must be a text"),
    ({"inner": {"word": 5, "more": 1}}, "string_type", "Must be a text"),
    ({"number": 0}, "greater_than_equal", "Must be at least 1"),
    ({"number": 6}, "less_than_equal", "Must be at most 5"),
    ({"number": "x"}, "int_parsing", "Must be a whole number"),
    ({"number": "9" * 5000}, "int_parsing_size", "This number has too many digits"),
    ({"number": []}, "int_type", "Must be a whole number"),
    ({"measure": []}, "float_type", "Must be a number"),
    ({"flag": "x"}, "bool_parsing", "Must be `true` or `false`"),
    ({"flag": []}, "bool_type", "Must be `true` or `false`"),
    ({"at": "tomorrow"}, "datetime_from_date_parsing", TIME),
    ({"at": "2026-01-31T25:00:00Z"}, "datetime_from_date_parsing", TIME),
    ({"at": []}, "datetime_type", TIME),
    ({"at": "2026-01-31T12:00:00"}, "timezone_aware", TIME),
    ({"colour": "green"}, "enum", "Must be 'red' or 'blue'"),
    ({"kind": "wait"}, "literal_error", "Must be 'send'"),
    ({"own": "custom"}, "own_code", "Our own words"),
    ({"own": "plain"}, "value_error", "Words of a plain error"),
]  # fmt: skip


def faults(model: type[BaseModel], value: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(value)
    return {fault["type"]: in_plain_words(fault) for fault in refused.value.errors(include_url=False)}


@pytest.mark.parametrize(("value", "code", "sentence"), SAID, ids=lambda part: str(part)[:30])
def test_each_fault_is_one_plain_sentence(value: dict[str, Any], code: str, sentence: str) -> None:
    assert faults(Everything, value)[code] == sentence


@pytest.mark.parametrize(("value", "code", "sentence"), SAID, ids=lambda part: str(part)[:30])
def test_beside_an_unknown_field_the_sentence_is_the_same(
    value: dict[str, Any], code: str, sentence: str
) -> None:
    said = faults(Everything, value | {"nmber": 1})
    assert said[code] == sentence
    assert said["field_unknown"] == "Unknown field. Did you mean `number`?"


def test_a_field_that_is_missing() -> None:
    class Whole(BaseModel):
        at: datetime

    assert faults(Whole, {}) == {"missing": "This field is required"}


def test_a_judge_has_the_last_word() -> None:
    (sentence,) = faults(Everything, {"email": "x"}).values()
    assert sentence.startswith("Not a mail address. Write `name@domain`")
