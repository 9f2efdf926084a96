"""The keys and origins that topic `directory` tells of, as whoever verifies tokens holds them."""

import pytest

from tocsin.contracts.codec import UNREADABLE_ERRORS, encode
from tocsin.contracts.directory import InboxKey, InboxKeysRecord, TenantRecord
from tocsin.kafka import ConsumerRecord
from tocsin.testing import ManualClock
from tocsin.trust import RecipientKey, Seal
from tocsin.web import InboxKeyTable, Problem, sealed_for

SHOP, DESK = "https://shop.example", "https://desk.example"
SEAL = Seal([("k1", "s" * 32)])
SECRET = "a-secret-of-the-tenants-own-server"
PUBLIC = InboxKey(id="e1", algorithm="ES256", public_key="PEM")


def shared(*, tenant: str = "acme", seal: Seal = SEAL) -> InboxKey:
    """A key of HS256 that was sealed for this tenant."""
    sealed = seal.seal(SECRET, tenant=tenant, entity=sealed_for("h1"))
    return InboxKey(id="h1", algorithm="HS256", sealed=sealed)


def said(tenant: str, keys: list[InboxKey] | None, *origins: str) -> ConsumerRecord:
    """The record of a tenant; None: its end."""
    entity = InboxKeysRecord(tenant=tenant, keys=keys or [], origins=list(origins))
    value = None if keys is None else encode(entity)
    return ConsumerRecord(
        topic="directory", partition=0, offset=0, timestamp_ms=0, key=entity.record_key, value=value
    )


@pytest.fixture
def table() -> InboxKeyTable:
    return InboxKeyTable(seal=SEAL)


async def test_keys_are_opened_for_their_tenant_alone(table: InboxKeyTable) -> None:
    table.apply(said("acme", [shared(), PUBLIC]))
    table.apply(said("other", [shared(tenant="acme")]))  # a record that was copied
    opened = await table.key("acme", "h1", only_known=False)
    assert opened == RecipientKey(algorithm="HS256", key=SECRET)
    assert await table.key("acme", "e1", only_known=False) == RecipientKey(algorithm="ES256", key="PEM")
    assert await table.key("acme", "2026", only_known=False) is None
    assert await table.key("nobody", "h1", only_known=False) is None
    assert await table.key("other", "h1", only_known=False) is None


async def test_the_newest_record_is_all_that_holds(table: InboxKeyTable) -> None:
    table.apply(said("acme", [shared()]))
    table.apply(said("acme", [PUBLIC]))
    assert await table.key("acme", "h1", only_known=False) is None
    table.apply(said("acme", None))
    table.apply(said("acme", None))
    assert await table.key("acme", "e1", only_known=False) is None


async def test_origins_are_a_tenants_own_and_gone_with_the_last_who_names_them(table: InboxKeyTable) -> None:
    table.apply(said("acme", [PUBLIC], SHOP))
    table.apply(said("other", [PUBLIC], SHOP, DESK))
    assert await table.lets_call(SHOP, "acme", only_known=False)
    assert not await table.lets_call(DESK, "acme", only_known=False)
    assert await table.lets_call(DESK, None, only_known=False)
    table.apply(said("other", None))
    assert not await table.lets_call(DESK, None, only_known=False)
    assert await table.lets_call(SHOP, None, only_known=False)


async def test_an_operator_is_told_of_a_seal_key_that_is_gone_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[dict[str, str]] = []

    class Log:
        def warning(self, _event: str, **fields: str) -> None:
            lines.append(fields)

    monkeypatch.setattr("tocsin.web.inbox_keys.log", Log())
    clock = ManualClock()
    table = InboxKeyTable(seal=SEAL, clock=clock)
    table.apply(said("acme", [shared(seal=Seal([("k0", "t" * 32)]))]))
    for _ in range(3):
        with pytest.raises(Problem) as refused:
            await table.key("acme", "h1", only_known=False)
        assert refused.value.code.status == 503
    assert [(line["tenant"], line["inbox_key"]) for line in lines] == [("acme", "h1")]
    clock.advance(61)
    with pytest.raises(Problem):
        await table.key("acme", "h1", only_known=False)
    assert len(lines) == 2
    assert SECRET not in str(lines)


def test_what_is_no_inbox_key_is_passed_over_and_what_cannot_be_read_is_told(table: InboxKeyTable) -> None:
    tenant = TenantRecord(tenant="acme")
    table.apply(
        ConsumerRecord(
            topic="directory",
            partition=0,
            offset=0,
            timestamp_ms=0,
            key=tenant.record_key,
            value=b"not looked into",
        )
    )
    with pytest.raises(UNREADABLE_ERRORS):
        table.apply(
            ConsumerRecord(
                topic="directory", partition=0, offset=0, timestamp_ms=0, key=b"inbox_keys/acme", value=b"{"
            )
        )
