"""Pages and ETags."""

import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.runtime import Health
from tocsin.web import (
    IfMatch,
    Page,
    Paging,
    PagingQuery,
    Problem,
    decode_cursor,
    encode_cursor,
    etag_of,
    require_match,
    service_app,
)

ROWS = list(range(1, 8))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = service_app(name="lists-test", health=Health())

    @app.get("/rows")
    async def list_rows(paging: PagingQuery) -> Page[int]:
        after = paging.after[0] if paging.after else 0
        rows = [row for row in ROWS if row > after][: paging.fetch]
        shown, cursor = paging.page(rows, key=lambda row: [row])
        return Page(data=list(shown), next_cursor=cursor, has_more=cursor is not None)

    @app.put("/row")
    async def put_row(if_match: IfMatch = None) -> None:
        require_match(if_match, 3)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        yield client


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
async def test_following_the_cursors_gives_every_row_once(client: httpx.AsyncClient, limit: int) -> None:
    seen: list[int] = []
    query = {"limit": str(limit)}
    while True:
        page = (await client.get("/rows", params=query)).json()
        seen += page["data"]
        assert page["has_more"] is (page["next_cursor"] is not None)
        if not page["has_more"]:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == ROWS


@pytest.mark.parametrize("limit", ["0", "201", "many"])
async def test_limits_outside_are_refused(client: httpx.AsyncClient, limit: str) -> None:
    problem = (await client.get("/rows", params={"limit": limit})).json()
    assert (problem["code"], problem["errors"][0]["pointer"]) == ("invalid_request", "query:limit")


@pytest.mark.parametrize("cursor", ["x", "!!!!", "e30", "bnVsbA", "____"])
async def test_foreign_cursors_are_refused(client: httpx.AsyncClient, cursor: str) -> None:
    answer = await client.get("/rows", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@given(
    st.lists(
        st.none()
        | st.booleans()
        | st.integers(min_value=-(2**53), max_value=2**53)
        | st.text(st.characters(codec="utf-8"))
    )
)
def test_a_cursor_gives_back_what_went_in(after: list[object]) -> None:
    assert decode_cursor(encode_cursor(after)) == after


@given(st.text(max_size=100))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    with contextlib.suppress(Problem):
        assert isinstance(decode_cursor(text), list)


def test_a_full_last_page_has_no_next() -> None:
    assert Paging(limit=2, after=None).page([1, 2], key=lambda row: [row]) == ([1, 2], None)


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        (None, 428),
        ('"2"', 412),
        ('"3"', 200),
        (' \t"3" ', 200),
        ("*", 200),
        ('"2", "3"', 200),
        ('"2" ,\t"3"', 200),
        ("3", 412),
        ('W/"3"', 412),  # RFC 9110, 13.1.1: a weak one is never the same
        ('"3 "', 412),
        ("", 412),
        (" ", 412),
    ],
)
async def test_an_update_needs_the_version_it_is_based_on(
    client: httpx.AsyncClient, if_match: str | None, status: int
) -> None:
    answer = await client.put("/row", headers={} if if_match is None else {"if-match": if_match})
    assert answer.status_code == status
    if status == 412:
        assert answer.headers["etag"] == etag_of(3) == '"3"'
