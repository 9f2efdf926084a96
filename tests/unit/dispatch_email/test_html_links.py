"""Where links stand in HTML: the standard library's parser, which knows nothing of ours, must find the same ones before and after."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.dispatch_email.html_links import links_of, rewritten

TRACKED = "https://t.example/t/AbC-_9"
PIXEL = '<img src="https://t.example/t/pixel" alt="">'


class Judge(HTMLParser):
    """What a document says: its text, its tags, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[object] = []
        self.links: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"a", "area"} and (hrefs := [value for name, value in attrs if name == "href"]):
            if hrefs[0] is not None:
                self.links.append(hrefs[0])
            attrs = [(name, "…" if name == "href" else value) for name, value in attrs]
        self.said.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.said.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if self.said and isinstance(self.said[-1], list):
            self.said[-1][0] += data
        else:
            self.said.append([data])

    def handle_comment(self, data: str) -> None:
        self.said.append(("comment", data))


def urls(html: str) -> list[str]:
    return [link.url for link in links_of(html).links]


def all_tracked(html: str, at_end: str = "") -> str:
    return rewritten(html, links_of(html), lambda _: TRACKED, at_end)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<a href="https://x.example/">x</a>', ["https://x.example/"]),
        ("<A HREF='https://x.example/'>x</A>", ["https://x.example/"]),
        ("<a href=https://x.example/?a=1>x</a>", ["https://x.example/?a=1"]),
        ("<a href=https://x.example/>x</a>", ["https://x.example/"]),
        ('<a\nclass="b"\n href = "https://x.example/" >x</a>', ["https://x.example/"]),
        ('<a class="b"href="https://x.example/"id=c>x</a>', ["https://x.example/"]),
        ('<a href="https://x.example/?a=1&amp;b=2">x</a>', ["https://x.example/?a=1&b=2"]),
        ('<a href="https://x.example/?a=1&copy=2&lt=3">x</a>', ["https://x.example/?a=1&copy=2&lt=3"]),
        ('<a href="https://x.example/&#x2f;&#47&eacute;">x</a>', ["https://x.example///é"]),
        ('<a href="https://x.example/?q=&notit;">x</a>', ["https://x.example/?q=&notit;"]),
        ('<a href=" \n https://x.example/a\nb ">x</a>', ["https://x.example/ab"]),
        ('<a title="a > b" href="https://x.example/">x</a>', ["https://x.example/"]),
        ("<a title=it's href=https://x.example/>x</a>", ["https://x.example/"]),
        ('<a href="https://x.example/" href="https://y.example/">x</a>', ["https://x.example/"]),
        ('<map><area href="https://x.example/"></map>', ["https://x.example/"]),
        ('<a href="mailto:a@x.example">x</a><a href="#top">y</a>', ["mailto:a@x.example", "#top"]),
        ("<a>x</a><a href>y</a><abbr href=https://x.example/>z</abbr>", []),
        ('<link href="https://x.example/a.css"><base href="https://x.example/">', []),
        ('<!-- <a href="https://x.example/"> --><a href="https://y.example/">', ["https://y.example/"]),
        ('<!--[if mso]><a href="https://x.example/"><![endif]-->', []),
        ('<!--><a href="https://x.example/">-->', ["https://x.example/"]),
        ('<!-- --!><a href="https://x.example/">', ["https://x.example/"]),
        ('<![if !mso]><a href="https://x.example/"><![endif]>', ["https://x.example/"]),
        ('<style>a::after{content:"<a href=https://x.example/>"}</style>', []),
        ('<title><a href="https://x.example/"></title><a href="https://y.example/">', ["https://y.example/"]),
        ('<textarea><a href="https://x.example/"></TEXTAREA >', []),
        ('</a title="<a href=https://x.example/>"><a href="https://y.example/">', ["https://y.example/"]),
        ('a < b <3 <a href="https://x.example/">', ["https://x.example/"]),
        ('</ <a href="https://x.example/"> <a href="https://y.example/">', ["https://y.example/"]),
        ('<a href="https://x.example/', []),
        ('<p title="<a href="https://x.example/">', []),
        ('<plaintext><a href="https://x.example/">', []),
        (f'<a href="https://x.example/?a=&#{"1" * 5000};">', ["https://x.example/?a=\ufffd"]),
    ],
)
def test_links_are_found_as_browsers_find_them(html: str, expected: list[str]) -> None:
    assert urls(html) == expected


def test_what_its_author_marked_is_known() -> None:
    html = '<a DATA-NOTRACK href="https://x.example/">x</a><a href="https://y.example/" data-notrack="">y</a><a href="https://z.example/">'
    assert [link.untracked for link in links_of(html).links] == [True, True, False]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>x</p>", f"<p>x</p>{PIXEL}"),
        ("<html><body>x</BODY></html>", f"<html><body>x{PIXEL}</BODY></html>"),
        ("<body>x</body><!-- </body> -->", f"<body>x{PIXEL}</body><!-- </body> -->"),
        ("<p>x <!-- open", "<p>x <!-- open"),
        ("<p>x <style> open", "<p>x <style> open"),
        ("", PIXEL),
    ],
)
def test_the_picture_stands_where_it_is_seen(html: str, expected: str) -> None:
    assert all_tracked(html, PIXEL) == expected


_values = st.text(st.sampled_from("ab/:?=&;#\"'<> \n.é%"), max_size=12)
_links = st.builds(
    lambda quote, url, more: f"<a {more} href={quote}https://x.example/{url}{quote}>",
    st.sampled_from(('"', "'", "")),
    st.text(st.sampled_from("ab/?=&;#.é%"), max_size=12),
    st.sampled_from(("", "class=b", 'title="a > b"', "title='\"'", "data-x")),
)
_fragments = st.one_of(
    _links,
    st.sampled_from(
        ("<p>", "</p>", "</a>", "<br/>", "text & more", "&amp;", "1 < 2", "<!-- <a href=x> -->", "<b title='>'>",
         "<style>a{}<a href=x></style>", "</body>", '<img alt="<a href=y>" src=z>', "\n", "é")
    ),
    _values.map(lambda value: value.replace("<", "").replace(">", "")),
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(_fragments, max_size=14).map("".join))
def test_nothing_but_where_links_lead_is_changed(html: str) -> None:
    before, after = Judge(html), Judge(all_tracked(html))
    assert after.said == before.said
    assert after.links == [TRACKED] * len(before.links)


@settings(max_examples=300)
@given(st.text(st.sampled_from("<>/a!-='\" hrefstyl&;#\n"), max_size=60))
def test_any_text_is_read_and_what_is_no_link_stays(html: str) -> None:
    links = links_of(html)
    assert rewritten(html, links, lambda _: None) == html
    parts = [html[link.begin : link.end] for link in links.links]
    assert all(rewritten(html, links, lambda _: TRACKED).count(TRACKED) == len(parts) for _ in parts)


def test_broken_documents_are_read_in_one_pass() -> None:
    """Each would take minutes if a tag without an end were looked for again and again."""
    for broken in ("<a href='", "<a href=", "<!--", "<a ", "</", "<style>", "<a x=\"'", "<"):
        links_of(broken * 200_000)
