"""What the ledger says of itself without a broker or a database; keys."""

from pathlib import Path

from openapi_spec_validator import validate

from tocsin.ledger import create_app
from tocsin.ledger.settings import LedgerSettings
from tocsin.runtime import settings_markdown

STATUSES = Path(__file__).parents[3] / "docs" / "statuses.md"
README = Path(__file__).parents[3] / "services" / "ledger" / "README.md"


def test_the_document_is_valid_and_names_the_scopes() -> None:
    """The key matrix has the scope of each route."""
    document = create_app().openapi()
    validate(document)
    routes = [route for path in document["paths"].values() for route in path.values()]
    assert all(route["security"] for route in routes)


def test_the_words_of_a_filter_stand_in_the_document_and_those_of_the_reasons_are_the_ones_that_the_page_names() -> (
    None
):
    parameters = create_app().openapi()["paths"]["/v1/dead-letters"]["get"]["parameters"]
    words = {
        parameter["name"]: parameter["schema"]["anyOf"][0].get("enum")
        for parameter in parameters
        if "anyOf" in parameter["schema"]
    }
    rows = [line.split("|") for line in STATUSES.read_text().splitlines() if line.startswith("| `")]
    named = {row[1].strip(" `") for row in rows if "dead letters" in row[2]}
    assert set(words["reason"]) == named
    assert {"router", "dispatch-email", "ledger"} <= set(words["service"])
    assert {"events", "intents", "jobs", "status", "dead"} <= set(words["kind"])


def test_the_readme_lists_the_settings() -> None:
    held = README.read_text().split("<!-- settings -->\n")[1].split("<!-- /settings -->")[0]
    assert held == settings_markdown(LedgerSettings)
