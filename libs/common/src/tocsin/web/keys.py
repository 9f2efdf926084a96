"""API keys: `tk_live_<id>_<secret>` and `tk_test_<id>_<secret>`. Only the SHA-256 of the secret is ever stored."""

import hashlib
import re
import secrets
import string
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["live", "test"]

_LETTERS = string.ascii_letters + string.digits
_FORM = re.compile(r"tk_(live|test)_([A-Za-z0-9]{1,64})_([A-Za-z0-9]{16,128})").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyParts:
    """A key taken apart. Shown to no one: its `repr` leaves the secret out."""

    mode: Mode
    id: str
    secret: str = field(repr=False)

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the secret, as the directory stores it. Fast on purpose: 238 random bits need no slow hash."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def reveal(self) -> str:
        """The key as its owner writes it; to be shown once, when it is made."""
        return f"tk_{self.mode}_{self.id}_{self.secret}"


def new_key(mode: Mode) -> KeyParts:
    """A key nobody has: an id of 16 and a secret of 40 random letters and digits."""
    return KeyParts(mode=mode, id=_random(16), secret=_random(40))


def parse_key(text: str) -> KeyParts | None:
    """The parts of a key, or None when the text does not have the form of one."""
    match = _FORM(text)
    if match is None:
        return None
    mode, key_id, secret = match.groups()
    return KeyParts(mode="live" if mode == "live" else "test", id=key_id, secret=secret)


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
