"""Who gets what, and why: pure functions over what was looked up before. No I/O, no clock of their own, no content.

Read `decide` first: a `DecisionInput` becomes `Deliver`, `Skip` or `Stop`, each with its `DecisionLog`.
"""

from tocsin.router.policy.decide import DecisionInput, DecisionOutcome, Deliver, Skip, Stop, decide
from tocsin.router.policy.decision_log import DecisionLog
from tocsin.router.policy.locales import locale_candidates
from tocsin.router.policy.preferences import ANY, Preference, effective_preference
from tocsin.router.policy.recipients import UNKNOWN, StoredRecipient, actor_of, recipient_of

__all__ = [
    "ANY",
    "UNKNOWN",
    "DecisionInput",
    "DecisionLog",
    "DecisionOutcome",
    "Deliver",
    "Preference",
    "Skip",
    "Stop",
    "StoredRecipient",
    "actor_of",
    "decide",
    "effective_preference",
    "locale_candidates",
    "recipient_of",
]
