"""What the ledger says of itself without a broker or a database; keys."""

from pathlib import Path

import pytest
from openapi_spec_validator import validate

from tocsin.contracts.codec import Unreadable, encode
from tocsin.contracts.directory import ApiKey
from tocsin.kafka import Record
from tocsin.ledger import create_app
from tocsin.ledger.key_feed import KeyFeed
from tocsin.ledger.settings import LedgerSettings
from tocsin.runtime import settings_markdown
from tocsin.web import KeyTable

README = Path(__file__).parents[3] / "services" / "ledger" / "README.md"


def test_the_document_is_valid_and_asks_for_the_scope_read() -> None:
    document = create_app().openapi()
    validate(document)
    for path in ("/v1/timelines", "/v1/timelines/{notification_id}"):
        assert document["paths"][path]["get"]["security"] == [{"apiKey": ["read"]}]


def test_the_readme_lists_the_settings() -> None:
    held = README.read_text().split("<!-- settings -->\n")[1].split("<!-- /settings -->")[0]
    assert held == settings_markdown(LedgerSettings)


def test_keys_come_and_go_with_the_directory() -> None:
    keys = KeyTable()
    feed = KeyFeed(keys=keys)
    key = ApiKey(tenant="acme", id="k1", mode="live", sha256="0" * 64, scopes=["read"])
    feed.apply(Record("d", 0, 0, 0, b"workflow/acme/x", b"not read"))
    feed.apply(Record("d", 0, 1, 0, key.record_key, encode(key)))
    assert len(keys) == 1
    feed.apply(Record("d", 0, 2, 0, key.record_key, None))
    assert len(keys) == 0
    with pytest.raises(Unreadable):
        feed.apply(Record("d", 0, 3, 0, key.record_key, b"{}"))
