"""What ends a render: sentences that name the line and the variable or operation, never a value."""

from typing import Final, NamedTuple


class TemplatePlace(NamedTuple):
    """Where something stands in the template: its line, and what the author wrote; empty where that is not short."""

    line: int
    text: str


class Stopped(Exception):
    """The template cannot be rendered with this data. The message is a sentence for its author."""

    def __init__(self, place: TemplatePlace, what: str) -> None:
        where = f" at `{place.text}`" if place.text and place.text != "…" else ""
        super().__init__(f"Line {place.line}: {what}{where}.")


UNDEFINED: Final = "undefined variable"
"""Recorded statuses have these words."""
WRONG_TYPE: Final = "The value has the wrong type"
CANNOT_UNPACK: Final = "The value is no list with as many items as there are variables"
