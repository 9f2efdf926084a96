"""What every file of a provider's has: what it can tell of a message, and how."""

from typing import NamedTuple, Protocol

from tocsin.catcher.messages import AnyMessage


class Told(NamedTuple):
    """A callback, whole."""

    url: str
    headers: dict[str, str]
    body: bytes


class NotTellable(Exception):
    """It cannot be told now; the reason is for a person."""


class Teller(Protocol):
    """One kind of provider."""

    def names(self, message: AnyMessage) -> list[str]:
        """What can be told of this message: names of statuses. Empty where nobody could be told, or not of which message."""
        ...

    def tell(self, message: AnyMessage, name: str) -> Told:
        """The callback that tells it; `name` is one of `names`. Raises NotTellable."""
        ...
