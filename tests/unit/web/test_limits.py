"""What is refused on its raw bytes."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from tocsin.runtime import Health
from tocsin.web import deeper_than, service_app

TREES = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=30,
)


def depth(value: Any) -> int:
    match value:
        case list():
            return 1 + max((depth(inner) for inner in value), default=0)
        case dict():
            return 1 + max((depth(inner) for inner in value.values()), default=0)
        case _:
            return 0


@given(TREES, st.integers(min_value=0, max_value=6), st.booleans())
def test_depth_is_that_of_the_parsed_value(tree: Any, limit: int, ascii_only: bool) -> None:
    raw = json.dumps(tree, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert deeper_than(raw, limit) is (depth(tree) > limit)


@pytest.mark.parametrize(
    ("raw", "deep"),
    [
        (b"[" * 64 + b"]" * 64, False),
        (b"[" * 65 + b"]" * 65, True),
        (b'{"a":' * 65 + b"1" + b"}" * 65, True),
        (b"[[],{}]" * 100, False),
        (b"[" * 1_000_000, True),
        (b'"' + b"[" * 1000 + b'"', False),
        (b'"\\"' + b"[" * 1000 + b'"', False),
        (b'"\\\\"' + b"[" * 100 + b"]" * 100, True),
        (b"]" * 1000, False),
    ],
)
def test_depth_of_what_is_no_json_at_all(raw: bytes, deep: bool) -> None:
    assert deeper_than(raw, 64) is deep


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = service_app(name="limits-test", health=Health(), max_body_bytes=1000, public={"/": 1000})

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        yield client


async def chunks(count: int, taken: list[int] | None = None) -> AsyncIterator[bytes]:
    for number in range(1, count + 1):
        if taken is not None:
            taken.append(number)
        yield b"x" * 100


@pytest.mark.parametrize(("body", "status"), [(b"", 200), (b"x" * 1000, 200), (b"x" * 1001, 413)])
async def test_the_largest_body_is_still_taken(client: httpx.AsyncClient, body: bytes, status: int) -> None:
    answer = await client.post("/echo", content=body)
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == len(body)
    else:
        assert answer.json()["detail"] == "At most 1000 bytes are taken."
        assert "connection" not in answer.headers  # all of it has come, so the next request can be read


@pytest.mark.parametrize(("count", "status"), [(10, 200), (11, 413)])
async def test_a_body_in_chunks_is_counted_as_it_comes(
    client: httpx.AsyncClient, count: int, status: int
) -> None:
    assert (await client.post("/echo", content=chunks(count))).status_code == status


@pytest.mark.parametrize("length", [{}, {"content-length": "5000"}])
async def test_what_is_too_large_is_read_before_the_answer_so_that_its_writer_sees_the_answer(
    client: httpx.AsyncClient, length: dict[str, str]
) -> None:
    taken: list[int] = []
    answer = await client.post("/echo", content=chunks(50, taken), headers=length)
    assert (answer.status_code, len(taken)) == (413, 50)


async def test_only_so_much_of_it_is_read(client: httpx.AsyncClient) -> None:
    taken: list[int] = []
    answer = await client.post("/echo", content=chunks(1000, taken))
    assert (answer.status_code, len(taken)) == (413, 11 + 80)
    assert answer.headers["connection"] == "close"


async def test_a_body_that_waits_for_leave_is_not_asked_for(client: httpx.AsyncClient) -> None:
    taken: list[int] = []
    headers = {"content-length": "5000", "expect": "100-continue"}
    answer = await client.post("/echo", content=chunks(50, taken), headers=headers)
    assert (answer.status_code, taken) == (413, [])
