"""The table of what each provider can do has every adapter, and says of each what its facts say."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tocsin.channel import ProviderKind
from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.callbacks import RECEIPTS as OF_EMAIL
from tocsin.dispatch_sms.callbacks import RECEIPTS as OF_SMS
from tocsin.specifications.capabilities import BEGIN, END, with_capabilities
from tocsin.specifications.settings_tables import MarkersMissing

ROOT = Path(__file__).parents[3]
SERVICES = ROOT / "services"
PAGES = [ROOT / "README.md", ROOT / "docs" / "providers.md"]
TOLD = {Channel.EMAIL: OF_EMAIL, Channel.SMS: OF_SMS}
ADAPTERS: list[tuple[Channel, str, ProviderKind[Any]]] = [
    (channel, name, kind)
    for channel in Channel
    for name, kind in import_module(f"tocsin.{channel.dispatcher.replace('-', '_')}.settings").KINDS.items()
]
every_adapter = pytest.mark.parametrize(
    ("channel", "name", "kind"), ADAPTERS, ids=[name for _, name, _ in ADAPTERS]
)


def rows(page: Path) -> dict[tuple[str, str], list[str]]:
    """The cells of each row, by channel and kind."""
    _, _, rest = page.read_text().partition(f"{BEGIN}\n")
    lines = rest.partition(f"{END}\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {(row[0], row[2].strip("`")): row for row in cells}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_adapter_has_a_row_and_nothing_else_has(page: Path) -> None:
    assert rows(page).keys() == {(channel.value, name) for channel, name, _ in ADAPTERS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_as_it_would_be_written_today(page: Path) -> None:
    assert with_capabilities(page, SERVICES) == page.read_text()


@every_adapter
def test_an_adapter_says_its_title_and_its_limit(
    channel: Channel, name: str, kind: ProviderKind[Any]
) -> None:
    """`ProviderKind(title=…, limit=…)`: nobody has to guess what the table leaves open."""
    assert kind.title, f"{channel}/{name} has no `title`"
    assert kind.limit, f"{channel}/{name} has no `limit`"
    assert "not said" not in rows(PAGES[0])[channel, name]
    assert all(rows(PAGES[0])[channel, name])


@every_adapter
def test_a_row_says_what_the_adapter_says(channel: Channel, name: str, kind: ProviderKind[Any]) -> None:
    row = rows(PAGES[0])[channel, name]
    assert row[3:6] == [kind.limit, kind.actions, kind.attachments]
    assert (row[7] == "nothing") is (name not in TOLD.get(channel, {}))


@every_adapter
def test_actions_are_shown_where_templates_of_the_channel_have_some(
    channel: Channel, name: str, kind: ProviderKind[Any]
) -> None:
    has_some = CHANNELS[channel].actions is not None
    assert (kind.actions != "none") is has_some, f"{channel}/{name}: set `actions` of its ProviderKind"


@pytest.mark.parametrize("channel", TOLD)
def test_only_adapters_tell_something(channel: Channel) -> None:
    assert TOLD[channel].keys() <= {name for of, name, _ in ADAPTERS if of is channel}


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
