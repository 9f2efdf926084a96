"""docs/operations/kubernetes.md: its requests, in their order, bring a new tenant to a first notification."""

import json
import re
import shlex
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from tocsin.contracts.directory import Scope
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "kubernetes.md"
OWNERS = {"8001": "router", "8002": "ingest", "8003": "ledger"}
"""The ports that the page forwards to its services."""


def requests() -> list[tuple[str, str, Any]]:
    """Method, path and body of each `call` of the page."""
    text = PAGE.read_text().replace("\\\n", " ")
    made = []
    for line in re.findall(r"^call (.+)$", text, flags=re.MULTILINE):
        words = shlex.split(line)
        method = words.pop(words.index("-X") + 1) if "-X" in words else None
        body = json.loads(words.pop(words.index("--json") + 1)) if "--json" in words else None
        (address,) = (word for word in words if word.startswith("localhost:"))
        path = "/" + address.partition("/")[2]
        assert f"svc/{OWNERS[address[10:14]]} {address[10:14]}:80" in text
        made.append((method or ("POST" if body else "GET"), path, body))
    return made


async def key_of_a_new_tenant(admin: httpx.AsyncClient) -> str:
    tenant = f"t{uuid.uuid4().hex[:10]}"
    (await admin.post("/v1/tenants", json={"id": tenant, "name": "Of a page"})).raise_for_status()
    scopes: list[Scope] = ["send", "read", "manage"]
    made = await admin.post(f"/v1/tenants/{tenant}/api-keys", json={"scopes": scopes})
    return str(made.raise_for_status().json()["key"])


async def test_the_pages_requests_lead_to_a_mail(tocsin):
    *settings, send, look = requests()
    key = await key_of_a_new_tenant(tocsin.admin)
    authorization = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=tocsin.stack["entry"], headers=authorization, timeout=30) as api:
        await until(lambda: works(api))
        for method, path, body in settings:
            answer = await api.request(method, path, json=body)
            assert answer.is_success, (path, answer.text)
        sent: list[httpx.Response] = []

        async def taken() -> bool:
            """The workflow reaches ingest over Kafka, a moment after it was saved."""
            sent.append(await api.request(send[0], send[1], json=send[2]))
            return sent[-1].status_code == 202

        await until(taken, seconds=30)
        (named,) = sent[-1].json()["notifications"]
        path = look[1].replace("<notification_id>", named["notification_id"])

        async def ended() -> bool:
            answer = await api.get(path)
            return answer.is_success and answer.json()["timeline"][-1]["status"] == "sent"

        await until(ended, seconds=60)
    (mail,) = await tocsin.caught(named["notification_id"])
    assert (mail["channel"], mail["subject"]) == ("email", "Order A-7")


async def works(api: httpx.AsyncClient) -> bool:
    return (await api.get("/v1/tenant")).is_success
