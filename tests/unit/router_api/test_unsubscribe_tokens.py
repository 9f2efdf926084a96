"""Unsubscribe tokens: what was signed comes back, anything else does not."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.contracts.vocabulary import Channel
from tocsin.router.secret_keys import SecretKey
from tocsin.router.tokens import UnsubscribeTokens, Unsubscription, unsubscribe_url

OLD, NEW = SecretKey("old", "o" * 32), SecretKey("new", "n" * 32)
SAID = Unsubscription(tenant="acme", recipient="a/b?c", category="orders", channel=Channel.EMAIL)


@given(
    recipient=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=64),
    channel=st.sampled_from(Channel),
)
def test_what_was_signed_comes_back(recipient: str, channel: Channel) -> None:
    said = Unsubscription(tenant="acme", recipient=recipient, category="orders", channel=channel)
    tokens = UnsubscribeTokens([NEW])
    token = tokens.sign(said)
    assert tokens.verify(token) == said
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@given(st.text(max_size=80))
def test_no_other_text_is_a_token(text: str) -> None:
    assert UnsubscribeTokens([NEW]).verify(text) is None


@given(st.data())
def test_a_changed_token_is_none(data: st.DataObject) -> None:
    tokens = UnsubscribeTokens([NEW])
    halves = tokens.sign(SAID).split(".")
    which = data.draw(st.sampled_from([0, 1]))
    raw = bytearray(base64.urlsafe_b64decode(halves[which] + "=" * (-len(halves[which]) % 4)))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    halves[which] = base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()
    assert tokens.verify(".".join(halves)) is None


def test_a_token_is_written_in_one_way_alone() -> None:
    tokens = UnsubscribeTokens([NEW])
    token = tokens.sign(SAID)
    payload, signature = token.split(".")
    padded = f"{payload}{'=' * (-len(payload) % 4)}.{signature}{'=' * (-len(signature) % 4)}"
    for other in (padded, f"{token}=", f"{token}.", f"{token}.x", f" {token}", f"{token}\n"):
        assert tokens.verify(other) is None, other


def test_halves_of_two_tokens_are_none() -> None:
    tokens = UnsubscribeTokens([NEW])
    other = Unsubscription(tenant="beta", recipient="a/b?c", category="orders", channel=Channel.EMAIL)
    (payload, signature), (others_payload, others_signature) = (
        tokens.sign(said).split(".") for said in (SAID, other)
    )
    assert tokens.verify(f"{payload}.{others_signature}") is None
    assert tokens.verify(f"{others_payload}.{signature}") is None


def test_the_first_key_signs_and_every_key_is_accepted() -> None:
    before = UnsubscribeTokens([OLD]).sign(SAID)
    rotating = UnsubscribeTokens([NEW, OLD])
    assert rotating.verify(before) == SAID
    assert UnsubscribeTokens([NEW]).verify(rotating.sign(SAID)) == SAID
    assert UnsubscribeTokens([NEW]).verify(before) is None


def test_a_key_id_does_not_stand_for_another_secret() -> None:
    forged = UnsubscribeTokens([SecretKey("new", "x" * 32)]).sign(SAID)
    assert UnsubscribeTokens([NEW]).verify(forged) is None


def test_without_a_key_nothing_is_signed() -> None:
    with pytest.raises(LookupError, match="ROUTER_UNSUBSCRIBE_KEYS"):
        UnsubscribeTokens([]).sign(SAID)


def test_secrets_are_not_shown() -> None:
    assert "nnn" not in repr(NEW)


def test_the_address_of_a_link() -> None:
    assert unsubscribe_url("https://n.example.com/base/", "t.s") == "https://n.example.com/base/u/t.s"
