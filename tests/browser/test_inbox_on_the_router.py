"""<tocsin-inbox> and a real router: preferences and devices, with a token that the tenant's server has signed, from the tenant's own page."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator

import httpx
import jwt
import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.inbox_service import inbox_service
from tests.browser.inbox_state import TOKEN as ITS_TOKEN
from tests.browser.inbox_state import InboxService
from tests.browser.test_inbox_push import PAGE, SCRIPT
from tests.listening import listening

from tocsin.contracts.directory import ApiKeyRecord
from tocsin.database import DatabaseSettings, create_engine
from tocsin.router.api import create_app
from tocsin.testing.until import until
from tocsin.trust import Seal
from tocsin.web import KeyTable, new_key

pytestmark = [pytest.mark.browser, pytest.mark.postgres]

SECRET = "a-secret-of-the-shops-own-server"
P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"


def token() -> str:
    now = int(time.time())
    claims = {"tid": "acme", "sub": "ada", "aud": "tocsin:inbox", "iat": now, "exp": now + 3600}
    return jwt.encode(claims, SECRET, algorithm="HS256", headers={"kid": "2026"})


@pytest.fixture
def service() -> Iterator[InboxService]:
    mine = token()
    script = SCRIPT.replace(ITS_TOKEN, mine).replace(
        'p256dh: "p", auth: "a"', f'p256dh: "{P256DH}", auth: "{AUTH}"'
    )
    with inbox_service({"shop.html": PAGE, "page.js": script}, trusted_types=False) as running:
        running.good_tokens = {mine}
        yield running


@pytest.fixture
async def tenant(database_url: str, service: InboxService) -> AsyncIterator[httpx.AsyncClient]:
    """Tenant acme at a router of its own, with a category, a workflow, a key for tokens, and ada."""
    command = [sys.executable, "-m", "tocsin.router", "migrate"]
    await asyncio.to_thread(
        subprocess.run, command, env=os.environ | {"DATABASE_URL": database_url}, check=True
    )
    engine = create_engine(DatabaseSettings(url=database_url), application="test")
    async with engine.begin() as db:
        await db.exec_driver_sql("INSERT INTO directory.tenants (id) VALUES ('acme')")
    key = new_key("live")
    keys = KeyTable()
    keys.put(
        ApiKeyRecord(tenant="acme", id=key.id, mode="live", sha256=key.sha256, scopes=["manage", "read"])
    )
    app = create_app(
        engine=engine, keys=keys, seal=Seal([("k1", "s" * 32)]), public_url="https://notify.example.com"
    )
    async with listening(app) as url:
        service.router = url
        async with httpx.AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {key.reveal()}"}
        ) as client:
            flow = {"category": "orders", "channels": ["email", "push"], "lane": "transactional"}
            for path, body in (
                ("categories/orders", {"name": "Your orders"}),
                ("workflows/shipped", flow),
                ("recipients/ada", {"email": "ada@example.com"}),
                (
                    "tenant/inbox-keys",
                    {
                        "keys": [{"id": "2026", "algorithm": "HS256", "secret": SECRET}],
                        "origins": [service.origin],
                    },
                ),
            ):
                answer = await client.put(f"/v1/{path}", json=body)
                assert answer.is_success, answer.text
            yield client
    await engine.dispose()


@pytest.fixture
async def page(browser: Browser, tenant: httpx.AsyncClient, service: InboxService) -> Page:
    opened = await browser.new_page()
    await opened.goto(f"{service.origin}/shop.html")
    await expect(opened.locator("tocsin-inbox")).to_have_attribute("state", "live")
    await opened.get_by_role("button", name="Notifications").click()
    return opened


async def test_what_a_person_switches_is_stored(page: Page, tenant: httpx.AsyncClient) -> None:
    await page.get_by_role("button", name="Preferences").click()
    await page.get_by_role("group", name="Your orders").get_by_label("Email").uncheck()

    async def stored() -> list[tuple[str, str, bool, str]]:
        answer = await tenant.get("/v1/recipients/ada/preferences")
        return [
            tuple(row[name] for name in ("channel", "category", "enabled", "source"))
            for row in answer.json()["stored"]
        ]

    async def is_stored() -> bool:
        return bool(await stored())

    await until(is_stored)
    assert await stored() == [("email", "orders", False, "recipient")]


async def test_the_browser_becomes_a_device(page: Page, tenant: httpx.AsyncClient) -> None:
    await page.get_by_role("button", name="Preferences").click()
    box = page.get_by_label("Push messages to this browser")
    await box.check()

    async def kinds() -> list[tuple[str, str]]:
        answer = await tenant.get("/v1/recipients/ada/devices")
        return [(device["kind"], device["app"]) for device in answer.json()["data"]]

    async def is_there() -> bool:
        return bool(await kinds())

    async def is_gone() -> bool:
        return not await kinds()

    await until(is_there)
    assert await kinds() == [("webpush", "shop")]
    await box.uncheck()
    await until(is_gone)


async def test_a_page_that_the_tenant_has_not_named_changes_nothing(
    page: Page, tenant: httpx.AsyncClient
) -> None:
    keys = [{"id": "2026", "algorithm": "HS256"}]
    (await tenant.put("/v1/tenant/inbox-keys", json={"keys": keys, "origins": []})).raise_for_status()
    await page.get_by_role("button", name="Preferences").click()
    await expect(page.get_by_role("status")).to_have_text("No connection. Trying again.")
