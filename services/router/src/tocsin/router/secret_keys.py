"""A secret with a name: what it made carries the name, so that a second key can stand beside it while the first is replaced."""

import msgspec


class SecretKey(msgspec.Struct, frozen=True):
    """One key of the settings: its id travels with what it signs, its secret never."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"SecretKey(id={self.id!r})"
