"""A sealed secret opens for whom it was sealed, with a key that is there, and for nobody else."""

import pytest
from pydantic import ValidationError

from tocsin.trust import Seal, SealBroken, SealKeyMissing, SealSettings

OLD, NEW = ("2025", "o" * 32), ("2026", "n" * 32)


def test_what_was_sealed_opens_again_and_shows_nothing() -> None:
    seal = Seal([NEW])
    sealed = seal.seal("marked-secret", tenant="acme", entity="inbox_key/1")
    assert seal.open(sealed, tenant="acme", entity="inbox_key/1") == "marked-secret"
    assert "marked" not in sealed
    assert sealed != seal.seal("marked-secret", tenant="acme", entity="inbox_key/1")


@pytest.mark.parametrize(("tenant", "entity"), [("other", "inbox_key/1"), ("acme", "inbox_key/2")])
def test_it_opens_for_nobody_else(tenant: str, entity: str) -> None:
    sealed = Seal([NEW]).seal("secret", tenant="acme", entity="inbox_key/1")
    with pytest.raises(SealBroken):
        Seal([NEW]).open(sealed, tenant=tenant, entity=entity)


def test_tenant_and_entity_are_told_apart() -> None:
    sealed = Seal([NEW]).seal("secret", tenant="a", entity="b/c")
    with pytest.raises(SealBroken):
        Seal([NEW]).open(sealed, tenant="a/b", entity="c")


@pytest.mark.parametrize("changed", ["2026.", "2026.AAAA", "2026.****", "2026.é"])
def test_what_is_no_sealed_text_is_refused(changed: str) -> None:
    with pytest.raises(SealBroken):
        Seal([NEW]).open(changed, tenant="acme", entity="e")


def test_a_changed_letter_is_found() -> None:
    sealed = Seal([NEW]).seal("secret", tenant="acme", entity="e")
    key_id, _, text = sealed.partition(".")
    other = "A" if text[20] != "A" else "B"
    with pytest.raises(SealBroken):
        Seal([NEW]).open(f"{key_id}.{text[:20]}{other}{text[21:]}", tenant="acme", entity="e")


def test_a_key_is_replaced_by_the_next() -> None:
    before, meanwhile, after = Seal([OLD]), Seal([NEW, OLD]), Seal([NEW])
    first = before.seal("secret", tenant="acme", entity="e")
    assert meanwhile.open(first, tenant="acme", entity="e") == "secret"
    second = meanwhile.seal("secret", tenant="acme", entity="e")
    assert (meanwhile.is_current(first), meanwhile.is_current(second)) == (False, True)
    assert after.open(second, tenant="acme", entity="e") == "secret"
    with pytest.raises(SealKeyMissing, match="2025"):
        after.open(first, tenant="acme", entity="e")


def test_without_a_key_nothing_is_sealed() -> None:
    with pytest.raises(SealKeyMissing):
        Seal([]).seal("secret", tenant="acme", entity="e")


@pytest.mark.parametrize(
    "keys",
    [
        "2026",
        "2026:short",
        f"a b:{'x' * 32}",
        f"1:{'x' * 32},1:{'y' * 32}",
        ",".join(f"{n}:{'x' * 32}" for n in range(3)),
    ],
)
def test_keys_that_cannot_be_are_refused(keys: str) -> None:
    with pytest.raises(ValidationError):
        SealSettings.model_validate({"keys": keys})


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAL_KEYS", f"2026:{'n' * 32},2025:{'o' * 32}")
    seal = SealSettings().seal
    assert seal.open(Seal([OLD]).seal("s", tenant="t", entity="e"), tenant="t", entity="e") == "s"
    assert seal.is_current(seal.seal("s", tenant="t", entity="e"))
