"""What templates may do, and what stops those that do too much."""

import re
from pathlib import Path

import msgspec
import pytest
from tests.cpu_time import takes_at_most

from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.jobs import EmailContent, PushContent, SmsContent
from tocsin.contracts.vocabulary import Channel
from tocsin.router import templates
from tocsin.router.templates import Budget, Renderer, RenderFault, check_template
from tocsin.router.templates.bounds import BRANCHES

BIG = "x" * 250_000
ODD_TEXT = "10\u00a0000\u202f€ \u3000 \u202ecba\u202c \u200f\r\n  two  \t\n"
CPU_SECONDS = 1.0
"""The bound is 8 ms."""
revisions = iter(range(1, 1_000_000))


def render(source: str, **context):
    return render_parts(Channel.SMS, {"body": source}, **context)


def render_parts(channel: Channel, parts: dict[str, str], **context):
    template = TemplateRecord(
        tenant="acme", workflow="w", channel=channel, locale="en", revision=next(revisions), parts=parts
    )
    return Renderer().render(template, context, Budget())


@pytest.mark.parametrize(
    ("source", "data", "text"),
    [
        ("Hi {{ data.name }}!", {"name": "<Ann>"}, "Hi <Ann>!"),
        ("{% for i in data.l if i > 1 -%}  {{ i }},{% else %}none{% endfor %}", {"l": [1, 2, 3]}, "2,3,"),
        ("{% for i in data.l %}x{% else %}none{% endfor %}", {"l": []}, "none"),
        ("{% for i in (data.a if data.b else data.c) if i %}{{ i }}{% endfor %}", {"b": 0, "c": [0, 4]}, "4"),
        ("{% if data.x is defined %}a{% else %}b{% endif %}", {}, "b"),
        ("{{ data.x|default('none') }}", {}, "none"),
        ("[{{ data.x }}]", {"x": None}, "[]"),
        ("{{ data.t }} {{ data.f }}", {"t": True, "f": 1.5}, "true 1.5"),
        ("{{ data.l|join(', ') }}", {"l": ["a", 1]}, "a, 1"),
        ("{{ data.l|map(attribute='n')|join('-') }}", {"l": [{"n": "a"}, {"n": "b"}]}, "a-b"),
        ("{{ data.p|float * data.q|int }}", {"p": "2.5", "q": 3}, "7.5"),
        ("{% set n = data.a ~ ' ' ~ data.b %}{{ n|upper }}", {"a": "x", "b": "y"}, "X Y"),
        ("{% for k in data.d %}{{ k }}={{ data.d[k] }};{% endfor %}", {"d": {"a": 1, "b": 2}}, "a=1;b=2;"),
        ("{% for k, v in data.d|items %}{{ k }}={{ v }};{% endfor %}", {"d": {"b": 1, "a": None}}, "b=1;a=;"),
        ("{% for i in range(3) %}{{ loop.index }}{{ loop.cycle('a', 'b') }}{% endfor %}", {}, "1a2b3a"),
        ("{% with a = 1 %}{{ a }}{% endwith %}{% raw %}{{ a }}{% endraw %}{# no #}", {}, "1{{ a }}"),
        ("a\n{%- if true %} b {%- endif +%}\nc", {}, "a b\nc"),
        ("{{ 'x'|replace('x', data.s) }}", {"s": "yy"}, "yy"),
        ("({{ data.s }})", {"s": ODD_TEXT}, f"({ODD_TEXT})"),
    ],
)
def test_the_language(source, data, text):
    assert render(source, data=data) == SmsContent(body=text.strip())


def test_html_is_escaped_in_html_only():
    parts = {
        "subject": "{{ data.x }}",
        "text": "{{ data.x }}",
        "html": "<b>{{ data.x }}</b>{{ data.x|safe }}",
    }
    assert render_parts(Channel.EMAIL, parts, data={"x": "<&>"}) == EmailContent(
        subject="<&>", text="<&>", html="<b>&lt;&amp;&gt;</b><&>"
    )


def test_subjects_and_titles_are_one_line():
    parts = {"subject": "a\r\n{{ data.x }}", "text": "t"}
    content = render_parts(Channel.EMAIL, parts, data={"x": "b\nBcc: c"})
    assert content.subject == "a b Bcc: c"
    for kept in ("10\u00a0000\u202f€", "\u3000a\u2003b"):
        content = render_parts(Channel.EMAIL, parts, data={"x": f" {kept}\t\v "})
        assert content.subject == f"a {kept}"
    push = {"title": "a\nb", "body": "b", "data.order": "{{ data.x }}"}
    assert render_parts(Channel.PUSH, push, data={"x": 1}) == PushContent(
        title="a b", body="b", data={"order": "1"}
    )


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("{{ data.order.id }}", "data.order.id"),
        ("{{ foo }}", "foo"),
        ("{{ actor.id }}", "actor.id"),
        ("{{ link }}", "link"),
        ("{% if data.vip %}x{% endif %}", "data.vip"),
        ("{{ data.l[3].x }}", "data.l[3].x"),
        ("{% for i in data.none %}{% endfor %}", "data.none"),
    ],
)
def test_an_undefined_variable_is_an_error_that_names_it(source, named):
    fault = render(source, data={"order": {}, "l": [], "secret": "4711"})
    assert isinstance(fault, RenderFault)
    assert f"`{named}`" in fault.detail
    assert "4711" not in fault.detail


def test_a_fault_never_repeats_a_value():
    fault = render("{{ data.secret|int }}", data={"secret": "hunter2"})
    assert isinstance(fault, RenderFault)
    assert "hunter2" not in fault.detail


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(1000) %}{% for j in range(1000) %}{% for k in range(1000) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for i in range(1000) %}{% for j in range(1000) %}{{ data.s }}{% endfor %}{% endfor %}",
        "{% for i in range(1000) %}{% for j in range(1000) %}" + "y" * 60_000 + "{% endfor %}{% endfor %}",
        "{% for i in range(1000) %}{% for j in range(1000) %}{% if 'z' in data.s %}{% endif %}{% endfor %}{% endfor %}",
        "{% for i in data.l if 'z' in data.s %}{% endfor %}",
        "{{ range(1000000000) }}",
        "{{ range(1001)|join }}",
        "{{ data.s|replace('x', data.s) }}",
        "{{ data.l|join(data.s) }}",
        "{% for i in range(900) %}" + "y" * 900 + "{% endfor %}",
        "{{ data.s }}{{ data.s }}{{ data.s }}",
        "{% set a %}{{ data.s }}{{ data.s }}{% endset %}{% set b %}{{ a }}{{ a }}{% endset %}{% set c %}{{ b }}{{ b }}{% endset %}",
        "{{ data.l }}",
        "{{ data.l|sort|first }}",
        "{{ data.l | unique|list|length }}",
        "{{ data.l|select('string')|sort|first }}",
        "{% for i in data.l|sort %}{% endfor %}",
        "{% if data.l|sort|first == 'a' %}"
        + "{% elif data.l|sort|first == 'a' %}" * BRANCHES
        + "{% endif %}" * 1,
    ],
)
def test_what_does_too_much_is_stopped_soon(source):
    data = {"s": BIG, "l": [str(number * 7919 % 50_021) for number in range(40_000)]}
    assert check_template({"body": source}, Channel.SMS, None) == []
    fault = takes_at_most(CPU_SECONDS, lambda: render(source, data=data))
    assert isinstance(fault, RenderFault)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 1000000000 }}",
        "{{ data.s * data.n }}",
        "{% set ns = namespace(x='a') %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set a = data.s ~ data.s %}{% set b = a ~ a %}{% set c = b ~ b %}{{ c }}",
        "{% set a = [data.s, data.s] %}{% set b = [a, a] %}{{ b|tojson }}",
        "{% for a in [data.s ~ data.s] %}{% for b in [a ~ a] %}{{ b }}{% endfor %}{% endfor %}",
        "{% with a = data.s + data.s %}{% set b = a + a %}{% endwith %}",
        "{% set a = data.l|join %}{% set b = a|replace('x', a) %}",
        "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}",
        "{% include 'other' %}",
        "{% extends 'other' %}",
        "{% for i in data.l recursive %}{{ loop(i) }}{% endfor %}",
        "{{ 'x'|indent(1000000000) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ data.l|map('indent', 1000000) }}",
        "{{ data.l|batch(1000000000, 'x') }}",
        "{{ debug() }}",
        "{{ data.s.upper() }}",
        "{{ range(*data.l) }}",
        "{{ tick(1) }}",
        "{{ " + "data.s ~ " * 30 + "data.s }}",
        "{{ data.l|sort|length + data.l|sort|length + data.l|sort|length + data.l|sort|length }}",
        "{% if data.a %}" + "{% elif data.a %}" * (BRANCHES + 1) + "{% endif %}",
        "{% set x | upper %}a{% endset %}",
        "{% set a = '' %}{% set b = '' %}{% with a = data.s ~ data.s, b = a ~ a %}{{ b }}{% endwith %}",
        "{% if true %}{% set a = data.s ~ data.s %}{% endif %}{% if true %}{% set a = a ~ a %}{% endif %}{{ a }}",
        "{% if data.a %}{% else %}{% set a = data.s ~ data.s %}{% endif %}{% set a = a ~ a %}{{ a }}",
    ],
)
def test_what_could_grow_without_bound_is_refused_when_saved_and_again_when_rendered(source):
    codes = {fault.code for fault in check_template({"body": source}, Channel.SMS, None)}
    assert "template_forbidden" in codes
    assert isinstance(render(source, data={"s": BIG, "n": 10**9, "l": [1], "a": 0}), RenderFault)


def nested(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


DEEP = nested(20_000)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ data.x|trim(data.x) }}", BIG),
        ("{{ data.x|title }}", BIG),
        ("{{ data.x|urlencode }}", BIG),
        ("{{ {'a': data.x}|urlencode }}", BIG),
        ("{{ data.x|list|length }}", BIG),
        ("{{ data.x|map(attribute='a')|list|length }}", [{}] * 20_000),
        ("{{ data.x|select('in', data.x)|list|length }}", list(range(5_000))),
        ("{{ data.x|select('in', [data.x])|list|length }}", list(range(5_000))),
        ("{{ data.x|tojson|tojson|tojson|tojson|tojson }}", '"' * 50_000),
        ("{{ data.x|tojson }}", DEEP),
        ("{{ data.x[0]|select('eq', data.x[1])|list|length }}", [[DEEP], nested(20_000)]),
        ("{{ data.x ~ data.x ~ data.x ~ data.x ~ data.x }}", BIG),
    ],
)
def test_a_filter_refuses_what_would_take_long(source, value):
    assert check_template({"body": source}, Channel.SMS, None) == []
    fault = takes_at_most(CPU_SECONDS, lambda: render(source, data={"x": value}))
    assert isinstance(fault, RenderFault)


@pytest.mark.parametrize(
    ("source", "value", "text"),
    [
        ("[{{ data.x|select('odd')|join }}]", ["%999999999d"] * 100, "[]"),
        ("[{{ data.x|reject('even')|list|length }}]", ["%999999999d"] * 100, "[100]"),
        ("{{ data.x|unique|list|length }}", [number * (2**61 - 1) for number in range(5_000)], "5000"),
        ("{{ data.x|sort|first }}{{ data.x|max }}", [None, *(str(number) for number in range(4_000))], "999"),
    ],
)
def test_values_chosen_to_be_slow_are_not(source, value, text):
    content = takes_at_most(CPU_SECONDS, lambda: render(source, data={"x": value}))
    assert content == SmsContent(body=text)


@pytest.mark.parametrize("source", ["{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "{% if x %}" * 3000])
def test_deep_nesting_is_refused(source):
    faults = check_template({"body": source}, Channel.SMS, None)
    assert {fault.code for fault in faults} <= {"template_syntax", "template_forbidden"}
    assert faults
    assert isinstance(render(source, x=1), RenderFault)


def test_a_list_of_5000_may_be_sorted():
    items = [{"a": number} for number in range(5_000, 0, -1)]
    assert render("{{ (data.l|sort(attribute='a')|first).a }}", data={"l": items}) == SmsContent(body="1")
    source = "{{ data.l|map(attribute='a')|unique|sort|first }}"
    assert render(source, data={"l": items[1_000:]}) == SmsContent(body="1")


def test_what_cannot_be_sorted_is_named_as_written():
    source = "{{ data.l|sort|join(',') }}"
    assert render(source, data={}) == RenderFault("body", "Line 1: undefined variable at `data.l`.")
    assert render(source, data={"l": 5}) == RenderFault("body", "`|sort` takes a list.")
    assert render("x{{ data.l | sort|join(',') }}", data={"l": None}) == SmsContent(body="x")


def test_a_push_message_has_64_kib():
    def pushed(length: int) -> object:
        parts = {"title": "t", "body": "b", "data.x": "{{ data.s }}"}
        template = TemplateRecord(
            tenant="t", workflow="w", channel=Channel.PUSH, locale="en", revision=1, parts=parts
        )
        return Renderer().render(template, {"data": {"s": "x" * length}}, Budget())

    assert isinstance(pushed(65_000), PushContent)
    assert isinstance(pushed(66_000), RenderFault)


def test_a_part_may_have_512_kib():
    assert isinstance(render("{{ data.s }}{{ data.s }}", data={"s": BIG}), SmsContent)
    assert isinstance(render("{{ data.s }}{{ data.s }}", data={"s": "ü" * 250_000}), RenderFault)


def test_nothing_rendered_is_no_sms():
    assert isinstance(render("  \n"), RenderFault)


def test_a_fault_names_its_line_whatever_stands_before():
    source = "a\n{%- if data.a %}\n{{ '{{' ~\n'x\n' }}{% raw %}{% x %}{% endraw %}\n  {%- endif %}\n{{\n data.b.c }}"
    fault = render(source, data={"a": 1, "b": {}})
    assert fault == RenderFault("body", "Line 8: undefined variable at `data.b.c`.")


def test_a_template_is_compiled_once_per_revision():
    renderer = Renderer()
    first = TemplateRecord(
        tenant="t", workflow="w", channel=Channel.SMS, locale="en", revision=1, parts={"body": "one"}
    )
    second = msgspec.structs.replace(first, revision=2, parts={"body": "two"})
    assert renderer.render(first, {}, Budget()) == SmsContent(body="one")
    (compiled,) = renderer._compiled.values()
    assert renderer.render(first, {}, Budget()) == SmsContent(body="one")
    assert list(renderer._compiled.values()) == [compiled]
    assert renderer.render(second, {}, Budget()) == SmsContent(body="two")
    renderer.forget(second)
    assert renderer._compiled == {}


def test_the_table_of_bounds_names_tests_that_exist():
    named = re.findall(r"`(test_\w+)`", templates.__doc__ or "")
    assert len(named) > 5
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_template_*.py"))
    assert [name for name in named if f"def {name}(" not in tests] == []


PUSH = {"title": "t", "body": "b"}


def test_formed_parts_of_a_push_become_values():
    parts = PUSH | {
        "link": " {{ link }}\n", "image": "https://shop.example/1.png", "sound": "chime.caf", "badge": "{{ n }}",
        "overrides.apns.relevance-score": "{{ score }}", "overrides.apns.mutable-content": "true", "overrides.fcm.color": "#3366ff",
    }  # fmt: skip
    content = render_parts(Channel.PUSH, parts, link="https://shop.example/orders/1", n=3, score=0.5)
    assert not isinstance(content, RenderFault)
    assert (content.link, content.image, content.sound, content.badge) == (
        "https://shop.example/orders/1",
        "https://shop.example/1.png",
        "chime.caf",
        3,
    )
    assert content.overrides == {
        "apns": {"relevance-score": 0.5, "mutable-content": True},
        "fcm": {"color": "#3366ff"},
    }


def test_formed_parts_that_render_to_nothing_are_left_out():
    parts = PUSH | {
        "link": "{{ link|default('') }}",
        "badge": " ",
        "overrides.fcm.icon": "{% if false %}x{% endif %}",
    }
    content = render_parts(Channel.PUSH, parts)
    assert not isinstance(content, RenderFault)
    assert (content.link, content.badge, content.overrides) == (None, None, {})


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("link", "javascript:alert(1)"),
        ("image", "http://shop.example/1.png"),
        ("badge", "-1"),
        ("badge", "1.5"),
        ("badge", "9" * 30),
        ("sound", "x" * 201),
        ("overrides.apns.interruption-level", "loud"),
        ("overrides.apns.relevance-score", "2"),
        ("overrides.apns.mutable-content", "yes"),
    ],
)
def test_a_formed_part_of_another_form_is_a_fault_that_repeats_no_value(part, value):
    fault = render_parts(Channel.PUSH, PUSH | {part: "{{ value }}"}, value=value)
    assert isinstance(fault, RenderFault)
    assert fault.part == part
    assert value not in fault.detail
