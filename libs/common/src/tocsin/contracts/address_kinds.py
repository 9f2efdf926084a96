"""What channels send to, and where a recipient or a tenant holds it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from tocsin.contracts.recipients import InlineRecipient
from tocsin.contracts.vocabulary import Reason


class Destination(NamedTuple):
    """Where one delivery goes."""

    address_key: str
    address: str
    target: str | None
    """Which kind of provider knows the address. None: every provider of the channel does."""
    app: str | None = None
    """Of a device: which of the tenant's apps it is."""


@dataclass(frozen=True, kw_only=True)
class AddressKind:
    """What a channel sends to, and where a recipient holds it. Several channels may share one kind."""

    field: str
    """The recipient's field: `email`, `phone`, `devices`, `chats`, `id`; of addresses that are the tenant's, the name of their kind."""
    itself: bool = False
    """True: the field is the recipient's id, so that everybody who is known has one address of this kind and nobody gives it."""
    held_by_tenant: bool = False
    """True: the addresses are the tenant's own, published on `directory`; a recipient has none of this kind."""
    entry_field: str | None = None
    """Of a field that is a list: the entries' field that holds the address. Each entry is a delivery of its own, and its id is the address key.
    None: the recipient's field holds one address, and the address key is the field's name."""
    refused: Reason = Reason.RECIPIENT_REFUSED
    """Why a delivery failed when the provider refuses the address for good."""
    gone: Reason = Reason.RECIPIENT_REFUSED
    """Why a delivery failed when the provider says that the address is no longer in use."""
    comparable: Callable[[str], str] = str
    """What all spellings of one address have in common: hashes are of this form, messages go to the address as it is written."""
    untagged: Callable[[str], str] = str
    """A sandbox address without the tag that lets many recipients have the same behaviour."""

    @property
    def many(self) -> bool:
        """Whether a recipient may have many of it."""
        return self.held_by_tenant or self.entry_field is not None

    @property
    def key_without_address(self) -> str:
        """The address key of a delivery to a recipient who has no address of this kind."""
        return "" if self.many else self.field

    def destinations(self, recipient: object) -> list[Destination]:
        """Every address of this kind that the recipient has."""
        if self.held_by_tenant:
            return []
        held = getattr(recipient, self.field)
        if not held:
            return []
        if self.entry_field is None:
            return [Destination(self.field, held, None)]
        return [
            Destination(entry.id, getattr(entry, self.entry_field), entry.kind, getattr(entry, "app", None))
            for entry in held
        ]

    def narrowed(self, recipient: InlineRecipient | None, address_key: str) -> InlineRecipient | None:
        """The inline recipient as one delivery needs it: of many entries given inline, only the one it goes to."""
        if (
            self.held_by_tenant
            or not self.many
            or recipient is None
            or getattr(recipient, self.field) is None
        ):
            return recipient
        entries = [entry for entry in getattr(recipient, self.field) if entry.id == address_key]
        return msgspec.structs.replace(recipient, **{self.field: entries})


def _comparable_mail(address: str) -> str:
    """`Ann@example.com` is `ann@example.com`: the domain is in lower case already, and nobody gives `Ann` and `ann` to two people.

    Only ASCII is folded, so that PostgreSQL folds alike in any locale. A tag (`ann+shop@`) and dots stay: where they mean nothing is
    each provider's own affair.
    """
    return address.lower() if address.isascii() else address


def _untagged_mail(address: str) -> str:
    """`Bounce+7@sandbox.tocsin.test` is `bounce@sandbox.tocsin.test`."""
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _untagged_word(token: str) -> str:
    """`sandbox-delay-7` is `sandbox-delay`."""
    return "-".join(token.split("-")[:2])


MAIL_ADDRESS: Final = AddressKind(field="email", comparable=_comparable_mail, untagged=_untagged_mail)
PHONE_NUMBER: Final = AddressKind(field="phone")
"""E.164."""
RECIPIENT: Final = AddressKind(field="id", itself=True, untagged=_untagged_word)
"""The recipient: what Tocsin itself keeps for them, such as an inbox."""
DEVICE: Final = AddressKind(
    field="devices",
    entry_field="token",
    refused=Reason.ADDRESS_INVALID,
    gone=Reason.DEVICE_GONE,
    untagged=_untagged_word,
)
CHAT_PLACE: Final = AddressKind(
    field="chats",
    entry_field="address",
    refused=Reason.ADDRESS_INVALID,
    gone=Reason.ADDRESS_GONE,
    untagged=_untagged_word,
)
ENDPOINT: Final = AddressKind(
    field="webhook_endpoints",
    held_by_tenant=True,
    refused=Reason.ADDRESS_INVALID,
    gone=Reason.ENDPOINT_GONE,
    untagged=_untagged_word,
)
"""An endpoint's key is its address, so that a job that waits goes to the URL that the endpoint has then."""
