"""Whether an address is suppressed for a message: what is stored of the address against the message's category."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tocsin.contracts.address_kinds import Destination
from tocsin.contracts.channels import ChannelSpec
from tocsin.contracts.directory import CategoryRecord
from tocsin.contracts.vocabulary import Reason
from tocsin.router.policy.preferences import ANY

CAUSES: Final = (Reason.COMPLAINT, Reason.BOUNCE, Reason.GONE, Reason.MANUAL)
"""The strongest first: of several that apply, a decision names this one."""
_BY_WORD: Final[Mapping[str, Reason]] = {cause.value: cause for cause in CAUSES}


class Suppression(NamedTuple):
    """One reason why nothing goes to an address. An address may have several."""

    address_hash: str
    category: str
    """A category's key, or `ANY`."""
    cause: str
    source: str
    """Who said so: `provider`, `api`, `import`, or what the caller named."""
    since: datetime
    until: datetime | None = None
    """None: for good."""
    spares_required: bool = False
    """Whether messages of required categories go there all the same."""

    @property
    def reason(self) -> Reason:
        """Why a message is skipped for it. A newer release may have stored a cause that is not known here: somebody wanted it."""
        return _BY_WORD.get(self.cause, Reason.MANUAL)

    @property
    def seen(self) -> dict[str, Any]:
        """What a decision tells of it. The hash finds it, and is no address."""
        told = {"address_hash": self.address_hash, "source": self.source, "since": self.since}
        if self.until is not None:
            told["until"] = self.until
        if self.category != ANY:
            told["category"] = self.category
        return told


SuppressedAddresses = Mapping[tuple[str, str, str], Sequence[Suppression]]
"""Tenant, channel and address in its comparable form → what is stored of it. An address that is not in it is not suppressed."""
NOT_SUPPRESSED: Final[SuppressedAddresses] = MappingProxyType({})


def unsuppressed(
    suppressed: SuppressedAddresses,
    destinations: Iterable[Destination],
    *,
    tenant: str,
    spec: ChannelSpec,
    category: CategoryRecord,
    now: datetime,
) -> tuple[list[Destination], list[Suppression]]:
    """Where a message of this category may go, and of each other address what keeps it away."""
    kept, held_back = [], []
    for destination in destinations:
        comparable = spec.address.comparable(destination.address)
        stored = suppressed.get((tenant, spec.channel, comparable), ())
        suppression = suppressing(stored, category=category, now=now)
        if suppression is None:
            kept.append(destination)
        else:
            held_back.append(suppression)
    return kept, held_back


def suppressing(
    stored: Iterable[Suppression], *, category: CategoryRecord, now: datetime
) -> Suppression | None:
    """The strongest that keeps a message of this category away now; None where the message may go. Required messages are no exception, unless
    whoever added it says so."""
    applying = [
        each
        for each in stored
        if each.category in {ANY, category.key}
        and (each.until is None or each.until > now)
        and not (each.spares_required and category.default == "required")
    ]
    return strongest(applying) if applying else None


def strongest(suppressions: Sequence[Suppression]) -> Suppression:
    """The one that a decision names: by cause, then the oldest."""
    return min(suppressions, key=lambda each: (CAUSES.index(each.reason), each.since))
