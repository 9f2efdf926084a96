"""Updates that cannot overwrite what the caller has not seen: `ETag` on what is read, `If-Match` on what is changed."""

from typing import Annotated

from fastapi import Header

from tocsin.web import codes
from tocsin.web.problem import Problem

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="The `ETag` last read, or `*` for whatever is there")
]
"""Parameter of a route that changes something: `if_match: IfMatch = None`."""


def etag_of(version: int | str) -> str:
    """The strong ETag of an entity's version, as the header holds it."""
    return f'"{version}"'


def require_match(if_match: str | None, version: int | str) -> None:
    """Return when the caller has seen `version`; else the problem 428 (did not say) or 412 (has seen another)."""
    if if_match is None:
        raise Problem(
            codes.PRECONDITION_REQUIRED,
            "Send the ETag you read as If-Match, or `*` to overwrite whatever is there.",
        )
    seen = {tag.strip() for tag in if_match.split(",")}
    if "*" not in seen and etag_of(version) not in seen:
        raise Problem(
            codes.PRECONDITION_FAILED,
            "Read it again, repeat your change on that.",
            headers={"etag": etag_of(version)},
        )
