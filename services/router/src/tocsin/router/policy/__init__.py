"""Who gets what, and why: pure functions over facts that were looked up before. No I/O, no clock of their own."""

from tocsin.router.policy.deciding import Case, Ended, Send, Skip, Verdict, decide
from tocsin.router.policy.expiry import expires_at
from tocsin.router.policy.locales import locale_candidates
from tocsin.router.policy.people import Facts, Person, person_of
from tocsin.router.policy.preferences import ANY, Effective, Preference, effective_preference
from tocsin.router.policy.trail import Trail

__all__ = [
    "ANY",
    "Case",
    "Effective",
    "Ended",
    "Facts",
    "Person",
    "Preference",
    "Send",
    "Skip",
    "Trail",
    "Verdict",
    "decide",
    "effective_preference",
    "expires_at",
    "locale_candidates",
    "person_of",
]
