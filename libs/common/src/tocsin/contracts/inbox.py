"""What tells the processes that keep inboxes that a box has moved: the records of `inbox`."""

import msgspec

MOST_CHANGED = 100


class BoxMoved(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One record of `inbox`, keyed `tenant/recipient`: new items stand in the box, or its recipient has changed some. Whoever shows the
    box reads the tables again; what the record says is only where to look."""

    version: int = 1
    tenant: str
    recipient: str
    changed: list[str] = []
    """The ids of items that were changed, at most 100; of more, the last ones."""
