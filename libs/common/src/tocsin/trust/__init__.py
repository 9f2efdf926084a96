"""What lets services believe a text that they did not write: secrets of tenants that are sealed, and tokens that tenants give their
recipients.

Needs the extra `trust` of tocsin-common. A name is loaded when it is first asked for: cryptography is a tenth of what a service loads at its
start, and only some of its roles need it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.trust.recipient_tokens import (
        AUDIENCE,
        LONGEST_LIFE,
        Algorithm,
        ClaimedToken,
        RecipientKey,
        RefusalCode,
        TokenHolder,
        TokenRefused,
        checked_public_key,
        checked_secret,
        read_token,
        verify_token,
    )
    from tocsin.trust.sealing import Seal, SealBroken, SealKeyMissing
    from tocsin.trust.settings import SealSettings

_NAMES = {
    "recipient_tokens": (
        "AUDIENCE",
        "LONGEST_LIFE",
        "Algorithm",
        "ClaimedToken",
        "RecipientKey",
        "RefusalCode",
        "TokenHolder",
        "TokenRefused",
        "checked_public_key",
        "checked_secret",
        "read_token",
        "verify_token",
    ),
    "sealing": ("Seal", "SealBroken", "SealKeyMissing"),
    "settings": ("SealSettings",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


__all__ = [
    "AUDIENCE",
    "LONGEST_LIFE",
    "Algorithm",
    "ClaimedToken",
    "RecipientKey",
    "RefusalCode",
    "Seal",
    "SealBroken",
    "SealKeyMissing",
    "SealSettings",
    "TokenHolder",
    "TokenRefused",
    "checked_public_key",
    "checked_secret",
    "read_token",
    "verify_token",
]
