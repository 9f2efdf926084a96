"""Work that once cost more than it was charged: each template here took 50 ms to minutes of a CPU before its kind had a price."""

import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from tests.cpu_time import takes_at_most

from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.jobs import EmailContent, SmsContent
from tocsin.contracts.vocabulary import Channel
from tocsin.router.templates import Budget, Renderer, RenderFault, check_template
from tocsin.router.templates.budget import BUDGET, Exceeded
from tocsin.router.templates.check import parse
from tocsin.router.templates.program import compiled
from tocsin.router.templates.texts import WrongValue

RENDER_SECONDS = 0.5
"""Fifty times what each takes."""
CHECK_SECONDS = 5.0
"""Five times what 64 KiB take; the child allows as many."""
MEMORY = 24 * 1024 * 1024


def sms(source: str, **data: object) -> Any:
    record = TemplateRecord(
        tenant="t", workflow="w", channel=Channel.SMS, locale="en", revision=1, parts={"body": source}
    )
    return takes_at_most(RENDER_SECONDS, lambda: Renderer().render(record, {"data": data}, Budget()))


MAPPED = "data.l|map(attribute='x', default=data.b)"


@pytest.mark.parametrize(
    ("filtered", "b"),
    [
        ("urlencode", "€" * 70_000), ("join", "é" * 110_000), ("max", "é" * 110_000), ("min", "é" * 110_000),
        ("sort", "é" * 110_000), ("unique", "é" * 110_000), ("select('eq', 'a')", "é" * 110_000), ("tojson", "é" * 110_000),
    ],
)  # fmt: skip
@pytest.mark.parametrize("length", [10_000, 4_000])
def test_one_text_ten_thousand_times_is_not_measured_as_often(filtered, b, length):
    fault = sms(f"{{{{ {MAPPED}|{filtered}|length }}}}", b=b, l=[0] * length)
    assert isinstance(fault, RenderFault)
    assert fault.detail.startswith("The template was stopped")


HUGE, DIVISOR = 10**4200 - 1, 10**2100 + 1


@pytest.mark.parametrize(
    "source",
    [
        f"{{{{ {MAPPED}|select('divisibleby', data.c)|length }}}}",
        "{% for i in range(250) %}{{ data.h|select('divisibleby', data.c)|length }}{% endfor %}",
        "{% for i in range(250) %}{{ data.b is divisibleby(data.c) }}{% endfor %}",
        "{% for i in range(250) %}{{ data.h|select('odd')|length }}{% endfor %}",
        f"{{{{ {MAPPED}|sum }}}}",
        "{% for i in range(250) %}{{ data.b|round(-15) }}{% endfor %}",
        "{% for i in range(250) %}{{ data.b|abs }}{% endfor %}",
        "{% for i in range(250) %}{{ -data.b }}{% endfor %}",
        "{% for i in range(250) %}{{ (data.b + 1) is odd }}{% endfor %}",
        "{% for i in range(250) %}{{ range(0, data.b, data.c)|length }}{% endfor %}",
        "{% for i in range(250) %}{{ data.c in data.h }}{% endfor %}{{ data.b }}",
    ],
)
def test_numbers_beyond_127_bits_are_not_computed_with(source):
    data = {"b": HUGE, "c": DIVISOR, "l": [0] * 10_000, "h": [HUGE - 2 * number for number in range(55)]}
    assert isinstance(sms(source, **data), RenderFault)


def test_looking_for_a_huge_number_in_a_list_is_charged():
    program = compiled(parse("{% for i in range(1000) %}{{ data.b in data.h }}{% endfor %}"), html=False)
    budget = Budget()
    data = {"b": HUGE, "h": [HUGE - number for number in range(1, 10_000)]}
    with pytest.raises(Exceeded):
        takes_at_most(RENDER_SECONDS, lambda: program({"data": data}, budget))
    assert budget.left < BUDGET // 2


LONG = 64 * 1024


@pytest.mark.parametrize(
    "source",
    [
        f"{{{{ {'+'.join(['1'] * 450)} }}}}",
        f"{{{{ {'+'.join(['1'] * 450)} }}}}" * (LONG // 910),
        f"{{{{ {'+'.join(['1'] * (LONG // 2 - 10))} }}}}",
        f"{{{{ a{'|replace(1,1)' * 300} }}}}",
        "{% set a = [1] %}" + f"{{{{ {'+'.join('a' * 24)} }}}}" * (LONG // 55),
        f"{{{{ {'not ' * 300}a }}}}",
        f"{{{{ data{'.a' * (LONG // 2 - 20)} }}}}",
        f"{{{{ {'a if a else ' * 200}a }}}}",
        f"{{{{ {'(' * 30_000} }}}}",
    ],
    ids=range(9),
)
def test_the_check_takes_as_long_as_the_template_is(source):
    assert len(source) <= LONG
    faults = takes_at_most(CHECK_SECONDS, lambda: check_template({"body": source}, Channel.SMS, None))
    assert faults


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in data %}" * 60 + "{{ a }}" * 800 + "{% endfor %}" * 60,
        "".join(f"{{% set a{number} = [] %}}" for number in range(420)),
        "{% if data.a %}" * 60 + "{{ data.a }}" * 480 + "{% endif %}" * 60,
        "{{ data.a }} text " * 490,
    ],
    ids=["loops in loops", "variables", "branches in branches", "plain"],
)
def test_what_is_compiled_takes_as_long_as_the_template_is(source):
    def checked_and_compiled() -> Any:
        return check_template({"body": source}, Channel.SMS, None), compiled(parse(source), html=False)

    faults, _ = takes_at_most(CHECK_SECONDS, checked_and_compiled)
    assert faults == []


def test_a_part_has_3000_words_and_signs_in_its_tags():
    source = "{{ data.a }}" * 600  # five each
    assert check_template({"body": source}, Channel.SMS, None) == []
    (fault,) = check_template({"body": "\n" + source + "{{ data.a }}"}, Channel.SMS, None)
    assert (fault.code, fault.detail[:43]) == (
        "template_syntax",
        "Line 2: The tags of a part have at most 3,0",
    )
    assert isinstance(sms(source + "{{ data.a }}", a=1), RenderFault)


def test_a_hundred_faults_of_a_part_are_told():
    faults = check_template({"body": "{{ 'a' * 2 }}" * 500}, Channel.SMS, None)
    assert len(faults) == 100


@pytest.mark.parametrize("number", ["1" * 5_000, "1_" * 5_000 + "1", "0b12", "١٢.٣", "7e٣"])
def test_a_number_that_cannot_be_read_is_a_fault_with_its_line(number):
    source = f"1{'1' * 5_000}\n{{{{ 1 }}}}\n{{{{ {number} }}}}"
    faults = check_template({"body": source}, Channel.SMS, None)
    rendered = sms(source)
    assert isinstance(rendered, RenderFault)
    assert [fault.code for fault in faults] == ["template_syntax"]
    assert faults[0].detail.startswith("Line 3: ")


@pytest.mark.parametrize("filtered", ["sum", "max", "min", "sort", "unique", "join"])
@pytest.mark.parametrize("digits", [256, 6])
def test_an_index_in_a_path_has_at_most_five_digits(filtered, digits):
    for path in ("0" * digits, "a." + "0" * (digits - 2)):
        source = f"{{{{ data.l|{filtered}(attribute='{path}') }}}}"
        sms(source * 3, l=[[0]] * 10_000)
    refused = check_template(
        {"body": f"{{{{ data.l|{filtered}(attribute='{'0' * digits}') }}}}"}, Channel.SMS, None
    )
    assert [fault.code for fault in refused] == ["template_forbidden"]


def test_an_index_is_still_a_step():
    assert sms("{{ data.l|sum(attribute='00001') }}", l=[[1, 2], [3, 4]]) == SmsContent(body="6")
    assert sms("{{ data.l|map(attribute='a.1')|join }}", l=[{"a": [1, 2]}]) == SmsContent(body="2")
    assert sms("{{ data.l|map(attribute='a.9', default='-')|join }}", l=[{"a": [1, 2]}]) == SmsContent(
        body="-"
    )


@pytest.mark.parametrize("filtered", ["unique|length", "join|length"])
def test_floats_with_many_digits(filtered):
    numbers = [1e17 + 1_000 * number for number in range(5_000)]
    sms(f"{{{{ data.l|{filtered} }}}}" * 4, l=numbers)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1e17, "100000000000000000"), (-1e17, "-100000000000000000"), (1.2345678901234566e17, "123456789012345660"),
        (1e23, "100000000000000000000000"), (5e-7, "0.0000005"), (-1.25e-7, "-0.000000125"), (1e16, "10000000000000000"),
        (1.7976931348623157e308, "17976931348623157" + "0" * 292), (5e-324, f"0.{'0' * 323}5"), (0.0001, "0.0001"), (2.0, "2"), (-0.0, "-0"),
    ],
)  # fmt: skip
def test_numbers_print_in_plain_digits(number, text):
    assert sms("{{ data.n }}", n=number) == SmsContent(body=text)


@pytest.mark.parametrize(
    "source",
    [
        "{{ data.x }}" * 9,
        "{{ [data.x, data.x, data.x, data.x]|join('<'|safe)|length }}",
        "{{ (data.x ~ data.x ~ data.x ~ data.x ~ ''|safe)|length }}",
        "{{ data.x|tojson|length }}",
        "{{ data.x|e|length }}",
        "{{ (data.x + ''|safe)|length }}",
        "{{ data.x|replace('a', 'b'|safe)|length }}",
    ],
)
def test_what_escaping_makes_of_a_text_is_charged_before_it_is_made_again(source):
    program, quotes = compiled(parse(source), html=True), "'" * 230_000 + "😀"
    tracemalloc.start()
    try:
        with suppress(Exceeded, WrongValue):
            takes_at_most(RENDER_SECONDS, lambda: program({"data": {"x": quotes}}, Budget()))
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


def test_a_set_block_keeps_its_variables_to_itself():
    source = "{% set x = 1 %}{% set y %}{% set x = 2 %}{{ x }}{% endset %}{{ x }}{{ y }}"
    assert sms(source) == SmsContent(body="12")
    looped = "{% for i in data.l %}{% set y %}{% set x = i %}{{ x }}{{ loop.index }}{% endset %}{{ y }}{% endfor %}"
    assert sms(looped, l=["a", "b"]) == SmsContent(body="a1b2")
    assert isinstance(sms("{% set y %}{% set x = 2 %}{% endset %}{{ x }}"), RenderFault)


def test_loops_in_loops_have_their_own_variables():
    source = (
        "{% for a in data.l %}{% for b in data.l %}{% set c = a ~ b %}{{ c }}{{ loop.index }}{% endfor %}"
        "{{ c|default('-') }}{% if loop.last %}{{ loop.length }}{% endif %}{% with d = loop.index %}{% set e = d %}{{ e }}{% endwith %}{% endfor %}"
    )
    assert sms(source, l=["x", "y"]) == SmsContent(body="xx1xy2-1yx1yy2-22")


def test_an_html_part_of_that_size_is_still_rendered():
    record = TemplateRecord(
        tenant="t", workflow="w", channel=Channel.EMAIL, locale="en", revision=1, parts={"subject": "s", "html": "{{ data.x }}"}
    )  # fmt: skip
    content = Renderer().render(record, {"data": {"x": "'" * 80_000}}, Budget())
    assert isinstance(content, EmailContent)
    assert content.html == "&#39;" * 80_000
