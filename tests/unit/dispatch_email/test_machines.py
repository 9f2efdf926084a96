"""Who is taken for a machine, by what requests say of themselves."""

import pytest

from tocsin.dispatch_email.machines import is_machine

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
OUTLOOK = "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"


@pytest.mark.parametrize(
    ("agent", "follows", "expected"),
    [
        (CHROME, True, False),
        (CHROME, False, False),
        (IPHONE, True, False),
        ("Mozilla/5.0 (Linux; Android 12; CUBOT X50) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36", True, False),
        (OUTLOOK, False, False),
        ("Outlook-iOS/2.0", False, False),
        ("Outlook-iOS/2.0", True, True),
        ("", False, True),
        ("Mozilla/5.0", False, True),
        ("Mozilla/5.0", True, True),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", False, True),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", False, True),
        ("Barracuda Sentinel (EE)", True, True),
        ("Mozilla/5.0 (compatible; proofpoint)", True, True),
        ("Mimecast URL Protect", True, True),
        ("Microsoft Office SafeLinks Protection", True, True),
        ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) BingPreview/1.0b", True, True),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True, True),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", True, True),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0.0.0 Safari/537.36", True, True),
        ("python-requests/2.32.3", True, True),
        ("curl/8.1.2", False, True),
    ],
)  # fmt: skip
def test_what_it_calls_itself(agent: str, follows: bool, expected: bool) -> None:
    assert is_machine("GET", {"user-agent": agent}, follows=follows) is expected


def test_head_is_no_person() -> None:
    assert is_machine("HEAD", {"user-agent": CHROME}, follows=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-purpose", "preview"),
        ("x-moz", "prefetch"),
    ],
)
def test_a_browser_that_loads_ahead_is_no_person_yet(name: str, value: str) -> None:
    assert is_machine("GET", {"user-agent": CHROME, name: value}, follows=True)
