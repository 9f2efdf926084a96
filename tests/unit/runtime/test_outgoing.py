"""Which targets may be called: the operator's words beside the registries of public addresses."""

from ipaddress import ip_address

import pytest

from tocsin.runtime.outgoing import (
    NOT_HTTPS,
    NOT_PUBLIC,
    NOT_THIS_PORT,
    AllowedTargets,
    OutgoingSettings,
    is_public,
)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("2606:4700::1111", True),
        ("2606:4700::1111%lo", False),
        ("::1", False),
        ("::ffff:93.184.215.14", True),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("ff02::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://example.com/", None),
        ("https://example.com:443/", None),
        ("https://example.com:8443/", NOT_THIS_PORT),
        ("https://example.com:99999/", NOT_THIS_PORT),
        ("http://example.com/", NOT_HTTPS),
        ("ftp://example.com/", NOT_HTTPS),
        ("https://10.0.0.1/", NOT_PUBLIC),
        ("https://[::1]/", NOT_PUBLIC),
        ("https://[1]/", NOT_PUBLIC),
        ("https://93.184.215.14/", None),
    ],
)
def test_what_the_form_of_a_url_tells(url: str, fault: str | None) -> None:
    assert AllowedTargets().fault_of(url) == fault


@pytest.mark.parametrize(
    ("entry", "url", "fault"),
    [
        ("hooks.internal", "http://hooks.internal/", None),
        ("hooks.internal", "http://HOOKS.internal./", None),
        ("hooks.internal", "http://hooks.internal:8080/", NOT_HTTPS),
        ("hooks.internal:8443", "https://hooks.internal:8443/", None),
        ("10.1.0.0/16", "http://10.1.2.3/", None),
        ("10.1.0.0/16", "https://10.2.0.1/", NOT_PUBLIC),
        ("[fd00::/8]:8080", "http://[fd00::1]:8080/", None),
        (":8443", "https://example.com:8443/", None),
        ("127.0.0.1:*", "http://127.0.0.1:65000/", None),
    ],
)
def test_what_the_operator_allows(entry: str, url: str, fault: str | None) -> None:
    assert AllowedTargets([entry]).fault_of(url) == fault


@pytest.mark.parametrize(
    "entry", ["", "a b", "10.0.0.0/33", "host:0", "host:70000", "[::ffff:10.0.0.0/104]", "[64:ff9b::/96]"]
)
def test_what_makes_no_sense_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="write"):
        AllowedTargets([entry])


def test_a_denied_network_is_called_only_under_a_name_that_is_allowed() -> None:
    targets = AllowedTargets(
        ["hooks.internal", "2600:1f18:1::/48"], denied=["2600:1f18::/32", "93.184.215.0/24"]
    )
    for address in ("2600:1f18:1::a", "93.184.215.14", "::ffff:93.184.215.14"):
        assert not targets.address(ip_address(address), 443, tls=True)
    assert targets.host("hooks.internal", 443)
    assert targets.address(ip_address("2606:4700::1111"), 443, tls=True)
    with pytest.raises(ValueError, match="is no network"):
        AllowedTargets(denied=["hooks.internal"])


def test_the_settings_are_both_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGOING_ALLOW", "10.1.0.0/16")
    monkeypatch.setenv("OUTGOING_DENY", "10.1.9.0/24")
    allowed = OutgoingSettings().allowed
    assert allowed.address(ip_address("10.1.2.3"), 80, tls=False)
    assert not allowed.address(ip_address("10.1.9.3"), 80, tls=False)
