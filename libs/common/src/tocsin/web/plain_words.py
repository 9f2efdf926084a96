"""What pydantic finds wrong with a value, in sentences for whoever wrote the request.

Its own words speak of Python and of its own work (`after validation`), and change with its releases. A fault that our own code found
has its sentence already; so has a type that is not listed here.
"""

from collections.abc import Mapping
from typing import Any, Final

_OBJECT: Final = "Must be an object"
_WHOLE: Final = "Must be a whole number"
_TRUTH: Final = "Must be `true` or `false`"
_TIME: Final = "Must be a date and time with its offset from UTC, such as `2026-01-31T12:00:00Z`"

SENTENCES: Final[dict[str, str]] = {
    "missing": "This field is required",
    "model_type": _OBJECT,
    # Also what FastAPI says of a body whose media type is not JSON: it is not read then.
    "model_attributes_type": f"{_OBJECT}. Send it as JSON, with `Content-Type: application/json`",
    "dict_type": _OBJECT,
    "list_type": "Must be a list",
    "string_type": "Must be a text",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "This number has too many digits",
    "int_from_float": _WHOLE,
    "float_type": "Must be a number",
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "timezone_aware": _TIME,
}
"""By pydantic's type of the fault."""
WITH_VALUES: Final[dict[str, str]] = {
    "too_short": "The number of items must be at least {min_length}",
    "too_long": "The number of items must be at most {max_length}",
    "string_too_short": "The number of characters must be at least {min_length}",
    "string_too_long": "The number of characters must be at most {max_length}",
    "string_pattern_mismatch": "Must match the regular expression `{pattern}`",
    "greater_than_equal": "Must be at least {ge}",
    "less_than_equal": "Must be at most {le}",
    "enum": "Must be {expected}",
    "literal_error": "Must be {expected}",
}
"""The same, for sentences into which pydantic's context goes."""


def in_plain_words(fault: Mapping[str, Any]) -> str:
    """The sentence for one of pydantic's faults (`ErrorDetails`), without a full stop. It repeats nothing of the value."""
    kind, context = fault["type"], fault.get("ctx", {})
    if "detail" in context:  # `values` put it there
        return str(fault["msg"])
    if kind in WITH_VALUES and context:
        return WITH_VALUES[kind].format_map(context)
    return SENTENCES.get(kind) or str(fault["msg"]).removeprefix("Value error, ")
