"""What is said about a template before it is saved."""

from typing import Any

import pytest

from tocsin.contracts.vocabulary import Channel
from tocsin.router.templates import check_template

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "order": {"$ref": "#/$defs/order"},
        "items": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
        "open": {"type": "object", "properties": {"a": {}}, "additionalProperties": True},
        "either": {"oneOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"z": {}}}},
        "anything": {},
    },
    "$defs": {"order": {"type": "object", "properties": {"id": {"type": "string"}}}},
}


def codes(source: str, schema: dict[str, Any] | None = SCHEMA) -> list[str]:
    return [fault.code for fault in check_template({"body": source}, Channel.SMS, schema)]


@pytest.mark.parametrize(
    "source",
    [
        "{{ data.name }} {{ data['name'] }} {{ data.order.id }}",
        "{% for item in data['items'] %}{{ item.sku }}{% endfor %}",
        "{{ data['items'][0].sku }}",
        "{{ data.open.whatever }} {{ data.either.a }} {{ data.map.key.z }} {{ data.anything.at.all }}",
        "{{ recipient.id }} {{ recipient.attributes.x.y }} {{ tenant.name }} {{ links.unsubscribe }} {{ actor.id }} {{ link }}",
        "{% set order = data.order %}{{ order.id }}",
        "{% with o = data.order %}{{ o.id }}{% endwith %}",
        "{% for item in data['items'] %}{{ loop.index }}{% endfor %}{{ range(3)|join }}",
        "{% if data.name %}{% set x = data.name %}{% endif %}{{ x }}",
    ],
)
def test_variables_that_exist(source):
    assert codes(source) == []


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("{{ data.nmae }}", "data.nmae"),
        ("{{ data['nmae'] }}", "data['nmae']"),
        ("\n\n{{ data.order.idd }}", "data.order.idd"),
        ("{% for item in data['items'] %}{{ item.skuu }}{% endfor %}", "item.skuu"),
        ("{{ data.name.first }}", "data.name.first"),
        ("{{ data.map.key.zz }}", "data.map.key.zz"),
        ("{{ recipient.name }}", "recipient.name"),
        ("{{ links.unsubscribed }}", "links.unsubscribed"),
        ("{{ customer.name }}", "customer"),
        ("{% for a in data.name %}{% endfor %}{{ a }}", "a"),
        ("{% if data.nmae %}x{% endif %}", "data.nmae"),
        ("{% set o = data.order %}{{ o.idd }}", "o.idd"),
    ],
)
def test_variables_that_nothing_will_fill(source, path):
    faults = check_template({"body": source}, Channel.SMS, SCHEMA)
    assert [fault.code for fault in faults] == ["variable_unknown"]
    assert f"`{path}`" in faults[0].detail
    assert faults[0].pointer == "/parts/body"
    assert f"Line {source.count(chr(10)) + 1}:" in faults[0].detail


def test_without_a_schema_nothing_is_known_of_data():
    assert codes("{{ data.anything.goes }}", None) == []
    assert codes("{{ nothing.else }}", None) == ["variable_unknown"]


def test_a_schema_of_the_tenants_own_cannot_break_the_check():
    for schema in (
        {"$ref": "#/nowhere"},
        {"$ref": "https://example.test/x"},
        {"properties": True},
        {"$ref": "#"},
    ):
        assert codes("{{ data.a.b }}", schema) == []


@pytest.mark.parametrize(
    "source", ["{{ data.name", "{% if %}", "{% for x %}{% endfor %}", "{{ a b }}", "{% bogus %}"]
)
def test_syntax(source):
    assert codes(source) == ["template_syntax"]


def test_css_that_looks_like_a_comment_is_refused_with_its_line() -> None:
    parts = {"subject": "s", "html": "a\n<style>p{#x{color:red}}</style>"}
    (fault,) = check_template(parts, Channel.EMAIL, SCHEMA)
    assert (fault.pointer, fault.code) == ("/parts/html", "template_syntax")
    assert fault.detail.startswith("Line 2:")


@pytest.mark.parametrize(
    ("channel", "parts", "expected"),
    [
        (Channel.EMAIL, {"subject": "s", "text": "t"}, []),
        (Channel.EMAIL, {"subject": "s", "text": "t", "html": "h"}, []),
        (Channel.EMAIL, {"subject": "s"}, ["part_missing"]),
        (Channel.EMAIL, {"html": "h"}, ["part_missing"]),
        (Channel.EMAIL, {"subject": "s", "html": "h", "amp": "x"}, ["part_unknown"]),
        (Channel.SMS, {}, ["part_missing"]),
        (Channel.SMS, {"body": "b", "data.x": "y"}, ["part_unknown"]),
        (Channel.PUSH, {"title": "t", "body": "b", "data.order": "x"}, []),
        (Channel.PUSH, {"title": "t", "body": "b", "data.": "x"}, ["part_unknown"]),
        (
            Channel.PUSH,
            {"title": "t", "body": "b", "badge": "3", "overrides.apns.thread-id": "{{ data.order }}"},
            [],
        ),
        (Channel.PUSH, {"title": "t", "body": "b", "badge": "many"}, ["part_invalid"]),
        (Channel.PUSH, {"title": "t", "body": "b", "link": "javascript:alert(1)"}, ["part_invalid"]),
        (Channel.PUSH, {"title": "t", "body": "b", "overrides.fcm.priority": "urgent"}, ["part_invalid"]),
        (Channel.PUSH, {"title": "t", "body": "b", "overrides.apns.thread": "x"}, ["part_unknown"]),
        (Channel.PUSH, {"title": "t", "body": "b", "overrides.carrier.x": "x"}, ["part_unknown"]),
        (Channel.PUSH, {"title": "t", "body": "b", "overrides.": "x"}, ["part_unknown"]),
        (Channel.SMS, {"body": "b", "overrides.fcm.priority": "high"}, ["part_unknown"]),
        (Channel.SMS, {"body": "x" * 65_536}, []),
        (Channel.SMS, {"body": "x" * 65_537}, ["part_too_long"]),
        (Channel.EMAIL, dict.fromkeys(("subject", "text", "html"), "x" * 60_000), ["template_too_long"]),
    ],
)
def test_parts(channel, parts, expected):
    assert [fault.code for fault in check_template(parts, channel, None)] == expected


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        (
            "{% set names = data.items|join %}{% set text = names|replace('a', 'b') %}{{ text }}",
            (
                "Line 1: `names` was made with `|join`, so `|replace` cannot be used on it. "
                "Print it where you need it, `{{ names }}`, or do both in one expression."
            ),
        ),
        (
            "{% set a = data.name ~ '!' %}\n{{ [a, a] }}",
            (
                "Line 2: `a` was made with `~`, so `[…]` cannot be used on it. "
                "Print it where you need it, `{{ a }}`, or do both in one expression."
            ),
        ),
        (
            "{{ data.name * 2 }}",
            "Line 1: Both sides of `*` must be numbers, whatever the data. Write `data.name|int` or `data.name|float`.",
        ),
        (
            "{{ data.name.upper() }}",
            (
                "Line 1: `data.name.upper(…)` cannot be called; only `range(…)` and `loop.cycle(…)` can. "
                "Values are changed by filters: `{{ data.name|upper }}`."
            ),
        ),
        (
            "{% include 'other' %}",
            "Line 1: The tag `include` cannot be used. Templates have `for`, `if`, `set` and `with`.",
        ),
        (
            "{{ data.order.idd }}",
            "Line 1: Unknown variable `data.order.idd`. `data.order` has: id.",
        ),
        (
            "{{ data.name.first }}",
            "Line 1: Unknown variable `data.name.first`. `data.name` is a string and has no properties.",
        ),
        (
            "{{ customer.name }}",
            "Line 1: Unknown variable `customer`. Variables begin with recipient, actor, tenant, data, link, links.",
        ),
    ],
)
def test_a_fault_says_what_is_wrong_and_what_to_write_instead(source: str, detail: str) -> None:
    assert detail in [fault.detail for fault in check_template({"body": source}, Channel.SMS, SCHEMA)]


@pytest.mark.parametrize(
    ("name", "holder"),
    [
        ("from", "FCM"),
        ("message_type", "FCM"),
        ("collapse_key", "FCM"),
        ("google.x", "FCM"),
        ("gcm.notification.y", "FCM"),
        ("tocsin_notification", "Tocsin"),
        ("tocsin_", "Tocsin"),
        ("from_whom", None),
        ("google", None),
        ("notification", None),
        ("order/id", None),
    ],
)
def test_names_of_push_data_that_are_not_free(name: str, holder: str | None) -> None:
    faults = check_template({"title": "t", "body": "b", f"data.{name}": "x"}, Channel.PUSH, None)
    assert [(fault.pointer, fault.code) for fault in faults] == (
        [] if holder is None else [(f"/parts/data.{name}", "part_reserved")]
    )
    assert holder is None or faults[0].detail.startswith(f"{holder} keeps the name")


def test_an_unknown_override_is_told_with_the_nearest():
    parts = {"title": "t", "body": "b", "overrides.apns.thread": "x", "overrides.carrier.x": "y"}
    nearest, kinds = check_template(parts, Channel.PUSH, None)
    assert (nearest.pointer, nearest.detail) == (
        "/parts/overrides.apns.thread",
        "`apns` has no such override. Did you mean `thread-id`?",
    )
    assert "`overrides.fcm.<name>`" in kinds.detail


def test_what_is_written_as_it_stands_is_told_what_it_must_be():
    (fault,) = check_template({"title": "t", "body": "b", "badge": " -1 "}, Channel.PUSH, None)
    assert fault.detail == "This part must be a whole number from 0 to 99999."
