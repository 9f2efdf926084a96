"""Preferences in PostgreSQL: what a recipient has switched, three-valued (no row says nothing)."""

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.vocabulary import Channel
from tocsin.router.changes import lock_recipient, note_unchanged, raise_versions
from tocsin.router.policy import ANY, Preference
from tocsin.router.tables import preferences, workflows


class Switch(NamedTuple):
    """What a preference is about; `*` means any."""

    channel: str = ANY
    category: str = ANY
    workflow: str = ANY


Switches = dict[Switch, bool]


class Source(StrEnum):
    """Who changes preferences, as far as Tocsin knows it. A caller of the API may name another."""

    API = "api"
    UNSUBSCRIBE_PAGE = "unsubscribe_page"
    RECIPIENT = "recipient"
    """The recipient, with a token of their own (`/v1/me/preferences`)."""
    ONE_CLICK = "one_click"
    """A mail program, for its user (RFC 8058)."""
    PROVIDER = "provider"
    """A provider told that the recipient has left the category there."""
    COMPLAINT = "complaint"
    """A provider told that the recipient calls a message of the category spam."""


async def load(db: AsyncConnection, tenant: str, recipient: str) -> list[Preference]:
    """Everything the recipient has switched, in a stable order."""
    columns = [preferences.c[name] for name in Preference._fields]
    query = select(*columns).where(*_of(tenant, recipient)).order_by(*columns[:3])
    return [Preference(*row) for row in await db.execute(query)]


def switches_of(stored: Iterable[Preference]) -> Switches:
    """What is on and what is off, whoever switched it."""
    return {Switch(*preference[:3]): preference.enabled for preference in stored}


async def replace(
    db: AsyncConnection, tenant: str, recipient: str, old: Switches, new: Switches, *, source: str
) -> None:
    """Make `new` what the recipient has switched, what changes by `source`; `old` was loaded under `lock_recipient`."""
    gone = [switch for switch in old if switch not in new]
    changed = {switch: enabled for switch, enabled in new.items() if old.get(switch) is not enabled}
    if gone:
        which = or_(
            *(and_(*(getattr(preferences.c, n) == v for n, v in switch._asdict().items())) for switch in gone)
        )
        await db.execute(delete(preferences).where(*_of(tenant, recipient), which))
    if changed:
        rows = [
            {
                "tenant": tenant,
                "recipient": recipient,
                **switch._asdict(),
                "enabled": enabled,
                "source": source,
            }
            for switch, enabled in changed.items()
        ]
        written = insert(preferences).values(rows)
        await db.execute(
            written.on_conflict_do_update(
                index_elements=["tenant", "recipient", "channel", "category", "workflow"],
                set_={
                    "enabled": written.excluded.enabled,
                    "source": written.excluded.source,
                    "changed_at": func.now(),
                },
            )
        )
    if takes_away(old, new):
        await raise_versions(db, tenant, [recipient])
    else:
        await note_unchanged(db, "recipient_version", tenant, recipient)


async def switch_off(
    db: AsyncConnection, tenant: str, recipient: str, *, channel: Channel, category: str, source: str
) -> bool:
    """Nothing more of this category on this channel; False when that was so already.

    A workflow of the category that the recipient had switched on by name is switched off by name on this channel, or it
    would still win over the category.
    """
    await lock_recipient(db, tenant, recipient)
    old = switches_of(await load(db, tenant, recipient))
    mine = select(workflows.c.key).where(workflows.c.tenant == tenant, workflows.c.category == category)
    members = set((await db.execute(mine)).scalars())
    new = old | {Switch(channel=channel, category=category): False}
    for switch, enabled in old.items():
        if enabled and switch.channel in {ANY, channel} and switch.workflow in members:
            new[switch._replace(channel=channel)] = False
    if new == old:
        await note_unchanged(db, "recipient_version", tenant, recipient)
        return False
    await replace(db, tenant, recipient, old, new, source=source)
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
