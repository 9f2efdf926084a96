"""Every error is a problem, every problem has its page."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Header, HTTPException
from openapi_spec_validator import validate
from prometheus_client import REGISTRY, generate_latest
from pydantic import BaseModel
from starlette.types import Message, Receive, Scope, Send

from tocsin.observability.logger import facts_of
from tocsin.runtime import Health
from tocsin.web import CODES, Fault, Page, PagingQuery, Problem, Reader, codes, json_pointer, service_app
from tocsin.web.request_context import RequestContext

PAGES = Path(__file__).parents[3] / "docs" / "problems"


class Thing(BaseModel):
    name: str
    sizes: list[int] = []


def build(health: Health) -> FastAPI:
    app = service_app(
        name="things",
        health=health,
        summary="Keeps things",
        max_body_bytes=2000,
        max_json_depth=4,
        public={"/": 2000},
    )

    @app.post("/v1/things/{number}")
    async def create_thing(number: int, thing: Thing, trace: Annotated[int, Header()] = 0) -> Thing:
        return thing

    @app.get("/v1/things")
    async def list_things(paging: PagingQuery, caller: Reader) -> Page[Thing]:
        return Page(data=[], has_more=False)

    @app.get("/v1/raise/{what}")
    async def raise_something(what: str) -> None:
        match what:
            case "ours":
                raise Problem(
                    codes.NOT_KNOWN_TO_BE_STORED,
                    "Repeat with this id.",
                    errors=[Fault(pointer="/a", code="b", detail="c")],
                    headers={"retry-after": "1"},
                    extensions={"event_id": "e1"},
                )
            case "teapot":
                raise HTTPException(418, "I am a teapot")
            case _:
                raise ValueError("ann@example.com")

    return app


@pytest.fixture
def health() -> Health:
    return Health(service="things")


@pytest.fixture
async def client(health: Health) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build(health))
    async with httpx.AsyncClient(transport=transport, base_url="http://things") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/nowhere", None, (404, "not_found")),
        ("PUT", "/v1/things", None, (405, "method_not_allowed")),
        ("GET", "/v1/things/", None, (404, "not_found")),
        ("GET", "/v1/things", None, (401, "unauthenticated")),
        ("POST", "/v1/things/1", b"{", (400, "invalid_json")),
        ("POST", "/v1/things/1", b"{}", (422, "invalid_request")),
        ("POST", "/v1/things/1", b"[" * 2001, (413, "body_too_large")),
        ("POST", "/v1/things/1", b"[[[[[1]]]]]", (422, "body_too_deep")),
        ("GET", "/v1/raise/ours", None, (503, "not_known_to_be_stored")),
        ("GET", "/v1/raise/teapot", None, (400, "bad_request")),
        ("GET", "/v1/raise/anything", None, (500, "internal_error")),
    ],
)
async def test_every_error_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, body: bytes | None, expected: tuple[int, str]
) -> None:
    answer = await client.request(method, path, content=body, headers={"content-type": "application/json"})
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["code"]) == expected
    assert problem["type"].endswith(f"/docs/problems/{expected[1]}.md")
    assert problem["title"] == CODES[expected[1]].title
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "ann@example.com" not in answer.text
    assert answer.status_code == expected[0]


async def test_each_fault_has_its_pointer(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/things/x", json={"sizes": [1, "two"]}, headers={"trace": "y"})
    problem = answer.json()
    assert problem["detail"] == "The request has 4 faults; see errors."
    assert {(fault["pointer"], fault["code"]) for fault in problem["errors"]} == {
        ("path:number", "int_parsing"),
        ("header:trace", "int_parsing"),
        ("/name", "missing"),
        ("/sizes/1", "int_parsing"),
    }


async def test_headers_errors_and_extensions_come_along(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/raise/ours")
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["event_id"] == "e1"
    assert answer.json()["errors"] == [{"pointer": "/a", "code": "b", "detail": "c"}]


async def test_the_allow_header_names_the_methods(client: httpx.AsyncClient) -> None:
    assert (await client.put("/v1/things")).headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("order-1234567", True), ("short", False), ("ann@example.com", False), ("x" * 200, False)],
)
async def test_a_usable_request_id_is_kept(client: httpx.AsyncClient, given: str, kept: bool) -> None:
    answer = await client.get("/v1/nowhere", headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) is kept


async def test_an_unexpected_error_is_logged_with_its_route_only(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/v1/raise/anything")
    (record,) = [record for record in caplog.records if record.name == "tocsin.web.request_context"]
    assert record.message == "request failed"
    facts = {"route": "/v1/raise/{what}", "request_id": answer.headers["x-request-id"]}
    assert facts_of(record) == facts


async def test_an_answer_that_has_begun_cannot_become_a_problem(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("midway")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("the body is not read")

    with pytest.raises(ValueError, match="midway"):
        await RequestContext(breaks, service="broken", health=Health(service="broken"))(
            {"type": "http", "method": "GET", "path": "/v1/things", "headers": []}, receive, send
        )
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert [record.message for record in caplog.records] == ["request failed"]


async def test_requests_are_counted_by_route_never_by_path(client: httpx.AsyncClient) -> None:
    labels = {"component": "things", "method": "GET", "route": "/v1/raise/{what}", "status": "503"}
    before = REGISTRY.get_sample_value("tocsin_http_requests_total", labels) or 0
    await client.get("/v1/raise/ours")
    assert REGISTRY.get_sample_value("tocsin_http_requests_total", labels) == before + 1
    await client.get("/v1/secret-path")
    await client.request("BREW", "/v1/secret-path")
    text = generate_latest()
    assert b"secret-path" not in text
    assert b"BREW" not in text


def test_openapi_is_valid_and_says_what_is_answered(health: Health) -> None:
    document = build(health).openapi()
    validate(document)
    create = document["paths"]["/v1/things/{number}"]["post"]
    assert create["operationId"] == "create_thing"
    assert set(create["responses"]) == {"200", "default"}
    assert "application/problem+json" in create["responses"]["default"]["content"]
    assert document["paths"]["/v1/things"]["get"]["security"] == [{"apiKey": ["read"]}]
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_json_pointers_escape() -> None:
    assert json_pointer(["a/b", 0, "c~d"]) == "/a~1b/0/c~0d"
    assert json_pointer([]) == ""


def test_every_code_has_its_page_and_every_page_its_code() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == {*CODES, "README"}


@pytest.mark.parametrize("name", CODES)
def test_a_page_tells_what_the_code_tells(name: str) -> None:
    code = CODES[name]
    page = (PAGES / f"{name}.md").read_text()
    assert page.startswith(
        f"# {code.title}\n\nCode `{name}`, HTTP status {code.status}.\n\n## What it means\n"
    )
    assert "\n## What to do\n" in page
    assert f"| [`{name}`]({name}.md) | {code.status} | {code.title} |" in (PAGES / "README.md").read_text()


def test_codes_are_named_as_their_constants() -> None:
    constants = {key: value for key, value in vars(codes).items() if isinstance(value, codes.ProblemCode)}
    assert {key: value.name for key, value in constants.items()} == {name.upper(): name for name in CODES}
    assert all(re.fullmatch(r"[a-z_]+", name) for name in CODES)


async def test_a_halted_service_answers_nothing_but_why() -> None:
    """What it holds is not kept up to date any more: a key that was revoked since would still open the door."""
    health = Health(service="halted")
    app = service_app(name="halted", health=health)
    app.add_api_route("/v1/things", lambda: {"works": True})
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://halted") as client:
        assert (await client.get("/v1/things")).json() == {"works": True}
        health.halted = "Record directory/0/7 cannot be read: upgrade this service."
        answer = await client.get("/v1/things")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert answer.json()["detail"] == health.halted
