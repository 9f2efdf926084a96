"""Saving and listing rows, the same way for every kind: repeatable, aware of `If-Match`, a page at a time."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from fastapi import Response
from sqlalchemy import RowMapping, Select, Table, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import KeyedColumnElement

from tocsin.web import Page, Paging, Problem, codes, etag_of, require_match

T = TypeVar("T")

Outcome = Literal["created", "updated", "unchanged"]


def check_match(if_match: str | None, revision: int | str | None) -> None:
    """Return when the caller may change what is there; without `If-Match` always. 412 when it is another, or gone."""
    if if_match is None:
        return
    if revision is None:
        raise Problem(
            codes.PRECONDITION_FAILED,
            "`If-Match` names a revision, and nothing exists under this address. Leave it out to create it.",
        )
    require_match(if_match, revision)


async def put_row(
    db: AsyncConnection,
    table: Table,
    *,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    if_match: str | None,
) -> tuple[RowMapping, Outcome]:
    """Make the row under `key` hold `values`. Nothing is written, and no revision spent, when it does already."""
    here = [table.c[name] == value for name, value in key.items()]
    # Without a word about its key: rows that refer to this one can be written meanwhile, by an import for example.
    locked = select(table).where(*here).with_for_update(key_share=True)
    while True:
        row = (await db.execute(locked)).mappings().first()
        check_match(if_match, None if row is None else row["revision"])
        if row is None:
            added = insert(table).values(**key, **values).on_conflict_do_nothing().returning(table)
            row = (await db.execute(added)).mappings().first()
            if row is not None:
                return row, "created"
            continue  # somebody else made it meanwhile: look again
        if all(row[name] == value for name, value in values.items()):
            return row, "unchanged"
        changed = (
            update(table)
            .where(*here)
            .values(**values, revision=table.c.revision + 1, updated_at=func.now())
            .returning(table)
        )
        return (await db.execute(changed)).mappings().one(), "updated"


async def page_rows(
    db: AsyncConnection, query: Select[Any], *, order: Sequence[KeyedColumnElement[Any]], paging: Paging
) -> tuple[Sequence[RowMapping], str | None]:
    """The rows of one page in `order` (columns of the query that together are unique), and the next page's cursor."""
    if paging.after is not None:
        query = query.where(tuple_(*order) > tuple_(*_after(order, paging.after)))
    rows = (await db.execute(query.order_by(*order).limit(paging.fetch))).mappings().all()
    return paging.page(rows, key=lambda row: [row[column.name] for column in order])


def _after(order: Sequence[KeyedColumnElement[Any]], values: list[Any]) -> list[Any]:
    """A cursor is the caller's to forge: what does not fit the columns never reaches the database."""
    fits = len(values) == len(order) and all(
        _usable(value) and type(value) is column.type.python_type
        for value, column in zip(values, order, strict=True)
    )
    if not fits:
        raise Problem(codes.INVALID_CURSOR, "Send `next_cursor` of the page before, unchanged.")
    return values


def _usable(value: Any) -> bool:
    match value:
        case str():
            return "\x00" not in value
        case int():
            return 0 <= value < 2**31
        case _:
            return False


def page_of(data: list[T], next_cursor: str | None) -> Page[T]:
    """The answer of a list."""
    return Page(data=data, next_cursor=next_cursor, has_more=next_cursor is not None)


def answer(response: Response, *, revision: int | str, outcome: Outcome | None = None) -> None:
    """What every answer about one entity carries: its ETag, and 201 when it was just made."""
    response.headers["etag"] = etag_of(revision)
    if outcome == "created":
        response.status_code = 201


def not_found(what: str) -> Problem:
    """404 for what does not exist, or belongs to another tenant: a caller cannot tell the two apart."""
    return Problem(codes.NOT_FOUND, f"There is no {what} of this name.")
