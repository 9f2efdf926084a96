"""What every route asks of a request: known parameters, and texts that can be held."""

from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Query
from pydantic import Field

from tocsin.runtime import Health
from tocsin.web import PagingQuery, RequestBody, judges_texts, service_app, takes_any_parameter


class Thing(RequestBody):
    name: str
    parts: dict[str, Any] = Field(default_factory=dict)


@pytest.fixture
def app() -> FastAPI:
    app = service_app(name="things", health=Health(), public={"/": 100_000})

    @app.get("/things/{thing}")
    async def read(*, thing: str, paging: PagingQuery, colour: Annotated[str | None, Query()] = None) -> Any:
        return {"thing": thing, "colour": colour}

    @app.post("/things")
    async def make(thing: Thing) -> Any:
        return thing.model_dump()

    @app.post("/heaps")
    @judges_texts
    async def heap(thing: Thing) -> Any:
        return thing.name.encode("ascii", "replace").decode()

    @app.get("/page")
    @takes_any_parameter
    async def page() -> str:
        return "page"

    return app


async def fault_of(answer: httpx.Response) -> tuple[str, str, str]:
    assert answer.status_code == 422
    body = answer.json()
    (fault,) = body["errors"]
    assert body["code"] == "invalid_request"
    return fault["pointer"], fault["code"], fault["detail"]


@pytest.fixture
def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://things")


@pytest.mark.parametrize(
    ("query", "pointer", "code", "detail"),
    [
        ("color=red", "query:color", "parameter_unknown", "Unknown parameter. Did you mean `colour`?"),
        ("Limit=5", "query:Limit", "parameter_unknown", "Unknown parameter. Did you mean `limit`?"),
        ("email=a", "query:email", "parameter_unknown", "Unknown parameter. Known: colour, limit, cursor"),
        ("colour=red&limit=5&colour=blue", "query:colour", "parameter_repeated", "Write it once"),
        ("colour=%00", "query:colour", "text_invalid", ""),
        ("colour=a%ED%A0%80", "query:colour", "text_invalid", ""),
        ("colour=%FF", "query:colour", "text_invalid", ""),
        ("colour=a%0Ab", "query:colour", "control_character", ""),
        ("%00=a", "query:", "parameter_unknown", ""),
    ],
)
async def test_a_parameter_that_cannot_be_taken_is_refused(
    client: httpx.AsyncClient, query: str, pointer: str, code: str, detail: str
) -> None:
    given = await fault_of(await client.get(f"/things/a?{query}"))
    assert given[:2] == (pointer, code)
    assert detail in given[2]


@pytest.mark.parametrize("segment", ["%00", "a%1Fb", "%ED%A0%80", "%FF", "a%C2%85"])
async def test_a_path_that_no_name_can_have_is_refused(client: httpx.AsyncClient, segment: str) -> None:
    assert (await fault_of(await client.get(f"/things/{segment}")))[0] == "path"


@pytest.mark.parametrize("path", ["/things/Zo%C3%AB%20?colour=r%C3%B6d+a&limit=3", "/things/%F0%9F%98%80"])
async def test_other_texts_are_taken(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"name": "\\ud800"}', "/name"),
        (b'{"name": "a\\u0000"}', "/name"),
        (b'{"name": "a", "parts": {"x": [1, {"y": "\\udfff"}]}}', "/parts/x/1/y"),
        (b'{"name": "a", "parts": {"\\u0000": 1}}', "/parts"),
        (b'{"name": "\xed\xa0\x80"}', "/name"),
        ('{"name": "a\\u0000"}'.encode("utf-16"), "/name"),
    ],
)
async def test_a_text_that_cannot_be_held_is_pointed_at(
    client: httpx.AsyncClient, body: bytes, pointer: str
) -> None:
    headers = {"content-type": "application/json"}
    assert (await fault_of(await client.post("/things", content=body, headers=headers)))[:2] == (
        pointer,
        "text_invalid",
    )
    assert (await client.post("/heaps", content=body, headers=headers)).status_code == 200


async def test_whole_pairs_and_escaped_backslashes_are_texts(client: httpx.AsyncClient) -> None:
    body = b'{"name": "\\ud83d\\ude00 \\\\u0000"}'
    answer = await client.post("/things", content=body, headers={"content-type": "application/json"})
    assert answer.json()["name"] == "😀 \\u0000"


@pytest.mark.parametrize(
    ("body", "media_type"), [(b'{"name": "a"}', "text/plain"), (b"[]", "application/json")]
)
async def test_a_body_that_is_no_object_of_json_is_told_how_to_be_sent(
    client: httpx.AsyncClient, body: bytes, media_type: str
) -> None:
    answer = await client.post("/things", content=body, headers={"content-type": media_type})
    _, _, detail = await fault_of(answer)
    assert "`Content-Type: application/json`" in detail


async def test_an_unknown_field_is_named_with_the_nearest_known(client: httpx.AsyncClient) -> None:
    given = await fault_of(await client.post("/things", json={"name": "a", "prats": {}}))
    assert given == ("/prats", "field_unknown", "Unknown field. Did you mean `parts`?")


async def test_a_page_takes_any_parameter(client: httpx.AsyncClient) -> None:
    assert (await client.get("/page?utm_source=mail")).status_code == 200
