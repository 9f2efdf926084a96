"""A mail of a category that is tracked, as the local stack sends it: its links lead on, and the timeline says what was done."""

import re
import time
import uuid
from html import unescape
from typing import Any

import httpx
import pytest

from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

PERSON = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
PARTS = {
    "subject": "News",
    "html": '<p>Hello</p><a href="https://shop.example/news?a=1&amp;b=2">Read</a> <a data-notrack href="https://shop.example/login">Log in</a>',
    "text": "Hello",
    "actions.1.name": "more",
    "actions.1.label": "More of this",
}


async def mail_of_a_tracked_category(tocsin: Any) -> tuple[str, dict[str, Any]]:
    """The notification, and the mail that the catcher has of it."""
    name, person = f"news-{uuid.uuid4().hex[:8]}", await tocsin.person()
    workflow = {"name": "News", "category": name, "lane": "transactional", "channels": ["email"]}
    for path, body in (
        (f"categories/{name}", {"name": "News", "tracking": "individual"}),
        (f"workflows/{name}", workflow),
        (f"workflows/{name}/templates/email/default/en", {"parts": PARTS, "publish": True}),
        (f"workflows/{name}", workflow | {"published": True}),
    ):
        answer = await tocsin.admin.put(f"/v1/{path}", json=body)
        assert answer.is_success, answer.text
    body = {"workflow": name, "recipients": [person.id]}
    sent: list[str] = []

    async def taken() -> bool:
        answer = await tocsin.api.post("/v1/notifications", json=body)
        if answer.status_code == 202:
            sent.append(answer.json()["notifications"][0]["notification_id"])
        return bool(answer.status_code == 202)

    await until(taken, seconds=60, every=0.5)
    await tocsin.until_final(sent[0], deliveries=1)
    (mail,) = await tocsin.caught(sent[0])
    return sent[0], mail


async def test_what_is_read_followed_and_pressed_stands_in_the_timeline(tocsin: Any) -> None:
    notification, mail = await mail_of_a_tracked_category(tocsin)
    html = mail["html"]
    assert 'href="https://shop.example/login"' in html
    picture, link, button = (
        unescape(re.search(pattern, html)[1])  # type: ignore[index]
        for pattern in (r'src="([^"]+/t/[^"]+)"', r'href="([^"]+/t/[^"]+)"', r'href="([^"]+/a/[^"]+)"')
    )
    caught = time.monotonic()
    # So soon after the mail only scanners follow links.
    await until(lambda: time.monotonic() > caught + 3)
    async with httpx.AsyncClient(headers={"user-agent": PERSON}, timeout=30) as client:
        assert (await client.get(picture)).headers["content-type"] == "image/gif"
        assert (await client.get(link)).headers["location"] == "https://shop.example/news?a=1&b=2"

        async def done() -> dict[tuple[str, str | None], bool]:
            return {
                (status["status"], status["receipt"].get("action")): status["receipt"]["automated"]
                for status in await tocsin.statuses(notification)
                if status.get("receipt")
            }

        async def both() -> bool:
            return len(await done()) == 2

        await until(both, seconds=60, every=0.1)
        assert "More of this" in (await client.get(button)).text
        assert "Thank you" in (await client.post(button)).text

        async def answered() -> bool:
            return len(await done()) == 3

        await until(answered, seconds=60, every=0.1)
    assert await done() == {("opened", None): False, ("clicked", None): False, ("clicked", "more"): False}
