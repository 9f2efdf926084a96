"""What the check accepts, rendering can do: each filter with each of its arguments, each test, and templates drawn at random."""

from itertools import chain, combinations, count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.jobs import EmailContent
from tocsin.contracts.vocabulary import Channel
from tocsin.router.templates import Budget, Renderer, RenderFault, check_template
from tocsin.router.templates.filters import IN_HTML, IN_TEXT
from tocsin.router.templates.language import FILTERS, TESTS
from tocsin.router.templates.signatures import Parameter

revisions = count(1)
renderer = Renderer()
DATA = {
    "s": "a <b> & c",
    "n": 7,
    "f": -2.5,
    "z": 0,
    "t": True,
    "null": None,
    "empty": "",
    "l": [3, 1, 2],
    "texts": ["b", "A", "b"],
    "rows": [{"name": "a", "price": 2}, {"name": "b", "price": 1.5}],
    "o": {"b": 1, "a": "x"},
}


def rendered(source: str) -> EmailContent | RenderFault:
    """A mail with the source in both its parts, which the check has accepted."""
    record = TemplateRecord(
        tenant="acme",
        workflow="w",
        channel=Channel.EMAIL,
        locale="en",
        revision=next(revisions),
        parts={"subject": "s", "text": source, "html": source},
    )
    content = renderer.render(record, {"data": DATA}, Budget())
    assert isinstance(content, EmailContent | RenderFault)
    return content


def details(source: str) -> list[str]:
    return [fault.detail for fault in check_template({"subject": "s", "text": source}, Channel.EMAIL, None)]


VALUES = {
    "abs": "data.n", "float": "data.n", "int": "data.n", "round": "data.f", "items": "data.o|items|list",
    "join": "data.rows", "max": "data.rows", "min": "data.rows", "map": "data.rows", "sum": "data.rows",
    "rejectattr": "data.rows", "selectattr": "data.rows", "sort": "data.rows", "unique": "data.rows",
    "reject": "data.l", "select": "data.l", "first": "data.l", "last": "data.l", "list": "data.l",
}  # fmt: skip
ARGUMENTS = {
    "attribute": "'price'", "test": "'gt'", "argument": "1", "method": "'floor'", "precision": "2", "count": "1",
    "indent": "2", "reverse": "true", "case_sensitive": "true", "boolean": "true", "start": "10",
}  # fmt: skip
ANY = {"default": "0", "default_value": "'-'", "d": "', '", "old": "'a'", "new": "'b'", "chars": "'a '"}


def call(name: str, positional: list[Parameter], named: list[Parameter]) -> str:
    """`data.n|name(…)|tojson`, which any result can be printed as."""
    value = VALUES.get(name, "data.s").removesuffix("|items|list")
    if name in ("join", "sum", "sort", "unique", "max", "min") and not any(
        parameter.name == "attribute" for parameter in (*positional, *named)
    ):
        value = "data.l"
    given = [(ARGUMENTS | ANY)[parameter.name] for parameter in positional]
    given += [f"{parameter.name}={(ARGUMENTS | ANY)[parameter.name]}" for parameter in named]
    arguments = f"({', '.join(given)})" if given else ""
    return f"{{{{ {value}|{name}{arguments}|tojson }}}}"


def calls(name: str) -> list[str]:
    """The filter with each number of positional arguments, and each choice of the others by name."""
    signature = FILTERS[name]
    sources = []
    for positions in range(len(signature) + 1):
        positional, others = list(signature[:positions]), list(signature[positions:])
        for named in chain.from_iterable(combinations(others, size) for size in range(len(others) + 1)):
            given = {parameter.name for parameter in (*positional, *named)}
            whole = all(parameter.name in given for parameter in signature if parameter.required)
            in_order = not any(parameter.named for parameter in positional)
            tested = ("test" in given) == ("argument" in given)
            if whole and in_order and tested:
                sources.append(call(name, positional, list(named)))
    return sources


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_takes_each_of_its_arguments_by_place_and_by_name(name):
    for source in calls(name):
        assert details(source) == [], source
        assert isinstance(rendered(source), EmailContent), (source, rendered(source))


def test_each_filter_has_a_function_with_its_parameters():
    functions = {name: called.apply for filters in (IN_TEXT, IN_HTML) for name, called in filters.items()}
    for name, signature in FILTERS.items():
        if name not in ("default", "d"):  # they take what is missing
            code = functions[name].__code__
            assert code.co_varnames[1 : code.co_argcount] == tuple(p.name for p in signature), name


@pytest.mark.parametrize("name", TESTS)
def test_a_test_can_be_rendered_where_it_may_be_written(name):
    argument = "data.l" if name == "in" else "2"
    arguments = f"({argument})" if TESTS[name] else ""
    picked = f", {argument}" if TESTS[name] else ""
    sources = [
        f"{{{{ data.l|{pick}('{name}'{picked})|tojson }}}}{{{{ data.rows|{pick}attr('price', '{name}'{picked})|tojson }}}}"
        for pick in ("select", "reject")
    ]
    if name.isalpha():
        sources += [f"{{{{ data.n is {name}{arguments} }}}}{{{{ data.n is not {name}{arguments} }}}}"]
    for source in sources:
        assert details(source) == [], source
        assert isinstance(rendered(source), EmailContent), (source, rendered(source))


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("{{ data.s|upper(1) }}", "`|upper` is not given so. Write `|upper`."),
        (
            "\n{{ data.s|replace('a') }}",
            "`|replace` needs `new`. Write `|replace(old, new, count=none)`.",
        ),
        (
            "{{ data.s|replace('a', 'b', 1, 2) }}",
            "`|replace` is not given so. Write `|replace(old, new, count=none)`.",
        ),
        (
            "{{ data.s|replace('a', old='b') }}",
            "`|replace` is not given so. Write `|replace(old, new, count=none)`.",
        ),
        (
            "{{ data.s|replace('a', 'b', 'c') }}",
            "`count` of `|replace` must be a whole number from 0 to 1000000.",
        ),
        ("{{ data.s|replace([1], 'b') }}", "`old` of `|replace` must be a text."),
        (
            "{{ data.f|round(1, 'up') }}",
            "`method` of `|round` must be one of `'common'`, `'ceil'`, `'floor'`, written out.",
        ),
        ("{{ data.f|round(-16) }}", "`precision` of `|round` must be a whole number from -15 to 15."),
        (
            "{{ data.f|round(ndigits=1) }}",
            "`|round` is not given so. Write `|round(precision=0, method='common')`.",
        ),
        ("{{ data.n|int(base=16) }}", "`|int` is not given so. Write `|int(default=none)`."),
        (
            "{{ data.rows|sort(attribute='a,b') }}",
            "`attribute` of `|sort` must be the name of one attribute in quotes, such as `'name'` or `'address.city'`.",
        ),
        (
            "{{ data.rows|sort(attribute=data.s) }}",
            "`attribute` of `|sort` must be the name of one attribute in quotes, such as `'name'` or `'address.city'`.",
        ),
        ("{{ data.l|sort('yes') }}", "`reverse` of `|sort` must be `true` or `false`."),
        (
            "{{ data.l|select('odd', 1) }}",
            "The test `odd` takes no argument.",
        ),
        ("{{ data.l|select('gt') }}", "The test `gt` takes one argument."),
        (
            "{{ data.l|select(data.s) }}",
            "`test` of `|select` must be the name of a test in quotes, such as `'defined'`.",
        ),
        (
            "{{ data.l|select(argument=1) }}",
            "`|select` needs `test` before `argument`. Write `|select(test=none, argument=none)`.",
        ),
        ("{{ data.n is divisibleby }}", "The test `divisibleby` takes one argument."),
        ("{{ data.n is odd(1) }}", "The test `odd` takes no argument."),
        (
            "{{ data.n is divisibleby(num=3) }}",
            "The argument of `is divisibleby` has no name. Write its value only.",
        ),
        (
            "{{ range() }}",
            "`range` takes one to three numbers: `range(stop)`, `range(start, stop)` or `range(start, stop, step)`.",
        ),
        (
            "{% for i in data.l %}{{ loop.cycle() }}{% endfor %}",
            "`loop.cycle` needs the values to choose from: `loop.cycle('odd', 'even')`.",
        ),
        ("{{ 1 < data.n < 9 }}", "Comparisons cannot be chained. Write `a < b and b < c`."),
        ("{{ data.l[::0] }}", "The step in `[…:…:…]` cannot be 0."),
        (
            "{{ 1e999 }}",
            "This number is too large; at most 170141183460469231731687303715884105727 is possible.",
        ),
        (
            "{% set range = 1 %}",
            "`range` is a name that templates cannot use for a variable. Choose another.",
        ),
        (
            "{% for __tick in data.l %}{% endfor %}",
            "`__tick` is a name that templates cannot use for a variable. Choose another.",
        ),
        (
            "{% set größe = 1 %}",
            "`größe` cannot be a variable. Names are letters from a to z, digits and `_`.",
        ),
        (
            "{% set a = 1 %}{% with a = 2, b = a %}{{ b }}{% endwith %}",
            "`a` is set in the same `with`. Use it in a `with` of its own inside.",
        ),
        ("{{ loop.index }}", "Unknown variable `loop`. `loop` is known inside of a `for` only."),
        (
            "{% for i in data.l %}{{ loop.idx }}{% endfor %}",
            "Unknown variable `loop.idx`. `loop` has: depth, depth0, first, index, index0, last, length, nextitem, previtem, revindex, ….",
        ),
        ("{{ range|join }}", "Unknown variable `range`. `range` must be called: `range(3)`."),
    ],
)
def test_what_cannot_be_rendered_is_refused_when_saved(source, detail):
    line = source.count("\n") + 1
    assert f"Line {line}: {detail}" in details(source)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% for k, v in data.o|items %}{{ k }}={{ v }};{% endfor %}", "b=1;a=x;"),
        ("{{ data.s|replace(' ', '-', 1) }}", "a-<b> & c"),
        ("{{ data.nothing|default('-') }}{{ data.empty|default('-', true) }}{{ data.empty|d }}", "--"),
        ("{{ data.f|round(1, 'floor') }}{{ 2.25|round(method='ceil', precision=1) }}", "-2.52.3"),
        ("{{ 'x'|int(default=5) }}{{ ' 12 '|int }}{{ '3.9'|int }}{{ '1e3'|float }}", "51231000"),
        ("{{ data.rows|sort(attribute='price')|map(attribute='name')|join }}", "ba"),
        ("{{ data.texts|unique|join }}{{ data.texts|unique(true)|join }}{{ data.texts|sort(true)|join }}", "bAbAbbA"),
        ("{{ data.rows|sum(attribute='price', start=10) }}{{ data.rows|max(attribute='price')|items|first|last }}", "13.5a"),
        ("{{ data.rows|selectattr('price', 'gt', 1.5)|map(attribute='name')|join }}{{ data.l|select('odd')|join }}", "a31"),
        ("{{ data.rows|map(attribute='x', default='-')|join }}{{ data.rows|rejectattr('x')|list|length }}", "--2"),
        ("{{ data.texts|join(', ', attribute='0') if false else 'a'|trim('a') }}", ""),
        ("{{ data.items|default('-') }}{{ data.l.count is defined }}{{ data.o['keys'] is defined }}", "-falsefalse"),
        ("{{ data.get.a|default('-') if data.get is defined else '+' }}{{ data.values|d('-') ~ data.copy|d }}", "+-"),
        ("{{ data.o|tojson(indent=1) }}", '{\n "b": 1,\n "a": "x"\n}'),
        ("{{ data.l[1:] | join }}{{ (data.l|sort)[-1] }}{{ (data.o|items)[0][1] }}{{ 'abc'[::-1] }}", "1231cba"),
        ("{{ +data.n }}{{ -data.n }}{{ 2 ** 3 ** 2 }}{{ (1, 2)|length }}{{ ()|length }}", "7-764 20".replace(" ", "")),
    ],
)  # fmt: skip
def test_arguments_mean_what_they_mean_in_jinja2(source, text):
    assert details(source) == []
    content = rendered(source)
    assert isinstance(content, EmailContent), content
    assert content.text == text


NAMES = st.sampled_from(["data.s", "data.n", "data.f", "data.z", "data.null", "data.l", "data.rows", "data.o", "data.x",
                         "data.texts", "data.o.b", "data.rows[0].name", "data.l[data.z]", "recipient.id", "x", "loop.index"])  # fmt: skip
LITERALS = st.sampled_from(["1", "0", "-3", "2.5", "1_000", "'a'", "'<'", "''", "'\\n{{ \"'", "true", "none", "[]", "['a', 2]",
                            "{'a': 1}", "(1,)", "()", "range(3)", "'é\\u2028'"])  # fmt: skip
FILTER_NAMES, TEST_NAMES = sorted([*FILTERS, "batch", "format"]), sorted([*TESTS, "sameas"])
PARAMETERS = sorted({parameter.name for signature in FILTERS.values() for parameter in signature})
OPERATORS = ["~", "+", "-", "*", "/", "//", "%", "**", "and", "or", "==", "!=", "<", ">=", "in", "not in"]


def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quoted = st.sampled_from([f"'{name}'" for name in (*TEST_NAMES, "name", "price", "floor")])
    value = inner | quoted
    argument = value | st.builds("{}={}".format, st.sampled_from(PARAMETERS), value)
    arguments = st.lists(argument, max_size=3).map(lambda given: f"({', '.join(given)})" if given else "")
    test = st.sampled_from([name for name in TEST_NAMES if name.isalpha()])
    return st.one_of(
        st.builds("{}|{}{}".format, inner, st.sampled_from(FILTER_NAMES), arguments),
        st.builds("({}|{}{})".format, inner, st.sampled_from(FILTER_NAMES), arguments),
        st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner),
        st.builds("({} is {}{})".format, inner, test, arguments),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} if {})".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("({})[{}:{}]".format, inner, inner, inner),
        st.builds("({}).name".format, inner),
        st.builds("(not {})".format, inner),
        st.builds("{}({})".format, st.sampled_from("-+"), inner),
        st.builds("loop.cycle({}, {})".format, inner, inner),
    )


EXPRESSIONS = st.recursive(NAMES | LITERALS, deeper, max_leaves=6)
TEXT = st.sampled_from(
    ["", "a", "\n", " { ", "{", "}}", "%}", "é\r\n", "{% raw %}{{ x }}{%{% endraw %}", "{# c #}", "{\n"]
)


def tags(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}{{{{- {} }}}}{}".format, inner, EXPRESSIONS, inner),
        st.builds("{{% for x in {} %}}{}{{%- else %}}{}{{% endfor %}}".format, EXPRESSIONS, inner, inner),
        st.builds("{{% for x in {} if {} %}}{}{{% endfor %}}".format, EXPRESSIONS, EXPRESSIONS, inner),
        st.builds("{{% for x, y in {} %}}{}{{{{ y }}}}{{% endfor %}}".format, EXPRESSIONS, inner),
        st.builds(
            "{{% if {} %}}{}{{% elif {} %}}{}{{% endif %}}".format, EXPRESSIONS, inner, EXPRESSIONS, inner
        ),
        st.builds("{{% set x = {} %}}{}".format, EXPRESSIONS, inner),
        st.builds("{{% set x %}}{}{{% endset %}}{{{{ x }}}}".format, inner),
        st.builds("{{% with x = {}, y = {} -%}}{}{{% endwith %}}".format, EXPRESSIONS, EXPRESSIONS, inner),
        st.builds("{{% with %}}{}{{% endwith %}}".format, inner),
    )


TEMPLATES = st.recursive(TEXT | st.builds("{{{{ {} }}}}".format, EXPRESSIONS), tags, max_leaves=5)
FAULTS_OF_DATA = (
    "undefined variable",
    "The value has the wrong type",
    "CannotUnpack",
    "The template was stopped",
)


@settings(max_examples=400, derandomize=True)
@given(TEMPLATES)
def test_what_the_check_accepts_fails_by_its_data_only(source):
    if check_template({"subject": "s", "text": source, "html": source}, Channel.EMAIL, None):
        return
    content = rendered(source)
    if isinstance(content, RenderFault):
        engine_said = content.detail.startswith("Line ")
        assert not engine_said or any(fault in content.detail for fault in FAULTS_OF_DATA), (source, content)
        assert "A filter cannot take the value it gets" not in content.detail, source
