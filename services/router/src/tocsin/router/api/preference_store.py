"""Preferences in PostgreSQL: what a recipient has switched, three-valued (no row says nothing)."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.vocabulary import Channel
from tocsin.router.changes import lock_recipient, raise_versions
from tocsin.router.policy import ANY
from tocsin.router.tables import preferences, workflows


class Switch(NamedTuple):
    """What a preference is about; `*` means any."""

    channel: str = ANY
    category: str = ANY
    workflow: str = ANY


Switches = dict[Switch, bool]


async def load(db: AsyncConnection, tenant: str, recipient: str) -> Switches:
    """Everything the recipient has switched, in a stable order."""
    columns = (preferences.c.channel, preferences.c.category, preferences.c.workflow)
    query = select(*columns, preferences.c.enabled).where(*_of(tenant, recipient)).order_by(*columns)
    return {Switch(row.channel, row.category, row.workflow): row.enabled for row in await db.execute(query)}


async def replace(db: AsyncConnection, tenant: str, recipient: str, old: Switches, new: Switches) -> None:
    """Make `new` what the recipient has switched; `old` was loaded under `lock_recipient`."""
    gone = [switch for switch in old if switch not in new]
    changed = {switch: enabled for switch, enabled in new.items() if old.get(switch) is not enabled}
    if gone:
        which = or_(
            *(and_(*(getattr(preferences.c, n) == v for n, v in switch._asdict().items())) for switch in gone)
        )
        await db.execute(delete(preferences).where(*_of(tenant, recipient), which))
    if changed:
        rows = [
            {"tenant": tenant, "recipient": recipient, **switch._asdict(), "enabled": enabled}
            for switch, enabled in changed.items()
        ]
        written = insert(preferences).values(rows)
        await db.execute(
            written.on_conflict_do_update(
                index_elements=["tenant", "recipient", "channel", "category", "workflow"],
                set_={"enabled": written.excluded.enabled, "updated_at": func.now()},
            )
        )
    if takes_away(old, new):
        await raise_versions(db, tenant, [recipient])


async def switch_off(
    db: AsyncConnection, tenant: str, recipient: str, *, channel: Channel, category: str
) -> bool:
    """Nothing more of this category on this channel; False when that was so already.

    A workflow of the category that the recipient had switched on by name is switched off by name on this channel, or it
    would still win over the category.
    """
    await lock_recipient(db, tenant, recipient)
    old = await load(db, tenant, recipient)
    mine = select(workflows.c.key).where(workflows.c.tenant == tenant, workflows.c.category == category)
    members = set((await db.execute(mine)).scalars())
    new = old | {Switch(channel=channel, category=category): False}
    for switch, enabled in old.items():
        if enabled and switch.channel in {ANY, channel} and switch.workflow in members:
            new[switch._replace(channel=channel)] = False
    if new == old:
        return False
    await replace(db, tenant, recipient, old, new)
    return True


def takes_away(old: Mapping[Switch, bool], new: Mapping[Switch, bool]) -> bool:
    """Whether anything went down: from on to unset or off, or from unset to off. Then less may be sent than was decided."""
    return any(_rank(new.get(switch)) < _rank(old.get(switch)) for switch in {*old, *new})


def revision_of(switches: Switches) -> str:
    """Names this state of the preferences: their ETag."""
    return hashlib.sha256(
        msgspec.json.encode(sorted([*key, on] for key, on in switches.items()))
    ).hexdigest()[:16]


def _rank(enabled: bool | None) -> int:
    return {False: -1, None: 0, True: 1}[enabled]


def _of(tenant: str, recipient: str) -> tuple[ColumnElement[bool], ...]:
    return preferences.c.tenant == tenant, preferences.c.recipient == recipient
