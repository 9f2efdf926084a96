"""HEAD where GET is answered, what `Allow` says, and bodies that come packed: the same in every service."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from prometheus_client import REGISTRY

from tocsin.contracts.directory import ApiKeyRecord
from tocsin.ingest.app import create_app as ingest_app
from tocsin.ledger.app import create_app as ledger_app
from tocsin.router.api import create_app as router_app
from tocsin.runtime import Health
from tocsin.web import new_key, service_app

APPS: dict[str, Callable[[], FastAPI]] = {"ingest": ingest_app, "ledger": ledger_app, "router": router_app}


def build() -> FastAPI:
    app = service_app(name="edges-test", health=Health(), public={"/": 100_000})

    @app.get("/v1/things/{thing}")
    async def read_thing(thing: str, response: Response) -> dict[str, str]:
        response.headers["etag"] = '"7"'
        return {"thing": thing}

    @app.put("/v1/things/{thing}")
    async def save_thing(thing: str, request: Request) -> int:
        return len(await request.body())

    @app.delete("/v1/things/{thing}", status_code=204)
    async def delete_thing(thing: str) -> None: ...

    @app.post("/v1/things")
    async def create_thing(request: Request) -> int:
        return len(await request.body())

    @app.get("/v1/streams")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"part"

        return StreamingResponse(parts())

    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build()), base_url="http://t") as client:
        yield client


@pytest.mark.parametrize("path", ["/v1/things/a", "/v1/streams", "/v1/nowhere", "/openapi.json"])  # fmt: skip
async def test_head_has_the_headers_of_get_and_no_body(client: httpx.AsyncClient, path: str) -> None:
    told, asked = await client.get(path), await client.head(path)
    assert asked.status_code == told.status_code
    assert asked.content == b""
    assert {name: text for name, text in asked.headers.items() if name != "x-request-id"} == {
        name: text for name, text in told.headers.items() if name != "x-request-id"
    }


async def test_head_is_counted_as_head_by_its_route(client: httpx.AsyncClient) -> None:
    labels = {"component": "edges-test", "method": "HEAD", "route": "/v1/things/{thing}", "status": "200"}
    before = REGISTRY.get_sample_value("tocsin_http_requests_total", labels) or 0
    await client.head("/v1/things/a")
    assert REGISTRY.get_sample_value("tocsin_http_requests_total", labels) == before + 1


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/things/a", "DELETE, GET, HEAD, PUT"),
        ("OPTIONS", "/v1/things/a", "DELETE, GET, HEAD, PUT"),
        ("BREW", "/v1/things/a", "DELETE, GET, HEAD, PUT"),
        ("GET", "/v1/things", "POST"),
        ("HEAD", "/v1/things", "POST"),
        ("POST", "/v1/streams", "GET, HEAD"),
    ],
)
async def test_allow_names_every_method_of_the_path(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "deflate", "zstd", "identity, gzip", "x-own"])
@pytest.mark.parametrize("body", [b"\x1f\x8b\x08\x00", b"{}", b""])
async def test_a_packed_body_is_refused_by_its_coding(
    client: httpx.AsyncClient, coding: str, body: bytes
) -> None:
    for method, path in (("POST", "/v1/things"), ("PUT", "/v1/things/a")):
        answer = await client.request(method, path, content=body, headers={"content-encoding": coding})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_content_coding")
        assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
async def test_a_body_as_it_is_may_say_so(client: httpx.AsyncClient, coding: str) -> None:
    answer = await client.post("/v1/things", content=b"{}", headers={"content-encoding": coding})
    assert (answer.status_code, answer.json()) == (200, 2)


async def test_a_coding_without_a_body_packs_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/things/a", headers={"content-encoding": "gzip"})).status_code == 200


@pytest.mark.parametrize("service", APPS)
async def test_every_service_has_these_edges(service: str) -> None:
    app = APPS[service]()
    methods: dict[str, set[str]] = {
        path: {method.upper() for method in item} for path, item in app.openapi()["paths"].items()
    }
    key = new_key("live")
    app.state.gate.keys.put(ApiKeyRecord(tenant="acme", id=key.id, mode="live", sha256=key.sha256, scopes=[]))
    bearer = {"authorization": f"Bearer {key.reveal()}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://t", headers=bearer
    ) as client:
        for path, known in methods.items():
            refused = await client.request("BREW", path)
            allowed = known | ({"HEAD"} if "GET" in known else set())
            assert refused.status_code == 405
            assert set(refused.headers["allow"].split(", ")) >= allowed, path
            for method in known - {"GET", "DELETE"}:
                packed = await client.request(
                    method, path, content=b"\x1f\x8b", headers={"content-encoding": "gzip"}
                )
                assert packed.json()["code"] == "unsupported_content_coding", (method, path)
