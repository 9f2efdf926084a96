"""Addresses in canonical form on the wire; nothing that could begin a header or an address of its own."""

import pytest

from tocsin.dispatch_email.mailboxes import NoMailbox, mailbox


@pytest.mark.parametrize(
    ("address", "wire", "domain", "international"),
    [
        ("ada@example.org", "ada@example.org", "example.org", False),
        ("a.b+c=d/e@x-y.example", "a.b+c=d/e@x-y.example", "x-y.example", False),
        ("root@localhost", "root@localhost", "localhost", False),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "xn--bcher-kva.example", False),
        ("zoë@example.org", "zoë@example.org", "example.org", True),
        ("用户@xn--r8jz45g.jp", "用户@xn--r8jz45g.jp", "xn--r8jz45g.jp", True),
    ],
)
def test_addresses_that_are_taken(address: str, wire: str, domain: str, international: bool) -> None:
    box = mailbox(address)
    assert (box.wire.decode(), box.domain, box.international) == (wire, domain, international)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@@example.org",
        "ada @example.org",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org\n",
        "ada@example.org\0",
        "ada@exam ple.org",
        "ada@example.org>",
        "<ada@example.org>",
        "Ada <ada@example.org>",
        "ada@example.org, eve@example.org",
        "<@relay.example:ada@example.org>",
        "@relay.example:ada@example.org",
        "ada@example.org> SIZE=1",
        "ada@example.org BODY=8BITMIME",
        '"a b"@example.org',
        "ada@\u200b.example",
        "ada@bücher.example",
        "zo\u2028ë@example.org",
        "zo\ud800@example.org",
    ],
)
def test_addresses_that_are_refused(address: str) -> None:
    with pytest.raises(NoMailbox) as refusal:
        mailbox(address)
    assert not address or address not in str(refusal.value)
