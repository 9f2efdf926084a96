"""Our DKIM signatures, verified by dkimpy; the mail itself stays byte for byte what it was."""

from base64 import b64encode
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
)
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from tocsin.channel import ProvidersInvalid, check_providers
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.dispatch_email.dkim import DkimKey, Key, _relaxed_body, signed
from tocsin.dispatch_email.dkim_settings import DkimConfig, keys_for
from tocsin.dispatch_email.dkim_signer import DkimSigner
from tocsin.dispatch_email.mailboxes import mailbox
from tocsin.dispatch_email.mime import mail
from tocsin.dispatch_email.smtp import SMTP

NOW = 1_767_225_600
RSA, ED25519 = generate_rsa(65537, 2048), Ed25519PrivateKey.generate()
KEYS = [DkimKey(b"example.com", b"2026a", RSA), DkimKey(b"example.com", b"2026b", ED25519)]
hostile = st.sampled_from(["\r\nBcc: eve@example.org\r\n", "\n\n", "\r", " \t", "\t\n", "  x  ", "=?utf-8?q?=0A?=", "\n.", "ä"])  # fmt: skip
texts = st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs"])), hostile), max_size=6).map(
    "".join
)


def record(key: Key) -> bytes:
    """The public key as DNS has it."""
    public = key.public_key()
    if isinstance(key, RSAPrivateKey):
        return b"v=DKIM1; k=rsa; p=" + b64encode(
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
    return b"v=DKIM1; k=ed25519; p=" + b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw))


def pem(key: Key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


RECORDS = {b"2026a._domainkey.example.com.": record(RSA), b"2026b._domainkey.example.com.": record(ED25519)}


def dns(name: bytes, timeout: float = 5) -> bytes:
    return RECORDS[name]


def verified(message: bytes, *, signatures: int = 2) -> list[bool]:
    """What dkimpy says of each signature, from the top."""
    assert message.count(b"DKIM-Signature:") == signatures
    return [_verified(message, number) for number in range(signatures)]


def _verified(message: bytes, number: int) -> bool:
    try:
        return bool(dkim.DKIM(message).verify(idx=number, dnsfunc=dns))
    except dkim.DKIMException:
        return False


def built(
    subject: str = "Hello", text: str | None = "Hello", html: str | None = None, to: str = "ada@example.org"
) -> bytes:
    return mail(
        content=EmailContent(subject=subject, text=text, html=html),
        sender=SenderIdentity(address="shop@example.com", name="Müller, GmbH", reply_to="help@example.com"),
        to=mailbox(to),
        delivery_id="3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10",
        notification_id="c1d3a1f0-2f6e-5a2b-9a67-0d7a3b1c2e4f",
        unsubscribe_url="https://tocsin.example/u/abc.def",
        now=NOW,
    )


@settings(max_examples=50)
@given(subject=texts, text=texts, html=texts)
def test_dkimpy_verifies_any_mail_which_stays_what_it_was(subject: str, text: str, html: str) -> None:
    plain = built(subject, text, html)
    message = signed(plain, KEYS, now=NOW)
    assert message.endswith(plain)
    assert verified(message) == [True, True]


@pytest.mark.parametrize(
    "content",
    [{"text": ""}, {"text": "\n\n \n"}, {"text": None, "html": "<p>x </p>"}, {"to": "größe@example.org"}],
)
def test_rare_bodies_and_addresses(content: dict[str, str | None]) -> None:
    assert verified(signed(built(**content), KEYS, now=NOW)) == [True, True]  # type: ignore[arg-type]


def test_what_a_relay_may_do_does_not_break_it() -> None:
    message = signed(built(text="two words"), KEYS, now=NOW)
    for before, after in (
        (b"Unsubscribe: <", b"Unsubscribe:\r\n\t<"),
        (b"Date: Thu, 01 Jan", b"Date:   Thu,\r\n 01  Jan"),
    ):
        assert before in message
        message = message.replace(before, after)
    relayed = b"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n" + message.replace(
        b"two words", b"two \t words"
    )
    assert verified(relayed.rstrip(b"\r\n") + b"\r\n\r\n") == [True, True]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Subject: Hello", b"Subject: Hallo"),
        (b"\r\n\r\nHello", b"\r\n\r\nHallo"),
        (b"shop@example.com", b"eve@example.com"),
        (b"https://tocsin.example/u/abc.def", b"https://evil.example/u/abc.def"),
        (b"To: <ada", b"To: <eve@example.org>\r\nTo: <ada"),
        (b"help@example.com", b"eve@example.org"),
        (b"MIME-Version", b"From: <eve@example.org>\r\nMIME-Version"),
        (b"MIME-Version", b"Subject: Win\r\nMIME-Version"),
        (b"MIME-Version", b"Reply-To: <eve@example.org>\r\nMIME-Version"),
        (b"MIME-Version", b"Sender: <eve@example.org>\r\nMIME-Version"),
        (b"MIME-Version", b"Cc: <eve@example.org>\r\nMIME-Version"),
        (b"MIME-Version", b"Date: Fri, 2 Jan 2026 00:00:00 +0000\r\nMIME-Version"),
        (b"MIME-Version", b"MIME-Version: 1.1\r\nMIME-Version"),
        (b"MIME-Version", b"Content-Type: text/html\r\nMIME-Version"),
        (b"MIME-Version", b"Content-Transfer-Encoding: base64\r\nMIME-Version"),
        (b"MIME-Version", b"List-Unsubscribe: <https://evil.example/>\r\nMIME-Version"),
        (b"MIME-Version", b"List-Unsubscribe-Post: List-Unsubscribe=Never\r\nMIME-Version"),
    ],
)
def test_a_change_breaks_it(before: bytes, after: bytes) -> None:
    message = signed(built(), KEYS, now=NOW)
    assert before in message
    assert verified(message.replace(before, after, 1)) == [False, False]


def test_no_line_of_a_signature_is_long() -> None:
    head, _, _ = signed(built(), KEYS, now=NOW).partition(b"MIME-Version")
    assert max(map(len, head.split(b"\r\n"))) <= 76


bodies = st.lists(st.sampled_from([b"a", b" ", b"  ", b"\t", b"\r\n", b"=20", b"b" * 80]), max_size=20).map(
    b"".join
)


@given(body=bodies)
def test_dkimpy_has_the_same_canonical_body(body: bytes) -> None:
    body += b"\r\n"  # as every mail ends
    assert _relaxed_body(body) == (Relaxed.canonicalize_body(body) if body.strip() else b"")


@pytest.mark.parametrize(
    ("domain", "selectors"),
    [
        ("example.com", ["a", "b"]),
        ("news.example.com", ["c"]),
        ("x.news.example.com", ["c"]),
        ("mail.example.com", ["a", "b"]),
        ("badexample.com", []),
        ("com", []),
        ("example.org", []),
    ],
)
def test_which_keys_a_sender_has(domain: str, selectors: list[str]) -> None:
    keys = tuple(
        DkimConfig.model_construct(domain=name, selector=selector, key_file=SecretStr("a key"))
        for name, selector in (("example.com", "a"), ("example.com", "b"), ("news.example.com", "c"))
    )
    assert [key.selector for key in keys_for(domain, keys)] == selectors


def test_a_sender_without_a_key_is_not_signed(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(pem(ED25519))
    entry = {"domain": "example.com", "selector": "2026b", "key_file": "key"}
    signer = DkimSigner((DkimConfig.model_validate(entry, context={"folder": tmp_path}),))
    assert signer.signed(b"mail", domain="example.org", now=NOW) == b"mail"
    assert verified(signer.signed(built(), domain="example.com", now=NOW), signatures=1) == [True]


def short_rsa() -> RSAPrivateKey:
    """768 bits: `cryptography` makes none, and reads them."""
    p = 0xF9B43143D633010C91D8690BB957DAE214E14FB1AEFDFB7D809D146AC40B2EEE06A3A93AC60FBADD6E88531BE42D47E1
    q = 0xF871F8F937D4B65B5464EB9A7E16DC01E9F55E6555418EE11DFFF9B077F4268F40DCE80A420B0068EAE39929DEF3ABB5
    d = pow(65537, -1, (p - 1) * (q - 1))
    rest = rsa_crt_dmp1(d, p), rsa_crt_dmq1(d, q), rsa_crt_iqmp(p, q)
    return RSAPrivateNumbers(p, q, d, *rest, RSAPublicNumbers(65537, p * q)).private_key()


BLOCK = "PRIVATE KEY-----"
SECP112R1 = "MD4CAQEEDn9LvwqE1UgpsQJ0V92EoAcGBSuBBAAGoSADHgAEYbtns6MY8D/dhxsxCAFCMyaOvXt8CAPHMwmt3Q=="
"""A key on a curve that `cryptography` does not know."""
FIRST = 'domain = "example.com"\nselector = "a"\nkey_file = "rsa"'


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (["", ""], None),
        ([FIRST, FIRST.replace('"a"', '"b"').replace("rsa", "ed25519")], None),
        ([FIRST, FIRST], "a selector stands twice"),
        ([FIRST, FIRST.replace('"a"', '"b"'), FIRST.replace('"a"', '"c"')], "a domain has two keys at most"),
        ([FIRST.replace("rsa", "words")], "the file must hold a private key in PEM, without a password."),
        ([FIRST.replace("rsa", "ec")], "the key must be RSA or Ed25519."),
        ([FIRST.replace("rsa", "curve")], "the file must hold a private key in PEM, without a password."),
        ([FIRST.replace("rsa", "encrypted")], "the file must hold a private key in PEM, without a password."),
        ([FIRST.replace("rsa", "short")], "an RSA key must have 1024 bits or more; use 2048."),
        ([FIRST.replace("example.com", "com")], "`dkim.0.domain` is not valid"),
        ([FIRST.replace('"a"', '"a b"')], "`dkim.0.selector` is not valid"),
        (['domain = "example.com"\nselector = "a"'], "`dkim.0.key_file` is missing."),
    ],
    ids=range(12),
)
def test_the_configuration(tmp_path: Path, keys: list[str], sentence: str | None) -> None:
    texts = {
        "rsa": pem(RSA),
        "ed25519": pem(ED25519),
        "ec": generate_ec(SECP256R1())
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode(),
        "curve": f"-----BEGIN EC {BLOCK}\n{SECP112R1}\n-----END EC {BLOCK}\n",
        "encrypted": ED25519.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"s3cret")
        ).decode(),
        "short": pem(short_rsa()),
        "words": "s3cret",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    tables = "\n".join(f"[[providers.dkim]]\n{key}" for key in keys if key)
    path = tmp_path / "providers.toml"
    path.write_text(f'[[providers]]\nname = "a"\nkind = "smtp"\nhost = "mail.example.com"\n{tables}\n')
    if sentence is None:
        check_providers(path, {"smtp": SMTP})
        return
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(path, {"smtp": SMTP})
    assert sentence in str(invalid.value)
    assert len(invalid.value.faults) == 1
    assert "s3cret" not in str(invalid.value)
    assert "PRIVATE" not in str(invalid.value)
