"""The README's settings are the code's."""

from pathlib import Path

from tocsin.ingest.settings import IngestSettings
from tocsin.runtime import settings_markdown

README = Path(__file__).parents[3] / "services" / "ingest" / "README.md"


def test_the_readme_lists_the_settings() -> None:
    held = README.read_text().split("<!-- settings -->\n")[1].split("<!-- /settings -->")[0]
    assert held == settings_markdown(IngestSettings)
