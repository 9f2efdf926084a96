"""What may be the link of a notification."""

import pytest

from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.link import LONGEST, link

LONG = "https://shop.example/"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("https://shop.example", True),
        ("http://localhost:8080/orders?id=1&x=%20#top", True),
        ("HTTPS://shop.example/Orders", True),
        ("https://bücher.example/übersicht", True),
        ("https://[2001:db8::1]:443/x", True),
        (LONG + "x" * (LONGEST - len(LONG)), True),
        (LONG + "x" * (LONGEST - len(LONG) + 1), False),
        ("", False),
        ("shop.example/orders", False),
        ("//shop.example", False),
        ("ftp://shop.example", False),
        ("javascript:alert(1)", False),
        ("shop://orders/1", False),
        ("https://", False),
        ("https:///orders", False),
        ("https://:443/", False),
        ("https://shop.example:port/", False),
        ("https://ann:secret@shop.example/", False),
        ("https://bank.example@shop.example/", False),
        ("https://shop.example/a b", False),
        ("https://shop.example/\n", False),
        ("https://shop.example/\u2028", False),
        ("https://shop.example/\ud800", False),
        ('https://shop.example/"><script>', False),
        ("https://shop.example\\@other.example/", False),
        (" https://shop.example", False),
    ],
)
def test_links(text, valid):
    if valid:
        assert link(text) == text
        return
    with pytest.raises(ValueRefused) as refused:
        link(text)
    assert (refused.value.code, refused.value.pointer) == ("link_invalid", "")
