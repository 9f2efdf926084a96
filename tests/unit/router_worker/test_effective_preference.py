"""Which stored preference decides: every row of the table."""

from datetime import UTC, datetime

import pytest

from tocsin.contracts.vocabulary import Reason, Rule
from tocsin.router.policy import Preference, effective_preference


def pref(scope: str, enabled: bool) -> Preference:
    channel, category, workflow = scope.split("/")
    return Preference(channel, category, workflow, enabled, "api", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("default", "stored", "enabled", "decided_by"),
    [
        ("on", [], True, "default"),
        ("off", [], False, "default"),
        ("required", [], True, "required"),
        ("required", [pref("*/*/*", False), pref("sms/news/weekly", False)], True, "required"),
        ("on", [pref("*/*/*", False)], False, "*/*/*"),
        ("off", [pref("*/*/*", True)], True, "*/*/*"),
        ("on", [pref("sms/*/*", False)], False, "sms/*/*"),
        ("on", [pref("email/*/*", False)], True, "default"),
        ("on", [pref("*/other/*", False)], True, "default"),
        ("on", [pref("*/*/other", False)], True, "default"),
        ("on", [pref("*/*/*", False), pref("sms/*/*", True)], True, "sms/*/*"),
        ("on", [pref("sms/*/*", False), pref("*/news/*", True)], True, "*/news/*"),
        ("on", [pref("*/news/*", True), pref("sms/news/*", False)], False, "sms/news/*"),
        ("on", [pref("sms/news/*", False), pref("*/*/weekly", True)], True, "*/*/weekly"),
        ("on", [pref("*/*/weekly", True), pref("sms/*/weekly", False)], False, "sms/*/weekly"),
        ("off", [pref("sms/*/weekly", False), pref("*/news/weekly", True)], True, "*/news/weekly"),
        ("off", [pref("*/news/weekly", False), pref("sms/news/weekly", True)], True, "sms/news/weekly"),
    ],
)
def test_the_most_specific_decides(default, stored, enabled, decided_by):
    for order in (stored, stored[::-1]):
        effective = effective_preference(
            order, channel="sms", category="news", category_default=default, workflow="weekly"
        )
        assert (effective.enabled, effective.decided_by) == (enabled, decided_by)


def test_it_says_which_rule_and_why():
    def ask(default, *stored):
        return effective_preference(
            stored, channel="sms", category="news", category_default=default, workflow="weekly"
        )

    assert (ask("off").rule, ask("off").reason) == (Rule.CATEGORY, Reason.CATEGORY_OFF)
    off = ask("on", pref("sms/news/*", False))
    assert (off.rule, off.reason) == (Rule.PREFERENCE, Reason.PREFERENCE_OFF)
    assert ask("on", pref("sms/news/*", True)).reason is None
