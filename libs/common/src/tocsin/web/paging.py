"""Lists a page at a time: `limit` and `cursor` in, `data`, `next_cursor`, `has_more` out."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Depends, Query
from pydantic import BaseModel, Field

from tocsin.web import codes
from tocsin.web.problem import Problem

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

Cursor = Annotated[str, Field(json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"})]
"""As `encode_cursor` writes it. What it is not is refused as a cursor, not as a text of another form."""

T = TypeVar("T")
Row = TypeVar("Row")


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    data: list[T] = Field(description="The items, in the list's order")
    next_cursor: Cursor | None = Field(
        default=None, description="`cursor` for the next page; null on the last"
    )
    has_more: bool = Field(description="Whether another page follows")


class Paging(msgspec.Struct, frozen=True):
    """What the caller asked for: at most `limit` rows after `after`, the sort key of the last row seen, or None at the start."""

    limit: int
    after: list[Any] | None

    @property
    def fetch(self) -> int:
        """How many rows to ask the database for: one more than shown, to know whether another page follows."""
        return self.limit + 1

    @property
    def number(self) -> int | None:
        """Where rows are numbered, the number that the cursor holds; None at the start. A caller may have changed it: raises the 400
        problem `invalid_cursor`."""
        match self.after:
            case None:
                return None
            case [int(number)] if not isinstance(number, bool) and 0 <= number < 2**63:
                return number
            case _:
                raise _invalid_cursor()

    def page(
        self, rows: Sequence[Row], *, key: Callable[[Row], Sequence[Any]]
    ) -> tuple[Sequence[Row], str | None]:
        """The rows to show and the cursor of the next page, from up to `fetch` rows; `key` is a row's sort key, JSON values."""
        if len(rows) <= self.limit:
            return rows, None
        shown = rows[: self.limit]
        return shown, encode_cursor(key(shown[-1]))


def encode_cursor(after: Sequence[Any]) -> str:
    """A sort key as the opaque word callers hand back."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(after))).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> list[Any]:
    """The sort key in a cursor; raises the 400 problem `invalid_cursor`. Its values are the caller's: check types, bind as parameters."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=list)
    except (binascii.Error, ValueError) as error:
        raise _invalid_cursor() from error


def _invalid_cursor() -> Problem:
    return Problem(codes.INVALID_CURSOR, "Use `next_cursor` of the page before, as it is.")


def _paging(
    limit: Annotated[
        int, Query(ge=1, le=MAX_LIMIT, description="How many items a page holds at most")
    ] = DEFAULT_LIMIT,
    cursor: Annotated[
        Cursor | None, Query(max_length=2048, description="`next_cursor` of the page before")
    ] = None,
) -> Paging:
    return Paging(limit=limit, after=None if cursor is None else decode_cursor(cursor))


PagingQuery = Annotated[Paging, Depends(_paging)]
"""`async def list_things(paging: PagingQuery) -> Page[Thing]`"""
