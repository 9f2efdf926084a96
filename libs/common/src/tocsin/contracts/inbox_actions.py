"""What a recipient can do with an item of their inbox: up to three actions, which a template's part `actions` writes as JSON.

[{"name": "track", "label": "Track it", "url": {{ data.url|tojson }}}, {"name": "later", "label": "Remind me later"}]
"""

from typing import Annotated, Final

import msgspec

from tocsin.contracts.limits import ACTIONS_PER_MESSAGE
from tocsin.contracts.part_forms import LINK, PartForm


class InboxAction(
    msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, forbid_unknown_fields=True, gc=False
):
    """One action. `name` is how the app and the status `clicked` call it; with a `url` the app leads there."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{1,32}$")]
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    url: str | None = None


_decode: Final = msgspec.json.Decoder(list[InboxAction]).decode


def _actions(text: str) -> list[InboxAction]:
    """Raises msgspec.MsgspecError where the text is no list of actions."""
    return _decode(text)


def _are_actions(text: str) -> bool:
    try:
        actions = _actions(text)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return False
    names = {action.name for action in actions}
    return (
        1 <= len(actions) <= ACTIONS_PER_MESSAGE
        and len(names) == len(actions)
        and all(action.label.isprintable() and action.label.strip() for action in actions)
        and all(action.url is None or LINK.fits(action.url) for action in actions)
    )


INBOX_ACTIONS: Final = PartForm(
    rule=f"a JSON list of at most {ACTIONS_PER_MESSAGE} actions: `name` of `a-z`, `0-9`, `_` and `-`, each another one, `label` of at most 60 characters, and a "
    "`url` of http or https where the action leads somewhere. Write values with `|tojson`",
    fits=_are_actions,
    value=_actions,
)
