"""Each judge against the table, and the short cuts against the libraries."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.value_cases import DEVICE_TOKENS, EMAILS, LOCALES, PHONES, RECIPIENT_IDS, TIME_ZONES

from tocsin.contracts.recipients import Device, InlineRecipient
from tocsin.contracts.values import ValueRefused, mail_address, phone_number
from tocsin.contracts.values.device import device_id, device_token
from tocsin.contracts.values.identifier import judged_in_full, recipient_id
from tocsin.contracts.values.locale import locale
from tocsin.contracts.values.recipient import judge_recipient
from tocsin.contracts.values.text import line, text
from tocsin.contracts.values.time_zone import time_zone

Judge = Callable[[str], str]

TABLES: list[tuple[Judge, str, dict[str, str | None]]] = [
    (mail_address.mail_address, "email_invalid", EMAILS),
    (phone_number.phone_number, "phone_invalid", PHONES),
    (locale, "locale_invalid", LOCALES),
    (time_zone, "time_zone_unknown", TIME_ZONES),
    (device_token, "device_invalid", DEVICE_TOKENS),
]


def answer(judge: Judge, value: str) -> str:
    """The canonical form, or the code and the sentence of the refusal."""
    try:
        return judge(value)
    except ValueRefused as refused:
        return f"{refused.code}: {refused.detail}"


@pytest.mark.parametrize(
    ("judge", "code", "value", "canonical"),
    [(judge, code, value, canonical) for judge, code, table in TABLES for value, canonical in table.items()],
)
def test_a_value_is_brought_into_its_canonical_form_or_refused(
    judge: Judge, code: str, value: str, canonical: str | None
) -> None:
    given = answer(judge, value)
    if canonical is None:
        assert given.startswith(f"{code}: ")
        assert len(value) < 9 or value not in given, "a refusal repeats no value"
    else:
        assert given == canonical
        assert judge(canonical) == canonical, "the canonical form is its own"


@pytest.mark.parametrize(("value", "code"), RECIPIENT_IDS.items())
def test_a_recipients_id_is_kept_or_refused(value: str, code: str | None) -> None:
    given = answer(lambda id_: recipient_id(id_, address_like=False), value)
    assert given.startswith(f"{code}: ") if code else given == value
    if code == "recipient_is_address":
        assert recipient_id(value, address_like=True) == value


def test_what_to_write_in_the_place_of_an_address_is_said() -> None:
    assert '`{"id": "<your id>", "email": "…"}`' in answer(
        lambda id_: recipient_id(id_, address_like=False), "a@b.c"
    )


def test_a_phone_extension_has_a_sentence_of_its_own() -> None:
    assert "without extension" in answer(phone_number.phone_number, "+1 907-486-4171 ext. 101")


_LOCAL = st.text("abyzAZ019_+.%'-", min_size=1, max_size=70)
_LABEL = st.text("abxnyzAZ019-", min_size=1, max_size=66)
_DOMAIN = st.lists(_LABEL, min_size=1, max_size=5).map(".".join)


@settings(max_examples=300)
@given(
    st.builds("{}@{}".format, _LOCAL, _DOMAIN)
    | st.builds("{}@{}".format, st.text("abz0.-+_", min_size=1), st.text("abxn0.-", min_size=1))
    | st.builds("{}@{}".format, st.text(max_size=8), st.text(max_size=12))
)
@example("a@" + "b" * 63 + ".example")
@example("a@ab--cd.example")
@example("a@xn--zzzz.example")
@example("postmaster@b.example")
@example("Postmaster@b.example")
def test_the_short_cut_for_mail_addresses_is_what_the_library_says(value: str) -> None:
    assert answer(mail_address.mail_address, value) == answer(mail_address.judged_by_library, value)


@settings(max_examples=300)
@given(
    st.from_regex(phone_number._COMMON.__self__, fullmatch=True)  # type: ignore[attr-defined]
    | st.from_regex(r"\+[0-9]{5,16}", fullmatch=True)
    | st.from_regex(r"\+[0-9 ()./x;-]{5,20}", fullmatch=True)
)
def test_the_short_cut_for_phone_numbers_is_what_the_library_says(value: str) -> None:
    assert answer(phone_number.phone_number, value) == answer(phone_number.judged_by_library, value)


@given(st.text("aZ0._:/-+@", max_size=6) | st.text(max_size=6), st.booleans())
@example("a" * 256, False)
@example("a" * 257, False)
def test_the_short_cut_for_ids_is_what_the_rules_say(value: str, address_like: bool) -> None:
    short = answer(lambda id_: recipient_id(id_, address_like=address_like), value)
    assert short == answer(lambda id_: judged_in_full(id_, address_like=address_like), value)


@given(st.text(max_size=40))
def test_a_mail_address_can_begin_no_line_and_no_other_address(value: str) -> None:
    given = answer(mail_address.mail_address, f"a@{value}")
    assert given.startswith("email_invalid") or not set(given) & set('\r\n\0 <>,;:"()')


@given(st.text())
def test_no_judge_raises_anything_else(value: str) -> None:
    for judge, _, _ in TABLES:
        answer(judge, value)


@pytest.mark.parametrize("value", ["", ".", "..", "x" * 129, "a\n", "\ud800"])
def test_what_is_no_device_id(value: str) -> None:
    assert answer(device_id, value).startswith("device_invalid: ")


@pytest.mark.parametrize(("value", "code"), [("a\x00", "text_invalid"), ("\ud800", "text_invalid"), ("a\tb", "control_character"), ("a\u2028", "control_character")])  # fmt: skip
def test_what_is_no_line(value: str, code: str) -> None:
    assert answer(line, value).startswith(f"{code}: ")
    assert answer(text, value).startswith("text_invalid: ") is (code == "text_invalid")


def nested(levels: int) -> dict[str, Any]:
    """Attributes that nest so deep."""
    value: Any = 1
    for _ in range(levels - 1):
        value = [value]
    return {"a": value}


def test_attributes_nest_as_deep_as_data() -> None:
    judge_recipient(InlineRecipient(id="u", attributes=nested(64)), address_like=False)


def test_a_recipient_has_its_values_in_canonical_form() -> None:
    recipient = InlineRecipient(
        id="user-17", email="A@BÜCHER.example", phone="+49 171 392-0001", locale="pt_br", time_zone="UTC"
    )
    judge_recipient(recipient, address_like=False)
    assert recipient == InlineRecipient(
        id="user-17", email="A@xn--bcher-kva.example", phone="+491713920001", locale="pt-BR", time_zone="UTC"
    )


@pytest.mark.parametrize(
    ("recipient", "code", "pointer"),
    [
        (InlineRecipient(id=".."), "recipient_id_invalid", "/id"),
        (InlineRecipient(id="u", email="a"), "email_invalid", "/email"),
        (InlineRecipient(id="u", email="a@b.example", phone="1"), "phone_invalid", "/phone"),
        (InlineRecipient(id="u", devices=[Device(id="a", token="")]), "device_invalid", "/devices/0/token"),
        (InlineRecipient(id="u", devices=[Device(id="a", token="t", kind="FCM")]), "device_invalid", "/devices/0/kind"),
        (InlineRecipient(id="u", devices=[Device(id="a", token="t", app="a\n")]), "device_invalid", "/devices/0/app"),
        (InlineRecipient(id="u", devices=[Device(id="..", token="t")]), "device_invalid", "/devices/0/id"),
        (InlineRecipient(id="u", devices=[Device(id="a", token="t")] * 2), "device_invalid", "/devices"),
        (InlineRecipient(id="u", attributes=nested(65)), "recipients_invalid", "/attributes"),
        ("ada@example.com", "recipient_is_address", ""),
    ],
)  # fmt: skip
def test_a_recipients_fault_is_pointed_at(recipient: str | InlineRecipient, code: str, pointer: str) -> None:
    with pytest.raises(ValueRefused) as refused:
        judge_recipient(recipient, address_like=False)
    assert (refused.value.code, refused.value.pointer) == (code, pointer)
