"""No text in any parameter of any route is more than the ledger can answer."""

import httpx
import pytest
from tests.every_route import calls
from tests.integration.ledger.conftest import LedgerDatabase

from tocsin.contracts.directory import ApiKeyRecord
from tocsin.ledger.app import create_app
from tocsin.ledger.dead_letters import DeadLetterReader
from tocsin.ledger.redrives import Redrives
from tocsin.web import KeyTable, new_key

pytestmark = pytest.mark.postgres


async def test_no_text_ends_as_a_server_error(ledger_database: LedgerDatabase) -> None:
    keys, key = KeyTable(), new_key("live")
    keys.put(
        ApiKeyRecord(
            tenant="acme", id=key.id, mode="live", sha256=key.sha256, scopes=["read", "manage", "operate"]
        )
    )
    dead_letters = DeadLetterReader(engine=ledger_database.database.engine)
    redrives = Redrives(engine=ledger_database.database.engine)
    app = create_app(reader=ledger_database.reader, dead_letters=dead_letters, redrives=redrives, keys=keys)
    headers = {"authorization": f"Bearer {key.reveal()}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger", headers=headers) as client:
        asked = list(calls(app))
        for call in asked:
            json = {"content-type": "application/json"}
            answer = await client.request(call.method, call.url, content=call.body, headers=json)
            assert answer.status_code < 500, call
        assert any("recipient=%00" in call.url for call in asked)
        for name in ("recipient", "workflow", "event"):
            refused = await client.get(f"/v1/timelines?{name}=a%00b")
            assert refused.status_code == 422
            assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [
                (f"query:{name}", "text_invalid")
            ]
        unknown = await client.get("/v1/timelines?email=ada@example.com")
    assert unknown.status_code == 422
    (fault,) = unknown.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("query:email", "parameter_unknown")
    assert (
        "Known: recipient, workflow, channel, status, event, since, overdue, limit, cursor" in fault["detail"]
    )
