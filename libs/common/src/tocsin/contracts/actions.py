"""What a message offers its reader: up to three buttons, each of which a template writes as parts of its own.

actions.1.name   "track"                  the inbox only: what the app and the status `clicked` call it
actions.1.label  "Track it"
actions.1.url    "{{ data.tracking }}"
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import msgspec

from tocsin.contracts.limits import ACTION_LABEL_CHARS, ACTIONS_PER_MESSAGE
from tocsin.contracts.part_forms import LINK, PartForm, matching, text_up_to

ACTIONS: Final = "actions."
"""How these parts begin."""
NAME: Final = "name"
"""The field by which an action is known among those of its message."""


def has_actions(names: Iterable[str]) -> bool:
    """Whether one of these names is a part of an action. Most messages have none, and need not be looked at further."""
    return any(name.startswith(ACTIONS) for name in names)


class Action(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """A button that opens a link."""

    label: str
    url: str


class InboxAction(
    msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, forbid_unknown_fields=True, gc=False
):
    """A button of an item. With a `url` the app leads there; without one it is the app that acts."""

    name: str
    label: str
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class ActionParts:
    """Which parts the actions of a channel have. `fields` are those of one action, in their order, with their forms."""

    of: type[Any]
    """What an action becomes in the content."""
    fields: Mapping[str, PartForm]
    optional: frozenset[str] = frozenset()
    """Fields that an action may lack."""

    @property
    def shown(self) -> list[str]:
        """The parts as messages to people name them."""
        return [f"{ACTIONS}<1 to {ACTIONS_PER_MESSAGE}>.{field}" for field in self.fields]

    @property
    def needed(self) -> str:
        """The fields that each action has, in words."""
        return " and ".join(f"`{field}`" for field in self.fields if field not in self.optional)

    def forms(self) -> dict[str, PartForm]:
        """The forms by the parts' whole names."""
        return {part: self.fields[field] for parts in self._each for field, part in parts.items()}

    def incomplete(self, names: Container[str]) -> str | None:
        """The part that is missing where some of an action's parts are among `names`, and not all it needs."""
        for parts in self._each:
            missing = [
                part for field, part in parts.items() if part not in names and field not in self.optional
            ]
            if missing and any(part in names for part in parts.values()):
                return missing[0]
        return None

    def repeated(self, texts: Mapping[str, str]) -> str | None:
        """The part that gives an action a name which another has."""
        known: set[str] = set()
        for parts in self._each:
            part = parts.get(NAME)
            if part is None or part not in texts:
                continue
            if texts[part] in known:
                return part
            known.add(texts[part])
        return None

    def actions_of(self, texts: Mapping[str, str]) -> list[Any]:
        """The actions with these rendered parts, in their order; `texts` fit the forms, and nothing is missing."""
        found = (
            {field: texts[part] for field, part in parts.items() if part in texts} for parts in self._each
        )
        return [self.of(**fields) for fields in found if fields]

    @cached_property
    def _each(self) -> tuple[dict[str, str], ...]:
        """The parts of each action, by their fields. Every message goes through these, so that names are made once."""
        return tuple(
            {field: f"{ACTIONS}{number}.{field}" for field in self.fields}
            for number in range(1, ACTIONS_PER_MESSAGE + 1)
        )


_LABEL: Final = text_up_to(ACTION_LABEL_CHARS)

CHAT_ACTIONS: Final = ActionParts(of=Action, fields={"label": _LABEL, "url": LINK})
INBOX_ACTIONS: Final = ActionParts(
    of=InboxAction,
    fields={
        NAME: matching(r"[a-z0-9_-]{1,32}", "a name of up to 32 of `a-z`, `0-9`, `_` and `-`"),
        "label": _LABEL,
        "url": LINK,
    },
    optional=frozenset({"url"}),
)
