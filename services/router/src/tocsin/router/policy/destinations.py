"""Where a message may go on one channel: the recipient's addresses, without those that are suppressed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tocsin.contracts.address_kinds import Destination
from tocsin.contracts.channels import ChannelSpec
from tocsin.contracts.directory import CategoryRecord
from tocsin.contracts.statuses import RuleOutcome
from tocsin.contracts.vocabulary import Reason, Rule
from tocsin.router.policy.decision_log import looked_at
from tocsin.router.policy.suppressions import SuppressedAddresses, strongest, unsuppressed


class Held(NamedTuple):
    """Nothing goes out, by this rule."""

    rule: Rule
    reason: Reason
    seen: dict[str, Any] | None = None


def reachable(
    destinations: Sequence[Destination],
    suppressed: SuppressedAddresses,
    rules: list[RuleOutcome],
    *,
    tenant: str,
    spec: ChannelSpec,
    category: CategoryRecord,
    now: datetime,
) -> list[Destination] | Held:
    """Where the message may go: at least one address. The rules looked at are added, but the one that decides."""
    if not destinations:
        return Held(Rule.ADDRESS, Reason.ADDRESS_MISSING)
    kept = list(destinations)
    if suppressed:
        kept, held_back = unsuppressed(
            suppressed, destinations, tenant=tenant, spec=spec, category=category, now=now
        )
        if held_back:
            worst = strongest(held_back)
            seen = worst.seen | {"addresses": len(held_back)}
            if not kept:
                return Held(Rule.SUPPRESSION, worst.reason, seen)
            rules.append(looked_at(Rule.SUPPRESSION, worst.reason, seen))
    rules.append(looked_at(Rule.ADDRESS, "present", {"found": len(kept)}))
    return kept
