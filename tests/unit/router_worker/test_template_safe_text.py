"""Every filter and operator on text that is safe in HTML and text that is not, with Jinja2 as the judge.

Jinja2 itself renders each template; it is told only how `|tojson` writes.
"""

from itertools import count, product

import jinja2
import pytest

from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.jobs import EmailContent
from tocsin.contracts.vocabulary import Channel
from tocsin.router.templates import Budget, Renderer, check_template

# Values come from the data: of constants alone, Jinja2 forgets while it compiles that they are safe.
DATA = {
    "t": "<a> & 'b'\n/é",
    "n": 42,
    "f": 2.5,
    "m": "<b> &amp; a",
    "b": "<b>",
    "l": ["<", "a", 3],
    "d": {"<": "&"},
}
VALUES = ["data.t", "data.t|e", "data.t|safe", "data.m|safe", "data.n", "data.f"]
TEXT_FILTERS = [
    "capitalize",
    "default('<')",
    "default('<'|safe)",
    "e",
    "escape",
    "lower",
    "replace('a', '<')",
    "replace('a', '<'|safe)",
    "replace('a'|e, '<')",
    "replace('a'|safe, '<i>'|safe)",
    "replace('<', data.t)",
    "replace('\\n', '<br>'|safe)",
    "replace('', '-', 2)",
    "replace('b', '<', 1)",
    "replace(old='b', new='<', count=0)",
    "replace(4, '<')",
    "safe",
    "string",
    "tojson",
    "trim",
    "trim('<')",
    "trim(chars='/é')",
    "upper",
    "urlencode",
]
SEQUENCE_FILTERS = [
    "first",
    "join",
    "join('<')",
    "join('<'|safe)",
    "join(d='/')",
    "last",
    "length",
    "list|join('<'|e)",
    "reverse|join",
    "sort|join",
    "unique|join",
    "select|join",
    "max",
    "min",
]
SIDES = ["data.t", "data.t|e", "data.b|safe", "''", "data.n ~ ''"]
BEHIND = ["", "|e", "|replace('a', '<')", " ~ '<'", "|upper|string"]


JUDGES = {
    html: jinja2.Environment(autoescape=html, undefined=jinja2.StrictUndefined) for html in (True, False)
}
for judge in JUDGES.values():
    judge.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
renderer = Renderer()
revisions = count(1)


def mail(source: str, *, html: bool, **context: object) -> EmailContent:
    """A mail with the source in one part, and as its subject. The template must be one that may be saved."""
    parts = {"subject": source, "html" if html else "text": source}
    assert check_template(parts, Channel.EMAIL, None) == []
    record = TemplateRecord(
        tenant="acme", workflow="w", channel=Channel.EMAIL, locale="en", revision=next(revisions), parts=parts
    )
    content = renderer.render(record, context, Budget())
    assert isinstance(content, EmailContent), content
    return content


def shown(source: str, *, html: bool) -> str:
    content = mail(source, html=html, data=DATA)
    return (content.html if html else content.text) or ""


def judged(source: str, *, html: bool) -> str:
    return JUDGES[html].from_string(source).render(data=DATA)


def different(sources: list[str], *, html: bool) -> list[tuple[str, str, str]]:
    both = [(source, shown(source, html=html), judged(source, html=html)) for source in sources]
    return [(source, mine, judges) for source, mine, judges in both if mine != judges]


@pytest.mark.parametrize("html", [True, False])
@pytest.mark.parametrize("behind", BEHIND)
def test_filters_keep_track_of_safe_text_as_jinja2_does(html, behind):
    sources = []
    for value, name in product(VALUES, TEXT_FILTERS):
        sources.append(f"{{{{ ({value})|{name}{behind} }}}}")
    assert different(sources, html=html) == []


@pytest.mark.parametrize("html", [True, False])
def test_filters_of_lists_keep_track_of_safe_text_as_jinja2_does(html):
    texts = ["data.t", "data.t|e", "'<b>'|safe"]
    lists = [f"[{first}, {two}]" for first, two in product(texts, texts)] + ["data.d"]
    sources = []
    for values, name in product(lists, SEQUENCE_FILTERS):
        sources.append(f"{{{{ {values}|{name} }}}}")
    assert different(sources, html=html) == []


@pytest.mark.parametrize("html", [True, False])
@pytest.mark.parametrize("operator", ["~", "+"])
def test_operators_keep_track_of_safe_text_as_jinja2_does(html, operator):
    sources = []
    for left, right, behind in product(SIDES, SIDES, BEHIND):
        sources.append(f"{{{{ (({left}) {operator} ({right})){behind} }}}}")
    assert different(sources, html=html) == []


@pytest.mark.parametrize("html", [True, False])
@pytest.mark.parametrize(
    "source",
    [
        "{{ data.t ~ ('<i>'|safe) ~ data.n ~ '<' }}",
        "{{ (data.t|e)[:7] }}{{ data.t[2:5] }}{{ (data.t|e)|reverse }}",
        "{% set a %}<b>{{ data.t }}</b>{% endset %}{{ a }}{{ a|upper }}{{ a ~ '<' }}{{ [a, '<']|join }}",
        "{% set a = data.t|e %}{{ a }}{{ a ~ '<' }}{% for x in [a, '<'] %}{{ x }}{% endfor %}",
        "{% with a = '<'|safe %}{{ a }}{{ a + '<' }}{% endwith %}",
        "{{ data.t|e if data.n else '<' }}{{ '<' if not data.n else data.t }}",
        "{{ data.d|items|first|join(':') }}{{ data.l|map(attribute='x', default='<')|join('<br>'|safe) }}",
        "{% for x in data.l %}{{ loop.cycle('<'|safe, '>') }}{{ x }}{% endfor %}",
        "{{ {'a': '<'|safe}.a }}{{ ['<'|safe][0] }}{{ ('<'|safe or 'x') }}",
        "{{ data.d|tojson }}{{ data.d|urlencode }}{{ [['a', '<&']]|urlencode }}",
        "{{ 2.5|round }}{{ 42.55|round(1, 'floor') }}{{ 42.55|round(1, method='ceil') }}{{ -7 // 2 }} {{ -7 % 3 }}",
    ],
)
def test_templates_escape_once_as_in_jinja2(source, html):
    mine, judges = shown(source, html=html), judged(source, html=html)
    assert mine == judges.replace("2.042.5", "242.5")  # a whole number has no `.0`


def test_line_breaks_as_authors_write_them():
    source = "{{ data.text|e|replace('\\n', '<br>'|safe) }}"
    assert mail(source, html=True, data={"text": "a & <b>\nc"}).html == "a &amp; &lt;b&gt;<br>c"


def test_html_has_five_characters_as_entities_and_links_as_written():
    source = '<a href="{{ links.unsubscribe }}">{{ data.t }}</a>'
    url = "https://shop.example/u/a?b=1&c=2"
    content = mail(source, html=True, data={"t": "&<>\"'/`="}, links={"unsubscribe": url})
    assert content.html == ('<a href="https://shop.example/u/a?b=1&amp;c=2">&amp;&lt;&gt;&quot;&#39;/`=</a>')
    assert content.subject == f'<a href="{url}">&<>"\'/`=</a>'


def test_a_title_of_safe_text_stays_safe_where_jinja2_escapes_it_again():
    assert shown("{{ '<b>a</b> c'|safe|title }}", html=True) == "<B>a</b> C"
    assert shown("{{ 'hello WORLD (and all)'|title }}", html=True) == "Hello World (And All)"
