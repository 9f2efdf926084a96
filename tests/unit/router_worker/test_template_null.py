"""Null prints nothing: alone, beside text, in lists, and through every filter and operator that makes text."""

from itertools import count

import pytest

from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.jobs import EmailContent
from tocsin.contracts.vocabulary import Channel
from tocsin.router.templates import Budget, Renderer, RenderFault, check_template
from tocsin.router.templates.language import FILTERS

revisions = count(1)
renderer = Renderer()


def rendered(source: str, *, html: bool) -> str | RenderFault:
    parts = {"subject": "s", "html" if html else "text": source}
    assert check_template(parts, Channel.EMAIL, None) == []
    record = TemplateRecord(
        tenant="acme", workflow="w", channel=Channel.EMAIL, locale="en", revision=next(revisions), parts=parts
    )
    content = renderer.render(
        record, {"data": {"n": None, "l": ["a", None, "b"], "o": {"n": None}}}, Budget()
    )
    if isinstance(content, RenderFault):
        return content
    assert isinstance(content, EmailContent)
    return (content.html if html else content.text) or ""


TEXTS = {
    "data.n": "",
    "data.o.n": "",
    "'Hi ' ~ data.n ~ '!'": "Hi !",
    "data.n ~ data.n": "",
    "'Hi ' + data.n": "Hi ",
    "data.n + '!'": "!",
    "data.n + data.n": "",
    "data.l|join(', ')": "a, , b",
    "data.l|join(data.n)": "ab",
    "data.l|join('<'|safe)": "a<<b",
    "[data.o]|join('-', attribute='n')": "",
    "data.n|join('-')": "",
    "data.n|upper": "",
    "data.n|lower": "",
    "data.n|capitalize": "",
    "data.n|title": "",
    "data.n|trim": "",
    "' a '|trim(data.n)": "a",
    "data.n|string": "",
    "data.n|safe": "",
    "data.n|e": "",
    "data.n|escape": "",
    "data.n|replace('a', 'b')": "",
    "'abc'|replace('b', data.n)": "ac",
    "'abc'|replace(data.n, '-')": "abc",
    "'abc'|replace('b', '-', data.n)": "a-c",
    "data.n|urlencode": "",
    "data.o|urlencode": "n=",
    "data.n|reverse|join": "",
    "data.n[1:3]": "",
    "data.n|first|default('none there')": "none there",
    "data.n|last|default('none there')": "none there",
    "data.n|max|default('none there')": "none there",
    "data.l|sort|join('-')": "-a-b",
    "data.l|unique|join('-')": "a--b",
    "data.l|reverse|join('-')": "b--a",
    "data.l|map(attribute='x', default=data.n)|join('-')": "--",
    "data.l|min": "",
    "data.l|max": "b",
    "data.l[1]": "",
    "(data.l|reverse)[1]": "",
    "data.n if true": "",
    "'a' if false": "",
    "data.n or data.n": "",
    "data.n and 'a'": "",
    "loop.cycle(data.n, data.n)": "",
    "data.n|d('x')": "",
    "data.n|default('x')": "",
    "data.n|default('x', true)": "x",
    "data.n|list|length": "0",
    "data.n|length": "0",
    "data.n|count": "0",
    "data.n|items|length": "0",
    "data.n|sum": "0",
    "data.n|select|join": "",
    "data.l|select|join": "ab",
    "data.l|reject|join('-')": "",
    "[data.o]|selectattr('n')|list|length": "0",
    "[data.o]|rejectattr('n')|list|length": "1",
    "data.n|bool": "false",
    "data.n|int(0)": "0",
    "data.n|int(data.n)": "",
    "data.n|float(1.5)": "1.5",
    "data.n|tojson": "null",
    "data.l|tojson": '["a",null,"b"]',
}
NUMBERS_ONLY = ("data.n|int", "data.n|float", "data.n|abs", "data.n|round")


@pytest.mark.parametrize("html", [True, False])
@pytest.mark.parametrize("expression", TEXTS)
def test_null_is_nothing(expression, html):
    source = f"[{{{{ {expression} }}}}]"
    if "loop." in source:
        source = f"{{% for i in range(1) %}}{source}{{% endfor %}}"
    assert rendered(source, html=html) == f"[{TEXTS[expression]}]"


@pytest.mark.parametrize("expression", NUMBERS_ONLY)
def test_null_is_no_number(expression):
    fault = rendered(f"{{{{ {expression} }}}}", html=False)
    assert isinstance(fault, RenderFault)
    assert "takes a number" in fault.detail


def test_every_filter_is_tried_with_null():
    tried = " ".join([*TEXTS, *NUMBERS_ONLY])
    assert [name for name in FILTERS if f"|{name}" not in tried] == []


def test_null_in_tags_is_nothing():
    source = "{% for i in data.n %}a{% else %}b{% endfor %}{% set x = data.n %}{{ x }}{% set y %}{{ x }}{% endset %}[{{ y }}]"
    assert rendered(source, html=True) == "b[]"
    assert rendered("{% if data.n %}a{% elif data.n is none %}b{% endif %}", html=False) == "b"


@pytest.mark.parametrize("html", [True, False])
def test_booleans_and_numbers_have_one_form(html):
    source = "{% set x = true %}{{ x }} {{ 'is ' ~ x }} {{ [x, false]|join('/') }} {{ x|string }} {{ x|upper }} {{ 1.0 ~ '' }} {{ 2.50 }}"
    assert rendered(source, html=html) == "true is true true/false true TRUE 1 2.5"
    for number, text in {"1e22": "1" + "0" * 22, "0.0000001": "0.0000001", "1e15": "1" + "0" * 15}.items():
        assert rendered(f"{{{{ {number} }}}}={{{{ {number} ~ '' }}}}", html=html) == f"{text}={text}"
