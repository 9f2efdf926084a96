"""`/v1/suppressions`: added, found, imported, removed with a trace; of one tenant alone, and no address in any answer."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tocsin.router.address_hashes import AddressHashes
from tocsin.router.api import suppressions as api
from tocsin.router.api.app import create_app
from tocsin.router.secret_keys import SecretKey

from .conftest import Caller, Directory

ANN = {"channel": "email", "address": "Ann@Example.com"}
SAME = {"channel": "email", "address": "ann@example.com"}
HASH = AddressHashes([SecretKey("h1", "h" * 32)]).of("ann@example.com")


async def found(client: httpx.AsyncClient, named: dict[str, Any] = SAME) -> list[dict[str, Any]]:
    answer = await client.post("/v1/suppressions/search", json=named)
    assert answer.status_code == 200, answer.text
    assert "@" not in answer.text
    return list(answer.json()["data"])


async def test_one_is_added_once_and_raises_whoever_has_the_address(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    for who, email in (("ann", "ann@example.com"), ("twin", "ANN@example.com"), ("bob", "bob@example.com")):
        await acme.put(f"/v1/recipients/{who}", json={"email": email})
    added = await acme.post("/v1/suppressions", json=ANN)
    assert added.status_code == 201
    (row,) = added.json()["data"]
    assert row["created_at"]
    assert row["key_id"]
    assert {name: row[name] for name in row if name not in {"created_at", "key_id"}} == {
        "channel": "email", "address_hash": HASH, "category": None, "cause": "manual", "source": "api", "code": None,
        "notification_id": None, "spares_required": False, "until": None,
    }  # fmt: skip
    assert [await directory.version(who) for who in ("ann", "twin", "bob")] == [1, 1, 0]
    assert [change[-1] for change in await directory.changed()] == ["ann", "twin"]
    again = await acme.post("/v1/suppressions", json=SAME)
    assert (again.status_code, again.json()) == (200, added.json())
    assert await directory.changed() == []


@pytest.mark.parametrize("many", [False, True])
async def test_who_is_given_the_address_meanwhile_is_raised_too(
    acme: httpx.AsyncClient, directory: Directory, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    """The row is written and not visible yet when somebody is given the address: the second look finds them."""
    look = api._holders

    async def given_between(*asked: Any) -> set[str]:
        owners = await look(*asked)
        if not await directory.rows("SELECT id FROM directory.recipients WHERE id = 'late'"):
            await acme.put("/v1/recipients/late", json={"email": "ANN@example.com"})
        return owners

    await acme.put("/v1/recipients/ann", json={"email": "ann@example.com"})
    monkeypatch.setattr(api, "_holders", given_between)
    path, body = ("/bulk", {"suppressions": [ANN]}) if many else ("", ANN)
    assert (await acme.post(f"/v1/suppressions{path}", json=body)).is_success
    assert [await directory.version(who) for who in ("ann", "late")] == [1, 1]


SOON, LATER = "2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"


async def test_what_stands_is_never_shortened(acme: httpx.AsyncClient) -> None:
    async def add(until: str | None) -> str | None:
        await acme.post("/v1/suppressions", json=ANN | {"until": until})
        (row,) = await found(acme)
        return str(row["until"]) if row["until"] else None

    assert [await add(until) for until in (SOON, LATER, SOON, None, SOON)] == [SOON, LATER, LATER, None, None]


@pytest.mark.parametrize("many", [False, True])
async def test_what_spares_required_categories_and_what_does_not_stand_side_by_side(
    acme: httpx.AsyncClient, many: bool
) -> None:
    """One is for good and spares them, the other ends and does not: neither takes over what the other says."""
    sparing, strict = ANN | {"spares_required": True}, ANN | {"until": SOON}
    both = [(False, SOON), (True, None)]
    for rows in ([sparing, strict], [strict, sparing]):
        if many:
            answer = await acme.post("/v1/suppressions/bulk", json={"suppressions": rows})
            assert [item["result"] for item in answer.json()["items"]] == ["created"] * 2
        else:
            assert [(await acme.post("/v1/suppressions", json=row)).status_code for row in rows] == [201] * 2
        assert [(row["spares_required"], row["until"]) for row in await found(acme)] == both
        again = await acme.post("/v1/suppressions/bulk", json={"suppressions": rows})
        assert [item["result"] for item in again.json()["items"]] == ["unchanged"] * 2
        gone = await acme.post(
            "/v1/suppressions/remove", json=SAME | {"reason": "r", "spares_required": False}
        )
        assert gone.json() == {"removed": 1}
        assert [(row["spares_required"], row["until"]) for row in await found(acme)] == both[1:]
        await acme.post("/v1/suppressions/remove", json=SAME | {"reason": "r"})
    removals = (await acme.get("/v1/suppressions/removals")).json()["data"]
    assert [row["spares_required"] for row in removals] == [False, True] * 2


async def test_one_row_is_removed_by_all_that_names_it_and_the_others_stay(acme: httpx.AsyncClient) -> None:
    kinds: list[dict[str, Any]] = [
        {"cause": "bounce"},
        {"cause": "manual"},
        {"cause": "manual", "spares_required": True},
        {"cause": "manual", "category": "news"},
        {"cause": "manual", "category": "offers"},
    ]
    for kind in kinds:
        assert (await acme.post("/v1/suppressions", json=ANN | kind)).status_code == 201
    listed = (await acme.get("/v1/suppressions", params={"category": "*"})).json()["data"]
    assert len(listed) == 3
    for kind in kinds:
        named = {"category": "*", "spares_required": False} | kind
        gone = await acme.post("/v1/suppressions/remove", json=SAME | named | {"reason": "r"})
        assert gone.json() == {"removed": 1}
        assert (await acme.post("/v1/suppressions", json=ANN | kind)).status_code == 201
    assert len(await found(acme)) == len(kinds)


async def test_a_page_ends_between_rows_that_differ_in_whom_they_spare_alone(acme: httpx.AsyncClient) -> None:
    rows = [ANN | {"spares_required": spares} for spares in (True, False)]
    await acme.post("/v1/suppressions/bulk", json={"suppressions": rows})
    first = (await acme.get("/v1/suppressions", params={"limit": 1})).json()
    rest = (await acme.get("/v1/suppressions", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert [row["spares_required"] for row in first["data"] + rest["data"]] == [False, True]
    assert not rest["has_more"]


async def test_each_cause_and_category_stands_for_itself(acme: httpx.AsyncClient) -> None:
    for fields in ({"cause": "bounce"}, {"cause": "manual", "category": "news"}, {"cause": "manual"}):
        assert (await acme.post("/v1/suppressions", json=ANN | fields)).status_code == 201
    assert [(row["cause"], row["category"]) for row in await found(acme)] == [
        ("bounce", None),
        ("manual", None),
        ("manual", "news"),
    ]
    listed = (await acme.get("/v1/suppressions", params={"cause": "manual", "category": "news"})).json()
    assert [row["category"] for row in listed["data"]] == ["news"]
    gone = await acme.post("/v1/suppressions/remove", json=SAME | {"reason": "r", "cause": "bounce"})
    assert gone.json() == {"removed": 1}
    assert {row["cause"] for row in await found(acme)} == {"manual"}


async def test_removing_is_recorded_with_key_and_reason(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    await acme.post("/v1/suppressions", json=ANN)
    by_hash = {"channel": "email", "address_hash": HASH}
    body = by_hash | {"reason": "she asked us to"}
    assert (await acme.post("/v1/suppressions/remove", json=body)).json() == {"removed": 1}
    assert await found(acme, by_hash) == []
    twice = await acme.post("/v1/suppressions/remove", json=body)
    assert (twice.status_code, twice.json()["code"]) == (404, "not_found")
    (removal,) = (await acme.get("/v1/suppressions/removals")).json()["data"]
    key_id = acme.headers["authorization"].split("_")[2]
    assert (removal["reason"], removal["key_id"]) == ("she asked us to", key_id)
    assert (removal["address_hash"], removal["cause"], removal["category"]) == (HASH, "manual", None)
    assert removal["removed_at"] >= removal["suppressed_at"]


async def test_a_deleted_recipients_address_stays_suppressed(acme: httpx.AsyncClient) -> None:
    await acme.put("/v1/recipients/ann", json={"email": "ann@example.com"})
    await acme.post("/v1/suppressions", json=ANN)
    assert (await acme.delete("/v1/recipients/ann")).status_code == 204
    assert len(await found(acme)) == 1


async def test_an_import_answers_each_row_and_twice_changes_nothing(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    await acme.put("/v1/recipients/ann", json={"email": "ann@example.com"})
    rows: list[Any] = [
        ANN | {"cause": "complaint", "source": "import"},
        {"channel": "sms", "address": "+49 30 12345678", "cause": "bounce"},
        {"channel": "email", "address": "nobody"},
        {"channel": "email", "address_hash": HASH, "cause": "complaint"},
        {"channel": "email"},
        7,
        {"channel": "fax", "address": "1"},
        ANN | {"cause": "bounce", "spares_required": True},
        {"channel": "push", "address": "token-1"},
    ]
    first = await acme.post("/v1/suppressions/bulk", json={"suppressions": rows})
    assert first.status_code == 207
    assert "nobody" not in first.text
    answers = [
        (item["result"], [fault["code"] for fault in item["errors"]]) for item in first.json()["items"]
    ]
    assert answers == [
        ("created", []),
        ("created", []),
        ("refused", ["email_invalid"]),
        ("unchanged", []),
        ("refused", ["address_or_hash"]),
        ("refused", ["model_type"]),
        ("refused", ["enum"]),
        ("refused", ["spares_contradicts"]),
        ("created", []),
    ]
    pointers = [fault["pointer"] for item in first.json()["items"] for fault in item["errors"]]
    assert pointers[0] == "/suppressions/2/address"
    assert await directory.version("ann") == 1
    second = (await acme.post("/v1/suppressions/bulk", json={"suppressions": rows})).json()["items"]
    assert [item["result"] for item in second] == [
        "unchanged" if result == "created" else result for result, _ in answers
    ]
    assert await directory.version("ann") == 1
    nothing = await acme.post("/v1/suppressions/bulk", json={"suppressions": [7]})
    assert (nothing.status_code, nothing.json()["code"]) == (422, "batch_refused")


async def test_a_list_is_paged_and_filtered(acme: httpx.AsyncClient) -> None:
    rows = [{"channel": "email", "address": f"a{number}@example.com"} for number in range(7)]
    rows.append({"channel": "sms", "address": "+493012345678"})
    await acme.post("/v1/suppressions/bulk", json={"suppressions": rows})
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await acme.get("/v1/suppressions", params={"limit": 3, **cursor})).json()
        seen += [row["address_hash"] for row in page["data"]]
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert len(seen) == len(set(seen)) == 8
    assert len((await acme.get("/v1/suppressions", params={"channel": "sms"})).json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"channel": "email", "address": "no"}, "/address", "email_invalid"),
        ({"channel": "sms", "address": "12"}, "/address", "phone_invalid"),
        ({"channel": "push", "address": "a b"}, "/address", "device_invalid"),
        ({"channel": "email", "address_hash": "short"}, "/address_hash", "string_pattern_mismatch"),
        (ANN | {"until": "tomorrow"}, "/until", "datetime_from_date_parsing"),
        (ANN | {"adress": "x"}, "/adress", "field_unknown"),
    ],
)
async def test_faults_are_named(acme: httpx.AsyncClient, body: Any, pointer: str, code: str) -> None:
    answer = await acme.post("/v1/suppressions", json=body)
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]
    assert "Ann@" not in answer.text


async def test_one_tenants_list_is_nothing_to_another(
    acme: httpx.AsyncClient, other: httpx.AsyncClient, directory: Directory
) -> None:
    await other.put("/v1/recipients/ann", json={"email": "ann@example.com"})
    await acme.post("/v1/suppressions", json=ANN)
    assert await found(other) == []
    assert (await other.get("/v1/suppressions")).json()["data"] == []
    refused = await other.post("/v1/suppressions/remove", json=SAME | {"reason": "theirs"})
    assert refused.status_code == 404
    assert len(await found(acme)) == 1
    await acme.post("/v1/suppressions/remove", json=SAME | {"reason": "ours"})
    assert (await other.get("/v1/suppressions/removals")).json()["data"] == []
    assert await directory.version("ann", tenant="other") == 0


async def test_both_keys_find_and_remove_while_one_replaces_the_other(
    acme: httpx.AsyncClient, app: FastAPI, caller: Caller
) -> None:
    await acme.post("/v1/suppressions", json=ANN)
    new = SecretKey("h2", "n" * 32)
    app.state.hashes = AddressHashes([new, SecretKey("h1", "h" * 32)])
    assert [row["address_hash"] for row in await found(acme)] == [HASH]
    await acme.post("/v1/suppressions", json=ANN)
    assert [row["address_hash"] for row in await found(acme)] == [
        HASH,
        AddressHashes([new]).of("ann@example.com"),
    ]
    removed = await acme.post("/v1/suppressions/remove", json=SAME | {"reason": "r"})
    assert removed.json() == {"removed": 2}


def test_a_description_needs_no_keys() -> None:
    assert "/v1/suppressions" in create_app().openapi()["paths"]


@pytest.mark.nightly
async def test_a_hundred_thousand_rows_are_imported(acme: httpx.AsyncClient, directory: Directory) -> None:
    """As the command does: a thousand a request. One address in a hundred is a recipient's."""
    await directory.rows(
        "INSERT INTO directory.recipients (tenant, id, email) SELECT 'acme', 'r' || n, 'r' || n || '@example.com' FROM generate_series(1, 1000) n"
    )
    for begin in range(0, 100_000, 1_000):
        rows = [
            {"channel": "email", "address": f"R{begin + number}@example.com", "cause": "bounce"}
            for number in range(1_000)
        ]
        answer = await acme.post("/v1/suppressions/bulk", json={"suppressions": rows})
        assert answer.status_code == 200
        assert {item["result"] for item in answer.json()["items"]} == {"created"}
    assert await directory.rows("SELECT count(*) FROM directory.suppressions") == [(100_000,)]
    assert await directory.rows("SELECT count(*) FROM directory.recipient_versions") == [(1_000,)]
