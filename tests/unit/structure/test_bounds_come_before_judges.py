"""A text's length is looked at before anything reads it: pydantic goes through an annotation from left to right.

Judges of `contracts.values` look at it themselves, so that a text that is too long has the same code by every way in.
"""

from collections.abc import Callable, Iterator
from functools import partial
from inspect import getclosurevars
from typing import Annotated, Any, get_args, get_origin

import annotated_types
import pytest
from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo
from tests.cpu_time import takes_at_most

from tocsin.contracts.values import (
    ValueRefused,
    chat_place,
    device,
    identifier,
    link,
    locale,
    mail_address,
    phone_number,
    time_zone,
)
from tocsin.ingest import request_model
from tocsin.router.api import app, fields, parameters
from tocsin.web import RequestBody
from tocsin.web.values import Judge

JUDGES: list[Any] = [
    mail_address.mail_address, phone_number.phone_number, locale.locale, time_zone.time_zone, link.link,
    device.device_id, device.device_token, device.device_kind, device.device_app, partial(identifier.recipient_id, address_like=True),
    chat_place.place_id, chat_place.chat_kind, chat_place.chat_address,
]  # fmt: skip
"""Those that are tried below: no other may stand before a bound."""


def looks_at_the_length_first(validator: AfterValidator) -> bool:
    if not isinstance(validator, Judge):
        return False
    judge = getclosurevars(validator.func).nonlocals["judge"]
    return function_of(judge) in map(function_of, JUDGES)


def function_of(judge: Any) -> Any:
    return judge.func if isinstance(judge, partial) else judge


def annotations_of(hint: Any) -> Iterator[list[Any]]:
    """What stands beside each type in the hint, in its order."""
    if get_origin(hint) is Annotated:
        _, *beside = get_args(hint)
        yield beside
    for part in get_args(hint):
        yield from annotations_of(part)


def models() -> Iterator[type[BaseModel]]:
    """Every body that a caller can send: importing the APIs has brought in every module that has some."""
    waiting: list[type[BaseModel]] = [RequestBody]
    while waiting:
        model = waiting.pop()
        yield model
        waiting += model.__subclasses__()


def all_annotations() -> Iterator[tuple[str, list[Any]]]:
    for model in models():
        for name, field in model.model_fields.items():
            yield f"{model.__name__}.{name}", list(field.metadata)
            for beside in annotations_of(field.annotation):
                yield f"{model.__name__}.{name}", beside
    for module in (fields, parameters, request_model, app):
        for name, hint in vars(module).items():
            for beside in annotations_of(hint):
                yield f"{module.__name__}.{name}", beside


def is_bound(part: Any) -> bool:
    if isinstance(part, FieldInfo):
        return any(isinstance(inner, annotated_types.MaxLen) for inner in part.metadata)
    return isinstance(part, annotated_types.MaxLen)


@pytest.mark.parametrize(
    ("place", "beside"), [pytest.param(*each, id=each[0]) for each in all_annotations() if len(each[1]) > 1]
)
def test_no_judge_stands_before_a_bound(place: str, beside: list[Any]) -> None:
    bounds = [index for index, part in enumerate(beside) if is_bound(part)]
    judges = [
        index
        for index, part in enumerate(beside)
        if isinstance(part, AfterValidator) and not looks_at_the_length_first(part)
    ]
    assert not (bounds and judges) or min(bounds) < min(judges), place


def test_the_rule_sees_what_it_is_for() -> None:
    seen = [beside for _, beside in all_annotations() if any(map(is_bound, beside))]
    assert len(seen) > 20


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "a." * 500_000 + "@b.example", "+" + "4" * 1_000_000, "é" * 1_000_000]
)
@pytest.mark.parametrize("judge", JUDGES)
def test_judges_look_at_the_length_first(judge: Callable[[str], str], text: str) -> None:
    def refused() -> None:
        with pytest.raises(ValueRefused):
            judge(text)

    takes_at_most(0.3, refused)
