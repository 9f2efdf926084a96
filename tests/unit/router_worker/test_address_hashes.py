"""What stands for an address where the address itself must not stand."""

import base64
import hashlib
import hmac
import re

import pytest

from tocsin.router.address_hashes import AddressHashes
from tocsin.router.secret_keys import SecretKey

OLD, NEW = SecretKey("old", "o" * 32), SecretKey("new", "n" * 32)
ADDRESS = "ada@bücher.example"


@pytest.mark.parametrize("secret", ["n" * 32, "n" * 64, "n" * 65, "ü" * 32])
def test_it_is_the_head_of_an_hmac_with_the_keys_id_in_front(secret: str):
    whole = hmac.new(secret.encode(), ADDRESS.encode(), hashlib.sha256).digest()
    made = AddressHashes([SecretKey("new", secret), OLD]).of(ADDRESS)
    assert made == f"new.{base64.urlsafe_b64encode(whole[:12]).decode()}"


@pytest.mark.parametrize("address", ["a@b.example", "+4915112345678", "t" * 4096, "zoë@x.example"])
def test_it_has_one_form_whatever_the_address(address: str):
    assert re.fullmatch(r"new\.[A-Za-z0-9_-]{16}", AddressHashes([NEW]).of(address))


@pytest.mark.parametrize(
    ("keys", "known"),
    [([OLD], True), ([NEW, OLD], True), ([OLD, NEW], True), ([NEW], False)],
)
def test_every_key_of_the_ring_recognises_what_it_has_hashed(keys: list[SecretKey], known: bool):
    made = AddressHashes([OLD]).of(ADDRESS)
    assert AddressHashes(keys).is_of(made, ADDRESS) is known


@pytest.mark.parametrize(
    "made", ["", "old", "old.", "old.short", ".AAAAAAAAAAAAAAAA", "old.AAAAAAAAAAAAAAAA", "old.ü"]
)
def test_what_is_no_hash_of_it_is_of_no_address(made: str):
    assert not AddressHashes([OLD]).is_of(made, ADDRESS)


def test_another_address_has_another_hash_and_a_key_never_shows():
    hashes = AddressHashes([OLD])
    assert not hashes.is_of(hashes.of(ADDRESS), "ada@example.org")
    assert "o" * 32 not in repr(OLD)


def test_all_keys_give_their_hash_the_first_in_front():
    both = AddressHashes([NEW, OLD]).all_of(ADDRESS)
    assert both == [AddressHashes([NEW]).of(ADDRESS), AddressHashes([OLD]).of(ADDRESS)]
