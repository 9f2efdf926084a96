"""What a person must know of a setting beyond what it means: its unit, the values that do harm, and what a change of it takes."""

from dataclasses import dataclass
from typing import Final

from pydantic.fields import FieldInfo

RESTART: Final = "restart"
"""A process reads its environment once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwise:
    """Values beyond `bound` are legal and do `harm`; `remedy` says what to set instead. The start warns of them."""

    bound: float
    harm: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Annotates a field of a settings class: `size: Annotated[int, About(unit="connections")] = Field(…)`."""

    unit: str = ""
    """What is counted or measured; a number needs it."""
    under: Unwise | None = None
    over: Unwise | None = None
    danger: str = ""
    """What else goes wrong, where no bound tells it."""
    change: str = RESTART
    """What makes a changed value count."""
    example: str = ""
    """A value of the right form, for a secret or a name that belongs to one."""
    from_file: bool = False
    """It may stand in a file, as every secret may: `NAME_FILE` names it."""


def about(field: FieldInfo) -> About:
    """What the field's annotation says; nothing where it has none."""
    return next((facts for facts in field.metadata if isinstance(facts, About)), About())
