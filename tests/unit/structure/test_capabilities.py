"""The table of what each provider can do has every adapter, and says of each what its facts say."""

from pathlib import Path

import pytest

from tocsin.dispatch_chat.settings import KINDS as CHAT
from tocsin.dispatch_email.callbacks import RECEIPTS as OF_EMAIL
from tocsin.dispatch_email.settings import KINDS as EMAIL
from tocsin.dispatch_push.settings import KINDS as PUSH
from tocsin.dispatch_sms.callbacks import RECEIPTS as OF_SMS
from tocsin.dispatch_sms.settings import KINDS as SMS
from tocsin.specifications.capabilities import BEGIN, END, with_capabilities
from tocsin.specifications.settings_tables import MarkersMissing

ROOT = Path(__file__).parents[3]
SERVICES = ROOT / "services"
PAGES = [ROOT / "README.md", ROOT / "docs" / "providers.md"]


def rows(page: Path) -> dict[tuple[str, str], list[str]]:
    """The cells of each row, by channel and kind."""
    _, _, rest = page.read_text().partition(f"{BEGIN}\n")
    lines = rest.partition(f"{END}\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {(row[0], row[2].strip("`")): row for row in cells}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_adapter_has_a_row(page: Path) -> None:
    known = (
        {("email", name) for name in EMAIL}
        | {("sms", name) for name in SMS}
        | {("push", name) for name in PUSH}
        | {("chat", name) for name in CHAT}
    )
    assert known <= rows(page).keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_as_it_would_be_written_today(page: Path) -> None:
    assert with_capabilities(page, SERVICES) == page.read_text()


@pytest.mark.parametrize(
    ("channel", "kinds", "told"),
    [("email", EMAIL, OF_EMAIL), ("sms", SMS, OF_SMS), ("push", PUSH, {}), ("chat", CHAT, {})],
)
def test_a_row_says_what_the_adapters_say(
    channel: str, kinds: dict[str, object], told: dict[str, object]
) -> None:
    assert told.keys() <= kinds.keys()
    for name in kinds:
        row = rows(PAGES[0])[channel, name]
        assert (row[5] == "nothing") is (name not in told)
        assert "not said" not in row


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for text in ("", f"{BEGIN}\n", f"{END}\n{BEGIN}\n"):
        page.write_text(text)
        with pytest.raises(MarkersMissing, match="lacks the lines"):
            with_capabilities(page, SERVICES)


def test_what_stands_around_the_table_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    text = with_capabilities(page, SERVICES)
    assert text.startswith(f"before\n{BEGIN}\n| channel |")
    assert text.endswith(f"|\n{END}\nafter\n")
    assert "old\n" not in text
