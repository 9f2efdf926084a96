"""`/v1/inbox`: what recipients see and do, each in their own box and nobody in another's."""

from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from .conftest import NOW, Inboxes, item
from .inbox_callers import SHOP, InboxApi, inbox_api

pytestmark = pytest.mark.postgres


@pytest.fixture
def api(inboxes: Inboxes) -> InboxApi:
    return inbox_api(inboxes)


async def counts(client: httpx.AsyncClient) -> tuple[int, int, int]:
    body = (await client.get("/v1/inbox/counts")).json()
    return body["unseen"], body["unread"], body["last_seq"]


async def test_an_item_is_shown_with_what_it_has_and_without_what_it_has_not(inboxes: Inboxes, api: InboxApi):
    await inboxes.store(stored := item())
    async with api.of() as ada:
        answer = await ada.get("/v1/inbox/items")
    assert answer.json() == {
        "data": [
            {
                "id": str(stored.id),
                "seq": 1,
                "category": "orders",
                "title": "marked-body title",
                "body": "marked-body",
                "data": {"order": "4711"},
                "actions": [],
                "created_at": "2026-06-01T12:00:00Z",
            }
        ],
        "has_more": False,
    }


async def test_pages_go_on_where_the_last_one_ended_and_polling_where_one_has_read(
    inboxes: Inboxes, api: InboxApi
):
    await inboxes.store(*(item() for _ in range(5)))
    async with api.of() as ada:
        first = (await ada.get("/v1/inbox/items", params={"limit": 2})).json()
        assert ([each["seq"] for each in first["data"]], first["has_more"]) == ([5, 4], True)
        query = {"limit": 3, "cursor": first["next_cursor"]}
        second = (await ada.get("/v1/inbox/items", params=query)).json()
        assert [each["seq"] for each in second["data"]] == [3, 2, 1]
        assert not second["has_more"]
        assert "next_cursor" not in second
        newer = (await ada.get("/v1/inbox/items", params={"after": 2, "limit": 2})).json()
        assert ([each["seq"] for each in newer["data"]], newer["has_more"]) == ([3, 4], True)
        both = await ada.get("/v1/inbox/items", params={"after": 2, "cursor": first["next_cursor"]})
    assert (both.status_code, both.json()["code"]) == (422, "invalid_request")


async def test_filters_leave_out_what_is_read_archived_or_of_another_category(
    inboxes: Inboxes, api: InboxApi
):
    first, second, third = item(), item(), item(category="news")
    await inboxes.store(first, second, third)
    async with api.of() as ada:

        async def shown(**query: str | bool) -> list[int]:
            answer = await ada.get("/v1/inbox/items", params=query)
            return [each["seq"] for each in answer.json()["data"]]

        await ada.patch(f"/v1/inbox/items/{first.id}", json={"read": True})
        await ada.patch(f"/v1/inbox/items/{second.id}", json={"archived": True})
        assert await shown() == [3, 1]
        assert await shown(unread=True) == [3]
        assert await shown(archived=True) == [2]
        assert await shown(category="orders") == [1]
        assert await counts(ada) == (1, 1, 3)
    await inboxes.counts_are_those_of_rows()


async def test_what_is_done_stays_done_and_can_be_taken_back(inboxes: Inboxes, api: InboxApi):
    await inboxes.store(stored := item())
    path = f"/v1/inbox/items/{stored.id}"
    async with api.of() as ada:
        read = (await ada.patch(path, json={"read": True})).json()
        assert (read["seen_at"], read["read_at"]) == ("2026-06-01T12:00:00Z",) * 2
        api.clock.advance(60)
        assert (await ada.patch(path, json={"seen": True, "read": True})).json() == read
        unread = (await ada.patch(path, json={"read": False, "archived": True})).json()
        assert "read_at" not in unread
        assert unread["archived_at"] == "2026-06-01T12:01:00Z"
        assert await counts(ada) == (0, 0, 1)
        back = (await ada.patch(path, json={"archived": False})).json()
        assert "archived_at" not in back
        assert await counts(ada) == (0, 1, 1)
    rows = await inboxes.rows("SELECT status FROM inbox.changes ORDER BY id")
    assert [row["status"] for row in rows] == ["seen", "read", "archived"]
    assert api.told == [("acme", "ada", [stored.id])] * 4


async def test_a_click_names_its_action_and_reads_the_item(inboxes: Inboxes, api: InboxApi):
    content = item().content.replace('"data"', '"actions":[{"name":"track","label":"Track it"}],"data"')
    await inboxes.store(stored := item(content=content))
    async with api.of() as ada:
        answer = await ada.post(f"/v1/inbox/items/{stored.id}/actions/track")
        assert answer.json()["clicked"] == {"action": "track", "at": "2026-06-01T12:00:00Z"}
        assert answer.json()["actions"] == [{"name": "track", "label": "Track it"}]
        assert await counts(ada) == (0, 0, 1)
        unknown = await ada.post(f"/v1/inbox/items/{stored.id}/actions/buy")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


async def test_a_box_is_seen_up_to_a_number(inboxes: Inboxes, api: InboxApi):
    await inboxes.store(*(item() for _ in range(4)))
    async with api.of() as ada:
        answer = await ada.post("/v1/inbox/items/seen", json={"until": 3})
        assert answer.json() == {"unseen": 1, "unread": 4, "last_seq": 4}
        again = await ada.post("/v1/inbox/items/seen", json={"until": 3})
        assert again.json() == answer.json()
        everything = await ada.post("/v1/inbox/items/seen", json={"until": 2**63 - 1})
        assert everything.json()["unseen"] == 0
    assert [len(items) for _, _, items in api.told] == [3, 1]
    await inboxes.counts_are_those_of_rows()


async def test_more_than_one_transaction_takes_are_all_seen(inboxes: Inboxes, api: InboxApi):
    await inboxes.store(*(item() for _ in range(1_100)))
    async with api.of() as ada:
        answer = await ada.post("/v1/inbox/items/seen", json={"until": 1_050})
    assert answer.json()["unseen"] == 50
    rows = await inboxes.rows("SELECT count(*) AS told FROM inbox.changes")
    assert rows[0]["told"] == 1_050


async def test_what_has_expired_is_gone_before_the_sweep_comes(inboxes: Inboxes, api: InboxApi):
    await inboxes.store(stored := item(remove_at=NOW + timedelta(seconds=30)))
    api.clock.advance(31)
    async with api.of() as ada:
        assert (await ada.get("/v1/inbox/items")).json()["data"] == []
        assert (await ada.patch(f"/v1/inbox/items/{stored.id}", json={"read": True})).status_code == 404


async def test_nobody_can_tell_what_is_anothers_from_what_never_was(inboxes: Inboxes, api: InboxApi):
    """Another recipient of the tenant, the same recipient of another tenant, an id of nobody, and what is no id."""
    mine, bens, betas = item(), item("ben"), item(tenant="beta")
    await inboxes.store(mine, bens, betas)
    answers = set()
    async with api.of() as ada:
        for id_ in (bens.id, betas.id, uuid4(), "none", "%2e", "x" * 100, "' OR 1=1 --"):
            for answer in (
                await ada.patch(f"/v1/inbox/items/{id_}", json={"read": True}),
                await ada.post(f"/v1/inbox/items/{id_}/actions/track"),
            ):
                body = answer.json()
                answers.add((answer.status_code, body["code"], body["detail"]))
        assert [each["id"] for each in (await ada.get("/v1/inbox/items")).json()["data"]] == [str(mine.id)]
    assert answers == {(404, "not_found", "Your box has no item of this id.")}
    rows = await inboxes.rows("SELECT FROM inbox.items WHERE read_at IS NOT NULL")
    assert rows == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"seen": False}, ""),
        ({"read": "perhaps"}, "/read"),
        ({"reed": True}, "/reed"),
        ({"read": True, "seq": 1}, "/seq"),
        ([], ""),
    ],
)
async def test_a_change_that_makes_no_sense_is_refused_by_name(
    inboxes: Inboxes, api: InboxApi, body: object, pointer: str
):
    await inboxes.store(stored := item())
    async with api.of() as ada:
        answer = await ada.patch(f"/v1/inbox/items/{stored.id}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=WyJ4Il0",
        "limit=0",
        "limit=9999",
        "after=-1",
        "after=9223372036854775808",
        "until=3",
        "category=a&category=b",
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(api: InboxApi, query: str):
    async with api.of() as ada:
        answer = await ada.get(f"/v1/inbox/items?{query}")
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_number_that_is_none_is_refused(api: InboxApi):
    async with api.of() as ada:
        for until in (-1, 2**63, "three", None, 1.5):
            assert (await ada.post("/v1/inbox/items/seen", json={"until": until})).status_code == 422


async def test_who_had_no_item_yet_has_an_empty_box(api: InboxApi):
    async with api.of("nobody") as nobody:
        assert await counts(nobody) == (0, 0, 0)
        assert (await nobody.post("/v1/inbox/items/seen", json={"until": 5})).json()["unseen"] == 0


async def test_without_a_token_nothing_is_told(api: InboxApi):
    transport = httpx.ASGITransport(app=api.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://inbox.test") as nobody:
        for method, path in (
            ("GET", "items"),
            ("GET", "counts"),
            ("PATCH", f"items/{uuid4()}"),
            ("POST", "items/seen"),
        ):
            answer = await nobody.request(
                method, f"/v1/inbox/{path}", json={"read": True} if method != "GET" else None
            )
            assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
        late = {"authorization": f"Bearer {api.token(exp=1)}"}
        assert (await nobody.get("/v1/inbox/counts", headers=late)).json()["code"] == "token_expired"


async def test_only_pages_of_the_tenant_are_shown_the_answer(api: InboxApi):
    async with api.of() as ada:
        mine = await ada.get("/v1/inbox/counts", headers={"origin": SHOP})
        theirs = await ada.get("/v1/inbox/counts", headers={"origin": "https://beta.example"})
        asked = await ada.options(
            "/v1/inbox/items",
            headers={"origin": SHOP, "access-control-request-method": "PATCH"},
        )
    assert mine.headers["access-control-allow-origin"] == SHOP
    assert (theirs.status_code, theirs.headers.get("access-control-allow-origin")) == (403, None)
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, SHOP)
