"""What follows from what a recipient does with an item."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.contracts.vocabulary import StatusName
from tocsin.dispatch_inapp.item_state import ItemChange, ItemState, changed

THEN = datetime(2026, 6, 1, tzinfo=UTC)
NOW = THEN + timedelta(hours=1)
NEW = ItemState()
SEEN = ItemState(seen_at=THEN)
READ = ItemState(seen_at=THEN, read_at=THEN)
ARCHIVED = ItemState(archived_at=THEN)


@pytest.mark.parametrize(
    ("before", "change", "after", "told"),
    [
        (NEW, ItemChange(seen=True), ItemState(seen_at=NOW), [StatusName.SEEN]),
        (SEEN, ItemChange(seen=True), SEEN, []),
        (NEW, ItemChange(read=True), ItemState(seen_at=NOW, read_at=NOW), [StatusName.SEEN, StatusName.READ]),
        (SEEN, ItemChange(read=True), ItemState(seen_at=THEN, read_at=NOW), [StatusName.READ]),
        (READ, ItemChange(read=True), READ, []),
        (READ, ItemChange(read=False), SEEN, []),
        (NEW, ItemChange(read=False), NEW, []),
        (NEW, ItemChange(archived=True), ItemState(archived_at=NOW), [StatusName.ARCHIVED]),
        (ARCHIVED, ItemChange(archived=True), ARCHIVED, []),
        (ARCHIVED, ItemChange(archived=False), NEW, []),
        (
            READ,
            ItemChange(read=False, archived=True),
            ItemState(seen_at=THEN, archived_at=NOW),
            [StatusName.ARCHIVED],
        ),
        (
            NEW,
            ItemChange(action="track"),
            ItemState(seen_at=NOW, read_at=NOW, clicked_at=NOW, clicked_action="track"),
            [StatusName.SEEN, StatusName.READ, StatusName.CLICKED],
        ),
        (NEW, ItemChange(), NEW, []),
    ],
)
def test_what_changes_and_what_is_told(
    before: ItemState, change: ItemChange, after: ItemState, told: list[StatusName]
):
    result = changed(before, change, at=NOW)
    assert (result.state, list(result.statuses)) == (after, told)


@pytest.mark.parametrize(
    ("state", "unseen", "unread"),
    [
        (NEW, True, True),
        (SEEN, False, True),
        (READ, False, False),
        (ARCHIVED, False, False),
        (ItemState(read_at=THEN), True, False),
    ],
)
def test_what_a_box_counts(state: ItemState, *, unseen: bool, unread: bool):
    assert (state.counts_as_unseen, state.counts_as_unread) == (unseen, unread)
