"""The links of an HTML document, and the places at which they stand: what lies between two of them stays as it was written.

Tags are told from text, comments and scripts as browsers do it (https://html.spec.whatwg.org/multipage/parsing.html#tokenization). Each
character is looked at once or twice, however the document is broken. What stands in comments, such as Outlook's conditional ones, is no link here.
"""

import re
from collections.abc import Callable
from html.entities import html5
from typing import Final, NamedTuple

_SPACE: Final = r"\t\n\f\r "
_NAME: Final = rf"[^{_SPACE}/>][^{_SPACE}/>=]*+"
_VALUE: Final = rf"\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|(?![\"'])[^{_SPACE}>]*+"
"""What is not closed goes to the end, so that no tag is found in it."""
_ATTRIBUTE: Final = re.compile(rf"[{_SPACE}/]*+({_NAME})(?:[{_SPACE}]*+=[{_SPACE}]*+({_VALUE}))?+")
_TAG: Final = re.compile(
    rf"<(/?)([a-zA-Z][^{_SPACE}/>]*+)((?:[{_SPACE}/]*+{_NAME}(?:[{_SPACE}]*+=[{_SPACE}]*+(?:{_VALUE}))?+)*+)[{_SPACE}/]*+>"
)
_MARK: Final = re.compile(r"<(?:[a-zA-Z/]|!--|[!?])")
_COMMENT_ENDS: Final = re.compile(r"--!?>")
_OF_TEXT_ALONE: Final = frozenset(
    {"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"}
)
"""Elements in which nothing is a tag but their own end."""
_LINKS: Final = frozenset({"a", "area"})
_UNTRACKED: Final = "data-notrack"
_REFERENCE: Final = re.compile(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[a-zA-Z][a-zA-Z0-9]*;?)(=?)")
_OUTER: Final = "".join(map(chr, range(33)))
"""What the URL standard takes away from both ends."""
_INNER: Final = str.maketrans("", "", "\t\n\r")


class Link(NamedTuple):
    """One link: where its `href` stands, quotes included, and where it leads."""

    begin: int
    end: int
    url: str
    """As a browser reads it: without references, outer blanks and line ends."""
    untracked: bool
    """Its author marked it so, with `data-notrack`."""


class Links(NamedTuple):
    """What was found."""

    links: list[Link]
    body_ends: int | None
    """Where the last `</body>` stands; where there is none, the end. None: what is added there would not be seen."""


def links_of(html: str) -> Links:
    """All links with an `href`, in their order."""
    links: list[Link] = []
    body_ends: int | None = None
    at = 0
    while (mark := _MARK.search(html, at)) is not None:
        if mark[0] in {"<!--", "<!", "<?"}:
            after = _after_comment(html, mark.start())
        elif (tag := _TAG.match(html, mark.start())) is not None:
            name = tag[2].lower()
            after = tag.end()
            if tag[1]:
                body_ends = tag.start() if name == "body" else body_ends
            elif name in _LINKS:
                links += _link(tag)
            elif name in _OF_TEXT_ALONE:
                after = _after_text(html, after, name)
            elif name == "plaintext":
                after = None
        elif html.startswith("</", mark.start()) and not html[mark.end() : mark.end() + 1].isalpha():
            after = _after_comment(html, mark.start())
        else:
            after = None  # a tag that never ends
        if after is None:
            return Links(links, body_ends)
        at = after
    return Links(links, len(html) if body_ends is None else body_ends)


def rewritten(html: str, links: Links, url_of: Callable[[Link], str | None], at_end: str = "") -> str:
    """The document with other links: those of which `url_of` is a URL, of letters that HTML needs not escape. `at_end` is put before the
    end of the body."""
    parts: list[str] = []
    done = 0
    for link in links.links:
        if (url := url_of(link)) is not None:
            parts += (html[done : link.begin], '"', url, '"')
            done = link.end
    if at_end and links.body_ends is not None and links.body_ends >= done:
        parts += (html[done : links.body_ends], at_end)
        done = links.body_ends
    parts.append(html[done:])
    return "".join(parts)


def _link(tag: re.Match[str]) -> list[Link]:
    """Of attributes of one name the first counts."""
    found: tuple[int, int, str] | None = None
    untracked = False
    for attribute in _ATTRIBUTE.finditer(tag[3]):
        name = attribute[1].lower()
        untracked = untracked or name == _UNTRACKED
        if name == "href" and found is None:
            begin, end = attribute.span(2) if attribute[2] is not None else (-1, -1)
            found = begin, end, attribute[2] or ""
    if found is None or found[0] < 0:
        return []
    begin, end, value = found
    if value[:1] in {'"', "'"}:
        value = value[1:-1]
    url = _text(value).strip(_OUTER).translate(_INNER)
    return [Link(tag.start(3) + begin, tag.start(3) + end, url, untracked)]


def _after_comment(html: str, begin: int) -> int | None:
    if not html.startswith("<!--", begin):
        end = html.find(">", begin + 2)
        return None if end < 0 else end + 1
    for short in ("<!-->", "<!--->"):
        if html.startswith(short, begin):
            return begin + len(short)
    ended = _COMMENT_ENDS.search(html, begin + 4)
    return None if ended is None else ended.end()


def _after_text(html: str, begin: int, name: str) -> int | None:
    """Before the end tag."""
    ended = re.compile(rf"</{name}[{_SPACE}/>]", re.IGNORECASE | re.ASCII).search(html, begin)
    return None if ended is None else ended.start()


def _text(value: str) -> str:
    """An attribute's value without references (https://html.spec.whatwg.org/multipage/parsing.html#named-character-reference-state)."""
    return _REFERENCE.sub(_character, value) if "&" in value else value


_LONGEST_NUMBER: Final = 12
"""Characters of a reference such as `#x1F4A9;`; Python reads no number of thousands of digits."""


def _character(found: re.Match[str]) -> str:
    name, equals = found[1], found[2]
    if name.startswith("#"):
        from html import unescape  # noqa: PLC0415 - seldom

        return (unescape(f"&{name}") if len(name) <= _LONGEST_NUMBER else "\ufffd") + equals
    # Without a semicolon, before `=`, it is a parameter: `?a=1&copy=2`.
    if name not in html5 or (equals and not name.endswith(";")):
        return found[0]
    return html5[name] + equals
