"""What a template may handle is a count: the same in every run, for all channels of a notification together, and never exceeded."""

import tracemalloc
from itertools import count
from typing import Any

import pytest
from tests.cpu_time import takes_at_most

from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.jobs import EmailContent, SmsContent
from tocsin.contracts.vocabulary import Channel
from tocsin.router.templates import Budget, Renderer, RenderFault, check_template
from tocsin.router.templates.budget import BUDGET
from tocsin.router.templates.check import parse
from tocsin.router.templates.filters import IN_HTML, IN_TEXT
from tocsin.router.templates.language import FILTERS
from tocsin.router.templates.program import Program, compiled
from tocsin.router.templates.signatures import Flag, OneOf, Parameter, Path, Whole
from tocsin.router.templates.signatures import TestName as NameOfTest

CPU_SECONDS = 0.5
"""Some thirty times what the costliest template takes here, and a thousandth of what the attacks took."""
MEMORY = 48 * 1024 * 1024
TIMES = 24
revisions = count(1)

VALUES: dict[str, Any] = {
    "text": "a" * 250_000,
    "other alphabet": "ü" * 120_000,
    "quotes": '"' * 250_000,
    "backslash": "\\",
    "words": "a b " * 2_400,
    "number": 12345.678,
    "huge number": 10**4000,
    "texts": [str(number * 7919 % 50_021) for number in range(10_000)],
    "rows": [{"n": number, "t": f"x{number}"} for number in range(5_000)],
    "lists": [[1] * 100] * 100,
    "object": {str(number): number for number in range(10_000)},
    "pairs": [["a", "b"]] * 2_000,
    "null": None,
}
ARGUMENTS = {
    "attribute": "'t'", "test": "'ne'", "argument": "'q'", "method": "'ceil'", "old": "'a'", "new": "'bb'", "default": "1",
    "default_value": "1",
}  # fmt: skip


def sms(source: str, **data: object) -> SmsContent | RenderFault:
    record = TemplateRecord(
        tenant="t", workflow="w", channel=Channel.SMS, locale="en", revision=1, parts={"body": source}
    )
    content = Renderer().render(record, {"data": data}, Budget())
    assert isinstance(content, SmsContent | RenderFault)
    return content


def ran(program: Program, **data: object) -> tuple[str, int]:
    """What a program yields, or how it ended; and what it handled."""
    budget = Budget()
    try:
        return program({"data": data}, budget), BUDGET - budget.left
    except Exception as error:  # noqa: BLE001 - how it ends is told by its name
        return type(error).__name__, BUDGET - budget.left


def program(source: str, *, html: bool = False) -> Program:
    """The program of a template that was never checked."""
    return compiled(parse(source), html=html)


def bounded(program: Program, what: str, **data: object) -> None:
    """The program ends within the bound on time, with a text or a fault of its own."""
    text, _ = takes_at_most(CPU_SECONDS, lambda: ran(program, **data), what)
    assert len(text) <= BUDGET


def small(program: Program, what: str, **data: object) -> None:
    """The program ends within the bound on memory."""
    tracemalloc.start()
    try:
        ran(program, **data)
        assert tracemalloc.get_traced_memory()[1] < MEMORY, what
    finally:
        tracemalloc.stop()


def written(name: str, value: str, **arguments: str) -> str:
    """`value|name(…)`, with what must be written for it."""
    required = {
        parameter.name: ARGUMENTS[parameter.name] for parameter in FILTERS[name] if parameter.required
    }
    given = ", ".join(f"{key}={text}" for key, text in (required | arguments).items())
    return f"{value}|{name}({given})" if given else f"{value}|{name}"


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_on_its_own_output_24_times_is_bounded(name):
    again = f"{{% set x = {written(name, 'x')} %}}"
    chain = "{% set x = data.x %}" + again * TIMES + "{{ x|length }}"
    for html in (False, True):
        chained = program(chain, html=html)
        for kind, value in VALUES.items():
            bounded(chained, f"{name} of {kind}", x=value)
        small(chained, name, x=VALUES["quotes"])
        small(chained, name, x=VALUES["texts"])


def every_argument() -> list[tuple[str, Parameter]]:
    return [(name, parameter) for name, signature in FILTERS.items() for parameter in signature]


@pytest.mark.parametrize(
    ("name", "parameter"), every_argument(), ids=lambda given: getattr(given, "name", given)
)
def test_a_huge_argument_costs_nothing(name, parameter):
    """As a literal it is refused when saved, or harmless; as a value of the data it is a fault, or harmless."""
    for literal in ("1000000000", "-1000000000"):
        source = f"{{{{ {written(name, 'data.x', **{parameter.name: literal})} }}}}"
        refused = bool(check_template({"body": source}, Channel.SMS, None))
        if isinstance(parameter.takes, Whole | Flag | Path | OneOf | NameOfTest):
            assert refused, source
    written_out = isinstance(parameter.takes, Path | OneOf | NameOfTest)
    given = {} if written_out else {parameter.name: "data.a"}
    called = program(f"{{{{ {written(name, 'data.x', **given)}|length }}}}", html=True)
    for argument in (10**9, -(10**9), "x" * 1_000_000, [1] * 20_000):
        for kind in ("words", "number", "texts", "rows"):
            bounded(called, f"{name} of {kind}", x=VALUES[kind], a=argument)
    small(called, name, x=VALUES["text"], a="x" * 1_000_000)


def test_what_is_chained_in_one_expression_is_refused_when_saved():
    chained = "{{ data.x" + "|tojson" * TIMES + " }}"
    faults = check_template({"body": chained}, Channel.SMS, None)
    assert [fault.code for fault in faults] == ["template_forbidden"]
    indented = check_template({"body": "{{ data.l|tojson(indent=1000000000)|length }}"}, Channel.SMS, None)
    assert [fault.detail for fault in indented] == [
        "Line 1: `indent` of `|tojson` must be a whole number from 0 to 8."
    ]


OPERATIONS = [
    "data.x ~ data.x ~ data.x", "data.x + data.x", "data.x[1:]", "data.x[::-1]", "[data.x, data.x, data.x]|tojson", "{'a': data.x}|tojson",
    "'zz' in data.x", "data.x in data.rows", "data.x == data.y", "data.x < data.y", "data.x is lower", "data.x is in data.x", "range(1000)",
    "data.x|int(0) ** 9", "data.x|length ** 30", "data.x.a.b|default(data.x)", "data.x[data.x]|default('')", "(data.x if data.x else data.x)",
    "data.x|select('eq', data.y)|list", "data.x|select('in', 'abcdefghij')|list", "data.x|sort(attribute='t')|first|default(1)",
    "data.x|replace('aaaaaaaaaaaaaaaaaaaaaaaaab', 'b')", "data.x|trim('abcdefghijklmnopqrstuvwxyz')",
]  # fmt: skip
BODIES = ["{{{{ {} }}}}", "{{% if {} %}}{{% endif %}}"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_in_loops_is_bounded(operation):
    for body in BODIES:
        turns = "{% for i in range(1000) %}{% for j in range(1000) %}"
        looped = program(f"{turns}{body.format(operation)}{'{% endfor %}' * 2}", html=True)
        for kind in ("text", "backslash", "huge number", "texts", "lists", "object"):
            value = VALUES[kind]
            copy = value[:] if isinstance(value, str | list) else value
            bounded(looped, f"{operation} of {kind}", x=value, y=copy, rows=VALUES["rows"])


def test_the_count_is_the_same_in_every_run():
    source = "{% for row in data.rows %}{{ row.t|upper ~ '!' }}{% if loop.last %}.{% endif %}{% endfor %}{{ data.rows|tojson }}"
    runs = [ran(program(source, html=html), rows=VALUES["rows"][:50]) for html in (True, True, False, False)]
    assert runs[0] == runs[1]
    assert runs[2] == runs[3]
    assert ran(program("{{ data.a }}"), a="ab") == ("ab", 128 + 2 * 64 + 2)
    operands, result = 2 * 64 + 2 + 2 + 2, 4
    assert ran(program("ä{{ data.a ~ 'ü' }}"), a="ab") == ("äabü", 2 + 128 + 384 + operands + result + 6)


def test_the_channels_of_a_notification_share_one_budget():
    renderer, budget = Renderer(), Budget()
    mail = TemplateRecord(
        tenant="t", workflow="w", channel=Channel.EMAIL, locale="en", revision=1,
        parts={"subject": "s", "text": "{% for i in range(1000) %}{{ data.x }}{{ data.x }}{{ data.x }}{% endfor %}"},
    )  # fmt: skip
    text = TemplateRecord(
        tenant="t", workflow="w", channel=Channel.SMS, locale="en", revision=1, parts={"body": "{{ data.x }}"}
    )
    data = {"data": {"x": "x" * 150}}
    assert isinstance(renderer.render(mail, data, budget), EmailContent)
    left = budget.left
    assert 0 < left < BUDGET // 2
    for _ in range(2):
        fault = renderer.render(mail, data, budget)
    assert isinstance(fault, RenderFault)
    assert fault.detail.startswith(
        "The template was stopped: the templates of one notification may handle 2097152 bytes"
    )
    assert isinstance(renderer.render(text, data, budget), SmsContent)  # what is small still has room


@pytest.mark.parametrize(
    "source",
    [
        "{{ 10 ** 38 * 10 ** 38 }}",
        "{{ 9 ** 999999999 }}",
        "{{ 2 ** (2 ** 100) }}",
        "{{ (0 - 8) ** 0.5 }}",
        "{{ 1e308 * 10 }}",
        "{{ 10.0 ** 400 }}",
        "{{ data.n|int * 2 }}",
        "{{ data.n }}",
        "{{ data.n ~ '' }}",
        "{{ data.t|int }}",
        "{{ data.t|float }}",
        "{{ 1 / 0 }}",
        "{{ 5 % 0 }}",
        "{{ 1|round(data.n) }}",
        "{{ data.n + 1 }}",
    ],
)
def test_numbers_stay_small(source):
    assert isinstance(sms(source, n=10**4000, t="9" * 4000), RenderFault)


def test_no_filter_repeats_a_value_in_its_fault():
    secret = "hunter2"
    values = [secret, [secret], {secret: secret}, [[secret]], [{"t": {secret: 1}}], 4711.5]
    for name in FILTERS:
        for value in values:
            for argument in ("", *(f"{parameter.name}=data.x" for parameter in FILTERS[name])):
                required = {p.name: ARGUMENTS[p.name] for p in FILTERS[name] if p.required}
                given = required | dict([argument.split("=")] if argument else [])
                fault = sms(f"{{{{ {written(name, 'data.x', **given)} }}}}", x=value)
                if isinstance(fault, RenderFault):
                    assert secret not in fault.detail
                    assert "4711" not in fault.detail


def test_every_filter_is_ours():
    for filters in (IN_TEXT, IN_HTML):
        assert {called.apply.__module__.rpartition(".")[0] for called in filters.values()} == {
            "tocsin.router.templates"
        }
    assert set(IN_TEXT) == set(IN_HTML) == set(FILTERS) - {"default", "d"}  # these two only choose


HELD = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ data|attr('__class__') }}", "{{ data.x|attr('upper') }}", "{{ self }}",
    "{{ self.__init__ }}", "{{ self._TemplateReference__context }}", "{{ config }}", "{{ request }}", "{{ cycler('a') }}",
    "{{ joiner(',') }}", "{{ lipsum() }}", "{{ namespace(a=1) }}", "{{ dict(a=1) }}", "{{ caller() }}", "{{ super() }}",
    "{{ __budget }}", "{% set __budget = 1 %}", "{% for __budget in data.l %}{% endfor %}", "{% set loop = 1 %}", "{% set range = 1 %}",
    "{% include 'x' %}", "{% include data.x %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}",
    "{% block a %}{% endblock %}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% call m() %}{% endcall %}",
    "{% filter upper %}a{% endfilter %}", "{% autoescape false %}{% endautoescape %}", "{% do data.l.append(1) %}", "{% break %}",
    "{% for i in data.l recursive %}{{ loop(i) }}{% endfor %}", "{{ loop.index }}", "{{ data.x.upper() }}", "{{ data.l.append(1) }}",
    "{{ 'x'.join(data.l) }}", "{{ '%s'|format(data) }}", "{{ '{0.__class__}'.format(data) }}", "{{ data.x % data }}", "{{ 'x' * 1000000000 }}",
    "{{ data.x * 1000000000 }}", "{{ [1] * 1000000000 }}", "{{ data.x|center(1000000000) }}",
    "{{ data.x|indent(1000000000) }}", "{{ data.x|wordwrap(1) }}", "{{ data.l|batch(1000000000, 0) }}", "{{ data.l|slice(1000000000) }}",
    "{{ data.l|groupby('a') }}", "{{ data.x|xmlattr }}", "{{ data.x|pprint }}", "{{ data.x|filesizeformat }}", "{{ data.x|urlize }}",
    "{{ data.l|random }}", "{{ data.x|striptags }}", "{{ data.l|map('upper')|list }}", "{{ data.l|map('attr', '__class__')|list }}",
    "{{ data.x is callable }}",
    "{{ data.x is sameas(data.x) }}", "{{ data is filter }}", "{{ range(*data.l) }}", "{{ data.l|join(**data) }}", "{{ (data.x for x in data) }}",
    "{{ lambda: 1 }}", "{{ 1 .bit_length() }}", "{{ 1e999 }}",
]  # fmt: skip
HELD_WHEN_RENDERED = [
    "{{ ''.__class__ }}", "{{ data.__class__ }}", "{{ data['__class__'] }}", "{{ data.x.__init__.__globals__ }}", "{{ range(1000000000) }}",
    "{{ data.l|map(attribute='__class__')|list|length }}", "{{ data.l|sum(attribute='__class__') }}", "{{ data.x.encode }}", "{{ data.l.sort }}",
]  # fmt: skip


@pytest.mark.parametrize("source", [*HELD, *HELD_WHEN_RENDERED])
def test_what_held_still_holds(source):
    """Probes of an attacker: each is refused when saved, unless it depends on the data (a member may have any name), and again when
    rendered, with a sentence; nothing of Python's is reached."""
    refused = check_template({"body": source}, Channel.SMS, None)
    assert bool(refused) == (source in HELD)
    fault = takes_at_most(CPU_SECONDS, lambda: sms(source, x="abc", l=[1, 2]))
    assert isinstance(fault, RenderFault), fault
    assert "<class" not in fault.detail + "".join(told.detail for told in refused)
