"""Names of attributes that look like ours and are not: taken for strangers, they would be ignored, and the message sent at once."""

import re
from collections.abc import Iterable
from typing import Final

OURS: Final = ("tenant", "test", "cancelkey", "sendat", "delay")
"""Extension attributes of our own."""
KNOWN: Final = frozenset(
    [
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "dataschema",
        "data",
        "data_base64",
        "traceparent",
        "tracestate",
    ]
).union(OURS)
"""Those of CloudEvents, and ours."""
_MEANT: Final = {name: name for name in OURS} | {"idempotencykey": "id"}
_SPELLED: Final = re.compile(r"[A-Za-z][A-Za-z_.-]{0,39}").fullmatch
_BETWEEN: Final = re.compile(r"[_.-]+")


def meant_by(name: str) -> str | None:
    """Which attribute a name says that is one of ours, or nearly; None: it is a stranger's, or one of CloudEvents' own."""
    return _MEANT.get(_BETWEEN.sub("", name).lower()) if _SPELLED(name) else None


def near_misses(names: Iterable[str]) -> list[tuple[str, str]]:
    """Those that say one of our names with other signs between its letters, or in capitals: each with the name that was meant.

    CloudEvents allows neither in a name. So a stranger's attribute is none of these, but for one: `idempotencykey`, which is the event's
    `id` here.
    """
    return [(name, meant) for name in names if name not in KNOWN and (meant := meant_by(name)) is not None]
