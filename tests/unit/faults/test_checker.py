"""The proving ground's checker finds what it is there to find: each fault, put into evidence by hand, is counted, and nothing else is."""

from typing import Any

from checker import Evidence, Findings, Taken, examine
from load import Sent, Way

ADA, BEN = (Way("acme", "email", "critical", who) for who in ("ada", "ben"))


def sent(way: Way, sequence: int, at: float = 0.0) -> Sent:
    return Sent(way, sequence, f"{way.recipient}-{sequence}", at, at)


def good(**changes: Any) -> Evidence:
    """Two messages to Ada and one to Ben, all handed over once."""
    messages = [sent(ADA, 1), sent(ADA, 2, 1.0), sent(BEN, 1, 2.0)]
    ids = {message.notification: {f"status of {message.notification}"} for message in messages}
    evidence: dict[str, Any] = {
        "sent": messages,
        "taken": [Taken(ADA, 1, 1.0), Taken(ADA, 2, 2.0), Taken(BEN, 1, 5.0)],
        "final": {message.notification: {"sent"} for message in messages},
        "deferred": set(),
        "recorded": ids,
        "stored": ids,
        "faults": [0.5],
    }
    return Evidence(**evidence | changes)


FAULTLESS = {
    "lost": 0, "duplicates": 0, "out_of_order": 0, "unfinished": 0, "two_endings": 0, "ledger_missing": 0,
    "ledger_extra": 0, "ends": {},
}  # fmt: skip


def faults(findings: Findings) -> dict[str, Any]:
    """What differs from a faultless run."""
    return {
        name: getattr(findings, name) for name, none in FAULTLESS.items() if getattr(findings, name) != none
    }


def test_a_faultless_run():
    findings = examine(good())
    assert faults(findings) == {}
    assert (findings.sent, findings.delivered) == (3, 3)
    assert findings.recovery == 3.0  # Ben's
    assert findings.gap == 1.0  # Ada's two; nothing was sent after 2.0
    assert findings.slowest == {"email": 3.0}


def test_accepted_and_never_heard_of_again_is_lost():
    evidence = good(
        taken=[Taken(ADA, 1, 1.0), Taken(ADA, 2, 2.0)], final={"ada-1": {"sent"}, "ada-2": {"sent"}}
    )
    assert faults(examine(evidence)) == {"lost": 1, "unfinished": 1}


def test_said_to_be_sent_and_not_handed_over_is_lost():
    evidence = good(taken=[Taken(ADA, 1, 1.0), Taken(ADA, 2, 2.0)])
    assert faults(examine(evidence)) == {"lost": 1}


def test_ended_with_a_reason_is_not_lost_but_counted():
    final = {"ada-1": {"sent"}, "ada-2": {"sent"}, "ben-1": {"failed(retries_exhausted)"}}
    evidence = good(taken=[Taken(ADA, 1, 1.0), Taken(ADA, 2, 2.0)], final=final)
    assert faults(examine(evidence)) == {"ends": {"failed(retries_exhausted)": 1}}


def test_handed_over_again_is_a_duplicate_each_time():
    taken = [*good().taken, Taken(ADA, 1, 6.0), Taken(ADA, 1, 7.0)]
    assert faults(examine(good(taken=taken))) == {"duplicates": 2}


def test_what_nobody_sent_is_a_duplicate():
    taken = [*good().taken, Taken(BEN, 9, 6.0)]
    assert faults(examine(good(taken=taken))) == {"duplicates": 1}


def test_the_later_message_first_is_out_of_order():
    taken = [Taken(ADA, 2, 1.0), Taken(ADA, 1, 2.0), Taken(BEN, 1, 5.0)]
    assert faults(examine(good(taken=taken))) == {"out_of_order": 1}
    assert faults(examine(good(taken=taken, deferred={"ada-1"}))) == {}, "who was put off has lost its place"


def test_order_looks_at_first_attempts_only():
    taken = [*good().taken, Taken(ADA, 1, 6.0)]
    assert faults(examine(good(taken=taken))) == {"duplicates": 1}


def test_two_ways_of_ending():
    final = dict(good().final) | {"ada-1": {"sent", "unknown(no_answer)"}}
    assert faults(examine(good(final=final))) == {"two_endings": 1, "ends": {"unknown(no_answer)": 1}}


def test_the_ledger_has_neither_less_nor_more():
    less = {notification: ids for notification, ids in good().stored.items() if notification != "ada-1"}
    more = dict(good().stored) | {"ada-1": {"status of ada-1", "another"}}
    assert faults(examine(good(stored=less))) == {"ledger_missing": 1}
    assert faults(examine(good(stored=more))) == {"ledger_extra": 1}


def test_the_gap_ends_with_what_was_sent():
    """Nothing was due after the last message: silence from then on is none."""
    messages = [sent(ADA, 1), sent(ADA, 2, 10.0)]
    taken = [Taken(ADA, 1, 1.0), Taken(ADA, 2, 9.0)]
    assert examine(good(sent=messages, taken=taken)).gap == 8.0


def test_without_a_fault_nothing_recovers():
    findings = examine(good(faults=[]))
    assert (findings.recovery, findings.gap) == (None, None)
