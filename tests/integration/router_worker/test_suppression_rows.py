"""What statuses teach, as rows of a real PostgreSQL: written once however often it is learnt, and everyone who has the address is raised."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert

from tocsin.contracts.statuses import Receipt, Status, status_of
from tocsin.contracts.vocabulary import Channel, StatusName
from tocsin.router import tables
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.policy import ANY, Lesson, Suppression
from tocsin.router.secret_keys import SecretKey
from tocsin.router.soft_bounces import SoftBounces
from tocsin.router.suppressions import remove
from tocsin.router.worker import address_lessons
from tocsin.router.worker.address_lessons import AddressLessons, Learnt
from tocsin.router.worker.load import RecipientLoader
from tocsin.router.worker.suppressed import StoredSuppressions
from tocsin.testing.jobs import job_for

pytestmark = pytest.mark.postgres

OLD, NEW = SecretKey("old", "o" * 32), SecretKey("h1", "h" * 32)
HASHES = AddressHashes([NEW, OLD])
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
async def people(database):
    """Ann, a twin with her address in other letters, Bob, and Ann's namesake at another tenant."""
    async with database.engine.begin() as db:
        await db.execute(insert(tables.tenants), [{"id": "acme"}, {"id": "other"}])
        await db.execute(
            insert(tables.categories),
            [{"tenant": "acme", "key": "news", "default": "on"}, {"tenant": "acme", "key": "login", "default": "required"}],
        )  # fmt: skip
        people = [
            ("acme", "ann", "ann@example.test"),
            ("acme", "twin", "Ann@example.test"),
            ("acme", "bob", "bob@example.test"),
            ("other", "ann", "ann@example.test"),
        ]
        rows = [{"tenant": tenant, "id": who, "email": email} for tenant, who, email in people]
        await db.execute(insert(tables.recipients), rows)


@pytest.fixture
def lessons(database) -> AddressLessons:
    return AddressLessons(database=database, hashes=HASHES)


def told(recipient: str = "ann", address: str = "ann@example.test", **fields: Any) -> Status:
    key = fields.pop("key", NEW)
    job = job_for(
        Channel.EMAIL,
        recipient=recipient,
        category=fields.pop("category", "news"),
        address_hash=AddressHashes([key]).of(address),
    )
    at = fields.pop("at", NOW)
    return status_of(
        StatusName.FAILED, job, lane=job.lane, cause=fields.pop("cause", "jobs/0/1"), at=at, **fields
    )


async def versions(database) -> dict[tuple[str, str], int]:
    async with database.driver() as connection:
        rows = await connection.fetch("SELECT tenant, recipient, version FROM directory.recipient_versions")
    return {(row["tenant"], row["recipient"]): row["version"] for row in rows}


async def stored(database) -> list[tuple[Any, ...]]:
    async with database.driver() as connection:
        rows = await connection.fetch(
            "SELECT channel, address_hash, category, cause, source, code, until FROM directory.suppressions ORDER BY 1, 2, 3, 4"
        )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("lesson", "row"),
    [(Lesson.DEAD, (ANY, "bounce")), (Lesson.STOP, (ANY, "complaint")), (Lesson.GIVEN_UP, ("news", "gone"))],
)
async def test_a_dead_address_is_suppressed_for_good_for_everyone_who_has_it(
    database, people, lessons, lesson, row
):
    status = told(provider_code="550 5.1.1")
    for _ in range(2):
        await lessons.learn([Learnt(lesson, status)])
        assert await stored(database) == [
            ("email", HASHES.of("ann@example.test"), *row, "provider", "550 5.1.1", None)
        ]
        assert await versions(database) == {("acme", "ann"): 1, ("acme", "twin"): 1}


async def test_it_is_the_address_that_was_sent_to(database, people, lessons):
    """The recipient has another one by now, whose other owners have nothing to do with it."""
    await lessons.learn([Learnt(Lesson.DEAD, told(recipient="bob"))])
    assert await versions(database) == {("acme", "bob"): 1}
    assert [row[1] for row in await stored(database)] == [HASHES.of("ann@example.test")]


async def test_a_bounce_after_the_recipient_was_deleted_holds_whoever_is_given_the_address(
    database, people, lessons
):
    async with database.engine.begin() as db:
        await db.execute(delete(tables.recipients).where(tables.recipients.c.tenant == "acme"))
    await lessons.learn([Learnt(Lesson.DEAD, told())])
    assert [row[1] for row in await stored(database)] == [HASHES.of("ann@example.test")]
    assert await versions(database) == {("acme", "ann"): 1}


async def test_rows_stand_if_and_only_if_the_versions_are_raised(database, people, lessons, monkeypatch):
    """The process ends between the two: nothing of it stands, and learning it again does all of it."""

    async def dies(*_: Any, **__: Any) -> None:
        raise ConnectionError("the process ends here")

    with monkeypatch.context() as patch:
        patch.setattr(address_lessons, "raise_versions", dies)
        with pytest.raises(ConnectionError):
            await lessons.learn([Learnt(Lesson.DEAD, told())])
    assert (await stored(database), await versions(database)) == ([], {})
    await lessons.learn([Learnt(Lesson.DEAD, told())])
    assert len(await stored(database)) == 1
    assert await versions(database) == {("acme", "ann"): 1, ("acme", "twin"): 1}


async def test_a_hash_of_the_former_key_finds_them_too(database, people, lessons):
    await lessons.learn([Learnt(Lesson.DEAD, told(key=OLD))])
    assert await versions(database) == {("acme", "ann"): 1, ("acme", "twin"): 1}


async def test_a_recipient_that_nobody_stores_is_raised_and_an_unknown_tenant_changes_nothing(
    database, people, lessons
):
    nobody, foreign = told(recipient="inline"), told()
    foreign.tenant = "gone"
    await lessons.learn([Learnt(Lesson.DEAD, nobody), Learnt(Lesson.DEAD, foreign)])
    assert await versions(database) == {("acme", "inline"): 1}
    assert len(await stored(database)) == 1


@pytest.mark.parametrize(("category", "off"), [("news", True), ("login", False), ("none", False)])
async def test_a_complaint_also_switches_the_category_off(database, people, lessons, category, off):
    status = told(category=category)
    for _ in range(2):
        await lessons.learn([Learnt(Lesson.COMPLAINT, status)])
        facts = await RecipientLoader(database=database).load([("acme", "ann")])
        preferences = facts["acme", "ann"].preferences
        assert [(each.scope, each.enabled, each.source) for each in preferences] == (
            [(f"email/{category}/*", False, "complaint")] if off else []
        )
        assert [row[3] for row in await stored(database)] == ["complaint"]


async def test_an_unsubscribe_is_a_preference_and_nothing_else(database, people, lessons):
    await lessons.learn([Learnt(Lesson.UNSUBSCRIBE, told())])
    facts = await RecipientLoader(database=database).load([("acme", "ann")])
    (preference,) = facts["acme", "ann"].preferences
    assert (preference.scope, preference.source) == ("email/news/*", "provider")
    assert await stored(database) == []


def soft(number: int, at: datetime) -> Learnt:
    return Learnt(Lesson.SOFT_BOUNCE, told(cause=f"receipt-{number}", at=at))


async def test_five_soft_bounces_within_seven_days_suppress_for_seven(database, people, lessons):
    days = [NOW - timedelta(days=day) for day in (8.5, 6, 4, 2, 1)]
    for number, at in enumerate(days):
        await lessons.learn([soft(number, at), soft(number, at)])
        await lessons.learn([soft(number, at)])
    assert await stored(database) == []  # the first is too old by then
    assert await versions(database) == {}
    await lessons.learn([soft(9, NOW)])
    until = NOW + timedelta(days=7)
    assert [(row[3], row[6]) for row in await stored(database)] == [("bounce", until)]
    assert await versions(database) == {("acme", "ann"): 1, ("acme", "twin"): 1}


async def test_what_comes_late_or_out_of_order_counts_by_when_it_happened(database, people, lessons):
    """Five of eight days are within seven, whichever of them is heard of last; and what was over before it was heard of suppresses nothing."""
    days = [8, 6, 5, 4, 3, 0.5]
    for number in (5, 2, 0, 4, 3):
        await lessons.learn([soft(number, NOW - timedelta(days=days[number]))])
    assert await stored(database) == []
    await lessons.learn([soft(1, NOW - timedelta(days=days[1]))])
    assert [row[6] for row in await stored(database)] == [NOW + timedelta(days=6.5)]

    bob = [
        Learnt(Lesson.SOFT_BOUNCE, told("bob", "bob@example.test", cause=f"r{n}", at=NOW - timedelta(days=8)))
        for n in range(5)
    ]
    await lessons.learn(bob)
    assert len(await stored(database)) == 1


async def test_it_counts_by_the_providers_clock_and_never_by_a_time_to_come(database, people, lessons):
    """The first five happened long ago, and were told today. Those of a clock that is ahead happened when they were taken in."""
    long_ago, ahead = NOW - timedelta(days=30), NOW + timedelta(days=300)

    def receipts(receipt_at: datetime, at: datetime) -> list[Learnt]:
        receipt = Receipt(id="r", at=receipt_at)
        return [
            Learnt(Lesson.SOFT_BOUNCE, told(cause=f"{receipt_at}-{n}", at=at, receipt=receipt))
            for n in range(5)
        ]

    await lessons.learn(receipts(long_ago, NOW))
    assert await stored(database) == []
    await lessons.learn(receipts(ahead, NOW))
    assert [row[6] for row in await stored(database)] == [NOW + timedelta(days=7)]
    async with database.engine.begin() as db:
        await db.execute(delete(tables.suppressions))
        await db.execute(delete(tables.soft_bounces))
    await lessons.learn(receipts(ahead, ahead))
    (row,) = await stored(database)
    assert row[6] < NOW + timedelta(days=8)


async def test_all_at_once_count_too_and_what_is_removed_begins_anew(database, people, lessons):
    bounces = [soft(number, NOW) for number in range(5)]
    await lessons.learn(bounces)
    assert len(await stored(database)) == 1
    async with database.engine.begin() as db:
        hashes = HASHES.all_of("ann@example.test")
        removed = await remove(db, tenant="acme", channel="email", hashes=hashes, key_id="k", reason="asked")
    assert removed == 1
    await lessons.learn([soft(6, NOW)])
    assert await stored(database) == []


async def test_soft_bounces_that_count_no_more_are_deleted(database, people, lessons):
    await lessons.learn(
        [soft(1, NOW - timedelta(days=14.5)), soft(2, NOW - timedelta(days=13.5)), soft(3, NOW)]
    )
    table = SoftBounces(database=database)
    assert await table.delete_expired(at_most=10) == 1
    assert await table.delete_expired(at_most=10) == 0


async def test_a_hard_bounce_outlasts_a_soft_one(database, people, lessons):
    await lessons.learn([*(soft(number, NOW) for number in range(5)), Learnt(Lesson.DEAD, told())])
    assert [(row[3], row[6]) for row in await stored(database)] == [("bounce", None)]
    await lessons.learn([soft(7, NOW + timedelta(days=1))])
    assert [(row[3], row[6]) for row in await stored(database)] == [("bounce", None)]


async def test_who_is_given_the_address_meanwhile_is_raised_too(database, people, lessons, monkeypatch):
    """The row is written and not visible yet when somebody is given the address: the second look finds them."""
    raise_owners = AddressLessons._raise

    async def given_between(self, db, statuses, *, but=None):
        raised = await raise_owners(self, db, statuses, but=but)
        if but is None:
            async with database.engine.begin() as elsewhere:
                late = {"tenant": "acme", "id": "late", "email": "ANN@example.test"}
                await elsewhere.execute(insert(tables.recipients), [late])
        return raised

    monkeypatch.setattr(AddressLessons, "_raise", given_between)
    await lessons.learn([Learnt(Lesson.DEAD, told())])
    assert await versions(database) == {("acme", who): 1 for who in ("ann", "twin", "late")}


async def test_what_is_stored_is_found_by_tenant_channel_and_hash(database, people, lessons):
    loader, rows = RecipientLoader(database=database), StoredSuppressions(database=database)
    facts = await loader.load([("acme", "ann"), ("other", "ann")])
    assert not any(each.suppressed_channels for each in facts.values())
    await lessons.learn([Learnt(Lesson.DEAD, told())])
    people_of = [("acme", "bob"), ("acme", "nobody"), ("other", "ann")]
    facts = await loader.load(people_of)
    assert [list(facts[key].suppressed_channels) for key in people_of] == [["email"], ["email"], []]
    hashed = HASHES.of("ann@example.test")
    asked = [
        ("acme", "email", hashed),
        ("acme", "sms", hashed),
        ("other", "email", hashed),
        ("acme", "email", "h1.x"),
    ]
    found = await rows.find(asked)
    assert list(found) == [asked[0]]
    (row,) = found[asked[0]]
    assert row == Suppression(hashed, ANY, "bounce", "provider", row.since)
