"""Who gets what, and why: pure functions over what was looked up before. No I/O, no clock of their own, no content.

Read `decide` first: a `DecisionInput` becomes a `Verdict`, which has a `Deliver` or a `Withhold` for each channel.
"""

from tocsin.router.policy.decide import (
    ChannelOutcome,
    DecisionInput,
    Deliver,
    Verdict,
    Withhold,
    counts_for_a_limit,
    decide,
    ends_by_time,
)
from tocsin.router.policy.decision_log import encode_fitting, looked_at
from tocsin.router.policy.faults import status_for
from tocsin.router.policy.lessons import (
    LESSON_WORDS,
    Lesson,
    Unusable,
    happened_at,
    lesson_of,
    provider_code_of,
    unusable,
)
from tocsin.router.policy.locales import locale_candidates
from tocsin.router.policy.preferences import ANY, Preference, effective_preference
from tocsin.router.policy.recipients import UNKNOWN, StoredRecipient, actor_of, recipient_of
from tocsin.router.policy.suppressions import CAUSES, NOT_SUPPRESSED, SuppressedAddresses, Suppression

__all__ = [
    "ANY",
    "CAUSES",
    "LESSON_WORDS",
    "NOT_SUPPRESSED",
    "UNKNOWN",
    "ChannelOutcome",
    "DecisionInput",
    "Deliver",
    "Lesson",
    "Preference",
    "StoredRecipient",
    "SuppressedAddresses",
    "Suppression",
    "Unusable",
    "Verdict",
    "Withhold",
    "actor_of",
    "counts_for_a_limit",
    "decide",
    "effective_preference",
    "encode_fitting",
    "ends_by_time",
    "happened_at",
    "lesson_of",
    "locale_candidates",
    "looked_at",
    "provider_code_of",
    "recipient_of",
    "status_for",
    "unusable",
]
