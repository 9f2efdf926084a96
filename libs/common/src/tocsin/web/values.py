"""What a request's body holds: values in their canonical form, and no field that nobody knows."""

from collections.abc import Callable
from typing import Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.chat_place import address_of_kind
from tocsin.contracts.values.device import token_of_kind
from tocsin.contracts.values.nearest import did_you_mean
from tocsin.contracts.vocabulary import Reason
from tocsin.web.plain_words import in_plain_words


class Judge(AfterValidator):
    """A judge of `contracts.values`, each of which looks at the length of a text before it reads it."""


def judged(judge: Callable[[str], str]) -> Judge:
    """`Annotated[str, judged(mail_address)]`: the value in its canonical form, or a fault with the judge's code and sentence."""

    def check(value: str) -> str:
        try:
            return judge(value)
        except ValueRefused as refused:
            raise _fault(refused.code, refused.detail) from None

    return Judge(check)


def _judged_with_kind(judge: Callable[[str, str], str]) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        kind = info.data.get("kind")  # one that was refused is told already
        try:
            return value if kind is None else judge(value, kind)
        except ValueRefused as refused:
            raise _fault(refused.code, refused.detail) from None

    return AfterValidator(check)


of_its_kind: Final = _judged_with_kind(token_of_kind)
"""For a device's `token`, behind its `kind`: has the form that the push service of this kind gives it."""
address_of_its_kind: Final = _judged_with_kind(address_of_kind)
"""For the `address` of a place in a chat, behind its `kind`."""


class RequestBody(BaseModel):
    """What a caller sends. A field that nobody knows is a fault, which names the known field it may be."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _name_known_fields(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
            if all(fault["type"] != "extra_forbidden" for fault in faults):
                raise
            raise ValidationError.from_exception_data(
                cls.__name__, [cls._explained(fault) for fault in faults], hide_input=True
            ) from None

    @classmethod
    def _explained(cls, fault: ErrorDetails) -> InitErrorDetails:
        code, detail = fault["type"], in_plain_words(fault)
        if code == "extra_forbidden":
            known = did_you_mean(str(fault["loc"][-1]), cls.model_fields)
            code, detail = Reason.FIELD_UNKNOWN, f"Unknown field. {known}"
        return InitErrorDetails(type=_fault(code, detail), loc=fault["loc"], input=None)


def _fault(code: str, detail: str) -> PydanticCustomError:
    # The detail goes in as a value, because pydantic reads braces in a template.
    return PydanticCustomError(code, "{detail}", {"detail": detail})
