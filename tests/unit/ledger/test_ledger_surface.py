"""What the ledger says of itself without a broker or a database; keys."""

from pathlib import Path

from openapi_spec_validator import validate

from tocsin.ledger import create_app
from tocsin.ledger.settings import LedgerSettings
from tocsin.runtime import settings_markdown

README = Path(__file__).parents[3] / "services" / "ledger" / "README.md"


def test_the_document_is_valid_and_asks_for_the_scope_read() -> None:
    document = create_app().openapi()
    validate(document)
    for path in ("/v1/timelines", "/v1/timelines/{notification_id}"):
        assert document["paths"][path]["get"]["security"] == [{"apiKey": ["read"]}]


def test_the_readme_lists_the_settings() -> None:
    held = README.read_text().split("<!-- settings -->\n")[1].split("<!-- /settings -->")[0]
    assert held == settings_markdown(LedgerSettings)
