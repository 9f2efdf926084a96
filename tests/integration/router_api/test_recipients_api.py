"""Recipients and devices: saved, read, paged, and every loss of an address noticed."""

import json
from base64 import urlsafe_b64encode

import httpx
import pytest

from .conftest import Directory

ADA = {
    "email": "ada@example.com",
    "phone": "+49 30 12345678",
    "locale": "de-at",
    "time_zone": "Europe/Vienna",
    "attributes": {"plan": "pro", "tags": ["a"]},
}


async def test_a_recipient_comes_back_as_saved_and_saving_twice_changes_nothing(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    made = await acme.put("/v1/recipients/ada", json=ADA)
    assert made.status_code == 201
    again = await acme.put("/v1/recipients/ada", json=ADA)
    assert again.status_code == 200
    read = await acme.get("/v1/recipients/ada")
    assert read.json() == made.json() == again.json()
    assert read.headers["etag"] == made.headers["etag"] == again.headers["etag"]
    body = read.json()
    assert (body["phone"], body["locale"], body["version"]) == ("+493012345678", "de-AT", 0)
    assert body["attributes"] == ADA["attributes"]
    assert await directory.changed() == []


@pytest.mark.parametrize(
    ("change", "raised"),
    [
        ({"email": "ada@example.org"}, True),
        ({"email": None}, True),
        ({"phone": None}, True),
        ({"locale": "en"}, False),
        ({"attributes": {}}, False),
    ],
)
async def test_losing_an_address_raises_the_version(
    acme: httpx.AsyncClient, directory: Directory, change: dict[str, object], raised: bool
) -> None:
    await acme.put("/v1/recipients/ada", json=ADA)
    changed = await acme.put("/v1/recipients/ada", json={**ADA, **change})
    assert changed.status_code == 200
    assert changed.json()["version"] == await directory.version("ada") == int(raised)
    assert await directory.changed() == ([("recipient_version", "acme", "ada")] if raised else [])


async def test_gaining_an_address_takes_nothing_away(acme: httpx.AsyncClient, directory: Directory) -> None:
    await acme.put("/v1/recipients/bob", json={})
    await acme.put("/v1/recipients/bob", json={"email": "bob@example.com"})
    assert await directory.version("bob") == 0


async def test_a_version_outlives_its_recipient(acme: httpx.AsyncClient, directory: Directory) -> None:
    await acme.put("/v1/recipients/ada", json=ADA)
    assert (await acme.delete("/v1/recipients/ada")).status_code == 204
    assert (await acme.get("/v1/recipients/ada")).status_code == 404
    assert (await acme.delete("/v1/recipients/ada")).status_code == 404
    back = await acme.put("/v1/recipients/ada", json=ADA)
    assert back.status_code == 201
    assert back.json()["version"] == await directory.version("ada") == 1


async def test_deleting_takes_devices_and_preferences(acme: httpx.AsyncClient, directory: Directory) -> None:
    await acme.put("/v1/recipients/ada", json=ADA)
    await acme.put("/v1/recipients/ada/devices/phone", json={"token": "t"})
    switched = {"preferences": [{"channel": "sms", "enabled": True}]}
    assert (await acme.put("/v1/recipients/ada/preferences", json=switched)).status_code == 200
    assert await directory.changed() == []
    await acme.delete("/v1/recipients/ada")
    assert await directory.changed() == [("recipient_version", "acme", "ada")]
    back = await acme.put("/v1/recipients/ada", json=ADA)
    assert (back.status_code, back.json()["devices"]) == (201, [])
    assert (await acme.get("/v1/recipients/ada/preferences")).json()["stored"] == []


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"email": "nobody"}, "/email", "email_invalid"),
        ({"email": "a b@example.com"}, "/email", "email_invalid"),
        ({"email": "a@example.com\r\nBcc: b@example.com"}, "/email", "email_invalid"),
        ({"phone": "030 12345678"}, "/phone", "phone_invalid"),
        ({"phone": "+1"}, "/phone", "phone_invalid"),
        ({"locale": "klingon"}, "/locale", "locale_invalid"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone", "time_zone_unknown"),
        ({"attributes": {"a": ["x\u0000"]}}, "/attributes/a/0", "text_invalid"),
        ({"attributes": {"a": "x" * 40_000}}, "/attributes", "too_large"),
        ({"attributes": []}, "/attributes", "dict_type"),
        ({"mail": "a@example.com"}, "/mail", "field_unknown"),
    ],
)
async def test_faults_are_named_by_pointer(
    acme: httpx.AsyncClient, body: dict[str, object], pointer: str, code: str
) -> None:
    refused = await acme.put("/v1/recipients/ada", json=body)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [(pointer, code)]


async def test_half_a_surrogate_pair_is_refused_and_breaks_nothing(acme: httpx.AsyncClient) -> None:
    refused = await acme.put(
        "/v1/recipients/ada",
        content=b'{"attributes": {"a": "\\ud800"}}',
        headers={"content-type": "application/json"},
    )
    assert refused.status_code == 422


async def test_updates_ask_for_what_was_read(acme: httpx.AsyncClient) -> None:
    unseen = await acme.put("/v1/recipients/ada", json=ADA, headers={"if-match": '"1"'})
    assert unseen.status_code == 412
    first = await acme.put("/v1/recipients/ada", json=ADA)
    seen = {"if-match": first.headers["etag"]}
    second = await acme.put("/v1/recipients/ada", json={**ADA, "locale": "en"}, headers=seen)
    assert second.status_code == 200
    assert second.headers["etag"] != first.headers["etag"]
    lost = await acme.put("/v1/recipients/ada", json={**ADA, "locale": "fr"}, headers=seen)
    assert lost.status_code == 412
    assert (await acme.delete("/v1/recipients/ada", headers=seen)).status_code == 412
    assert (await acme.delete("/v1/recipients/ada", headers={"if-match": "*"})).status_code == 204


@pytest.mark.parametrize("name", ["user/42", "a%2Fb", "mïa", "a b", "x?y#z", "u" * 256])
async def test_any_id_can_be_written_in_an_address(acme: httpx.AsyncClient, name: str) -> None:
    path = "/v1/recipients/" + httpx.QueryParams({"x": name}).__str__()[2:].replace("+", "%20")
    assert (await acme.put(path, json={})).json()["id"] == name
    assert (await acme.get(f"{path}/devices")).json() == {"data": []}
    assert (await acme.get(path)).json()["id"] == name


async def test_two_unicode_forms_of_an_id_are_two_recipients(acme: httpx.AsyncClient) -> None:
    paths = {"Zo\u00eb": "/v1/recipients/Zo%C3%AB", "Zoe\u0308": "/v1/recipients/Zoe%CC%88"}
    for name, path in paths.items():
        assert (await acme.put(path, json={"attributes": {"form": len(name)}})).status_code == 201
    for name, path in paths.items():
        kept = (await acme.get(path)).json()
        assert (kept["id"], kept["attributes"]) == (name, {"form": len(name)})


@pytest.mark.parametrize("path", ["%00", "a%0Ab", "u" * 257])
async def test_an_id_that_is_none_is_refused(acme: httpx.AsyncClient, path: str) -> None:
    assert (await acme.put(f"/v1/recipients/{path}", json={})).status_code == 422


async def test_every_recipient_is_on_one_page(acme: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
    names = [f"r{number:02}" for number in range(23)]
    saved = await acme.post("/v1/recipients/bulk", json={"recipients": [{"id": name} for name in names]})
    assert saved.status_code == 200
    await other.put("/v1/recipients/stranger", json={})
    seen, cursor = [], None
    while True:
        params = {"limit": 10} | ({"cursor": cursor} if cursor else {})
        page = (await acme.get("/v1/recipients", params=params)).json()
        seen += [entry["id"] for entry in page["data"]]
        cursor = page["next_cursor"]
        assert page["has_more"] == (cursor is not None)
        if cursor is None:
            break
    assert seen == names


async def test_another_tenants_cursor_shows_ones_own_alone(
    acme: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    for client, names in ((acme, "abc"), (other, "xyz")):
        await client.post("/v1/recipients/bulk", json={"recipients": [{"id": name} for name in names]})
    cursor = (await acme.get("/v1/recipients", params={"limit": 1})).json()["next_cursor"]
    page = (await other.get("/v1/recipients", params={"cursor": cursor})).json()
    assert [recipient["id"] for recipient in page["data"]] == ["x", "y", "z"]


@pytest.mark.parametrize("cursor", ["nonsense", "WzFd", "W10", "WyJhIiwiYiJd", "WyJcdTAwMDAiXQ"])
async def test_a_forged_cursor_is_refused(acme: httpx.AsyncClient, cursor: str) -> None:
    refused = await acme.get("/v1/recipients", params={"cursor": cursor})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_cursor")


async def test_a_thousand_at_once_each_with_its_answer(acme: httpx.AsyncClient, directory: Directory) -> None:
    body = [{"id": f"r{number}", "email": f"r{number}@example.com"} for number in range(1000)]
    first = await acme.post("/v1/recipients/bulk", json={"recipients": body})
    assert first.status_code == 200
    assert {item["result"] for item in first.json()["items"]} == {"created"}
    body[1]["email"] = "else@example.com"
    body[2]["email"] = "nobody"
    body[3] = {"email": "x@example.com"}
    body[4] = body[0]
    second = await acme.post("/v1/recipients/bulk", json={"recipients": body})
    assert second.status_code == 207
    results = second.json()["items"]
    assert [item["result"] for item in results[:5]] == [
        "unchanged",
        "updated",
        "refused",
        "refused",
        "refused",
    ]
    assert {item["result"] for item in results[5:]} == {"unchanged"}
    assert results[2]["errors"][0]["pointer"] == "/recipients/2/email"
    assert results[3]["errors"][0]["pointer"] == "/recipients/3/id"
    assert results[4]["errors"][0]["code"] == "repeated"
    assert await directory.changed() == [("recipient_version", "acme", "r1")]


async def test_many_recipients_of_which_none_can_be_taken(acme: httpx.AsyncClient) -> None:
    refused = await acme.post("/v1/recipients/bulk", json={"recipients": [{"id": ""}, 7]})
    assert (refused.status_code, refused.json()["code"]) == (422, "batch_refused")
    assert refused.headers["content-type"] == "application/problem+json"
    assert [item["result"] for item in refused.json()["items"]] == ["refused", "refused"]
    assert [item["errors"][0]["pointer"] for item in refused.json()["items"]] == [
        "/recipients/0/id",
        "/recipients/1",
    ]
    too_many = await acme.post("/v1/recipients/bulk", json={"recipients": [{"id": "a"}] * 1001})
    assert too_many.status_code == 422
    assert too_many.json()["errors"][0]["pointer"] == "/recipients"


@pytest.mark.parametrize("device", [{"kind": "apns", "token": "no-hex"}, {"token": "{}", "kind": "webpush"}])
async def test_a_token_has_the_form_of_its_kind(acme: httpx.AsyncClient, device: dict[str, str]) -> None:
    await acme.put("/v1/recipients/ada", json=ADA)
    refused = await acme.put("/v1/recipients/ada/devices/d1", json=device)
    assert refused.status_code == 422
    (fault,) = refused.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/token", "device_invalid")


async def test_a_subscription_is_kept_in_one_form(acme: httpx.AsyncClient) -> None:
    keys = {"p256dh": urlsafe_b64encode(b"\x04" + b"\xff" * 64).decode(), "auth": "c2l4dGVlbiBvY3RldHMuLg=="}
    token = json.dumps(
        {"endpoint": "https://push.example/1", "expirationTime": None, "keys": keys}, separators=(",", ":")
    )
    await acme.put("/v1/recipients/ada", json=ADA)
    made = await acme.put("/v1/recipients/ada/devices/d1", json={"kind": "webpush", "token": token})
    kept = {
        "endpoint": "https://push.example/1",
        "keys": {name: key.rstrip("=") for name, key in keys.items()},
    }
    assert json.loads(made.json()["token"]) == kept


async def test_devices_come_and_go(acme: httpx.AsyncClient, directory: Directory) -> None:
    path = "/v1/recipients/ada/devices/phone%2F1"
    assert (await acme.put(path, json={"token": "t1"})).status_code == 404
    await acme.put("/v1/recipients/ada", json=ADA)
    first, second = "ab" * 32, "cd" * 32
    made = await acme.put(path, json={"token": first, "kind": "apns"})
    assert (made.status_code, made.json()["id"]) == (201, "phone/1")
    again = await acme.put(path, json={"token": first, "kind": "apns"})
    assert again.status_code == 200
    # That the app is there still is told by its time alone: see `gone_since`.
    assert again.json().pop("updated_at") > made.json()["updated_at"]
    assert again.json() | {"updated_at": ""} == made.json() | {"updated_at": ""}
    assert await directory.version("ada") == 0
    await acme.put(path, json={"token": second, "kind": "apns"})
    assert await directory.version("ada") == 1
    assert [device["token"] for device in (await acme.get("/v1/recipients/ada")).json()["devices"]] == [
        second
    ]
    assert (await acme.get(path)).json()["token"] == second
    assert (await acme.delete(path)).status_code == 204
    assert await directory.version("ada") == 2
    assert (await acme.delete(path)).status_code == 404
    assert (await acme.get("/v1/recipients/ada/devices")).json() == {"data": []}
