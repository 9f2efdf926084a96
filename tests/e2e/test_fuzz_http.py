"""Whatever is asked of the API: no request ends as a server error, and every answer is one that the OpenAPI document tells of."""

import asyncio
import json
import sys
import uuid
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

DOCUMENT = Path(__file__).parents[2] / "docs" / "contracts" / "openapi.json"
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance",
)  # fmt: skip
SECONDS = 20
"""For each kind of caller, three of them: no more than the gate can spare. The first inputs are the same in every run."""


KNOWN = {
    "path.workflow": "known", "path.recipient": "known", "path.category": "known", "path.device": "known",
    "path.channel": "email", "path.name": "default", "path.locale": "en", "path.revision": 1,
}  # fmt: skip


async def key_of_a_new_tenant(tocsin: Any, tenant: str, mode: str) -> str:
    """A key with every scope that its mode may have, of a tenant of the fuzzer's own, which may lose everything."""
    await made(tocsin.admin.post("/v1/tenants", json={"id": tenant, "name": "Fuzzed"}))
    scopes = ["send", "read", "manage", *(["operate"] if mode == "live" else [])]
    body = {"name": "fuzzer", "mode": mode, "scopes": scopes}
    return str((await made(tocsin.admin.post(f"/v1/tenants/{tenant}/api-keys", json=body)))["key"])


async def made(answering: Awaitable[httpx.Response]) -> Any:
    answer = await answering
    assert answer.status_code == 201, answer.text
    return answer.json()


async def make_what_paths_name(client: httpx.AsyncClient) -> None:
    await made(client.put("/v1/categories/known", json={}))
    await made(client.put("/v1/recipients/known", json={"email": "known@person.example"}))
    await made(client.put("/v1/recipients/known/devices/known", json={"token": "known-token"}))
    await made(client.put("/v1/workflows/known", json={"category": "known", "channels": ["email"]}))
    template = {"parts": {"subject": "Known", "text": "{{ data.x }}"}, "publish": True}
    await made(client.put("/v1/workflows/known/templates/email/default/en", json=template))


@pytest.mark.parametrize(
    "caller", ["live", *(pytest.param(caller, marks=pytest.mark.nightly) for caller in ("test", "nobody"))]
)
async def test_no_request_ends_as_a_server_error(
    tocsin: Any, tmp_path: Path, caller: str, fuzz_minutes: float
) -> None:
    """Cases for every operation: at the borders of each field first, then by chance. The live key's paths name what there is."""
    processes = tocsin.endpoints()["processes"]
    others = (await tocsin.admin.get("/v1/tenant")).json()
    command = [
        str(Path(sys.executable).with_name("st")), "run", str(DOCUMENT), "--url", tocsin.stack["entry"],
        "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--max-time", str(max(SECONDS, round(fuzz_minutes * 60))),
        "--generation-database", "none", "--warnings", "off", "--no-color", "--continue-on-failure",
        "--max-examples", "10000" if fuzz_minutes else "5",
    ]  # fmt: skip
    if not fuzz_minutes:
        command += ["--seed", "1"]
    tenant = f"fuzz-{uuid.uuid4().hex[:8]}"
    if caller != "nobody":
        authorization = f"Bearer {await key_of_a_new_tenant(tocsin, tenant, caller)}"
        command += ["-H", f"Authorization: {authorization}"]
    if caller == "live":
        async with httpx.AsyncClient(
            base_url=tocsin.stack["entry"], headers={"authorization": authorization}, timeout=30
        ) as client:
            await make_what_paths_name(client)
        # The key may change every tenant's settings, and the fuzzer learns the others' names from the list of them.
        named = KNOWN | {"path.tenant": tenant}
        lines = (f"{json.dumps(name)} = {json.dumps(value)}" for name, value in named.items())
        (tmp_path / "schemathesis.toml").write_text("\n".join(["[parameters]", *lines]))
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode(errors="replace")[-20_000:]
    assert tocsin.endpoints()["processes"] == processes, "a process ended and was started again"
    assert (await tocsin.admin.get("/v1/tenant")).json() == others, "another tenant's settings were changed"
