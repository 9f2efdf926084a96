"""Origins are taken as browsers write them: one that no browser sends would be saved and never match."""

import pytest

from tocsin.web import checked_origin


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example",
        "http://localhost:3000",
        "https://[::1]:8443",
        "http://x:443",
        "https://x:65535",
    ],
)
def test_what_browsers_send_is_taken(origin: str) -> None:
    assert checked_origin(origin) == origin


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        ("https://x:443", "Leave out :443"),
        ("http://x:80", "Leave out :80"),
        ("https://x:99999", "no such port"),
        ("https://x:0", "Not the origin"),
        ("https://x:0443", "Not the origin"),
        ("https://x/", "Not the origin"),
        ("https://X", "Not the origin"),
        ("null", "Not the origin"),
        ("https://" + "x" * 300, "Not the origin"),
    ],
)
def test_others_are_refused_with_a_sentence(origin: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        checked_origin(origin)
