"""Every dashboard and every question of docs/operations/metrics.md, asked of a real Prometheus that scrapes the stack while messages pass; and
the page of `make observe` in a real browser."""

import asyncio
import contextlib
import math
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.chromium import chromium
from tests.expressions import filled, of_dashboards, of_questions

from tocsin.contracts.vocabulary import Lane
from tocsin.dev.observe import PrometheusServer, WitnessServer
from tocsin.dev.observe.page_server import PageServer, uplot
from tocsin.dev.processes import free_port
from tocsin.specifications.dashboards import DASHBOARDS
from tocsin.specifications.dashboards.panels import Dashboard, Kind
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.prometheus]

EVERY = 2
ROUND = 6
"""Events of each lane, between two looks."""
PATIENCE = 90.0
BEGIN_WITH_A_FAULT = {
    "tocsin_records_lost": "a person accepts a loss",
    "tocsin_unusable_offsets": "a committed offset is no longer kept",
    "tocsin_read_back_seconds": "a dispatcher takes over a shard of one that has handed something over",
    "tocsin_read_back_records": "the same",
    "tocsin_jobs_ended_before": "a dispatcher dies with jobs under way",
    "tocsin_refused_revisions": "a process dies of a tenant's program",
    "tocsin_directory_set_aside": "an entity is larger than a record may be",
    "tocsin_deferral_seconds": "no provider takes a message",
    "tocsin_resends": "a provider does not say whether it has a message",
    "tocsin_breakers": "a provider fails",
    "tocsin_redriven": "a person re-drives",
    "tocsin_receipts": "a provider tells what became of a message",
    "tocsin_receipts_refused": "a callback is refused",
    "tocsin_engagements_of_messages": "a link of a mail that is tracked without persons is followed",
    "tocsin_attachment_fetch_seconds": "a mail has an attachment",
    "tocsin_dead_letters_by_source": "ten events of a source are set aside",
    "tocsin_certificate_seconds_left": "a process is given a certificate",
    "Will a certificate end soon?": "the same",
    "Which processes were started again in the last 15 minutes after a bad end, and by what?": "a process ends badly",
}
"""Questions that nothing answers until this happens. Panels say it themselves."""


@pytest.fixture(scope="module")
def prometheus(
    local_stack: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrometheusServer]:
    folder = tmp_path_factory.mktemp("observed")
    with WitnessServer(folder / "witness", kafka=local_stack["kafka"]) as witness:
        targets = {**local_stack["operations"], witness.name: witness.url}
        with PrometheusServer(folder / "prometheus", targets=targets, every=EVERY) as server:
            yield server


@pytest.fixture
async def load(tocsin) -> AsyncIterator[None]:
    """Messages in every lane for as long as the test runs, and what producers do wrong."""
    person = await tocsin.person()
    workflows = [await workflow_of(tocsin, lane, person.id) for lane in Lane]

    async def send() -> None:
        while True:
            for name in workflows:
                for _ in range(ROUND):
                    body = {"workflow": name, "recipients": [person.id], "data": {}}
                    assert (await tocsin.api.post("/v1/notifications", json=body)).status_code == 202
            later = {"workflow": workflows[0], "recipients": [person.id], "data": {}, "delay": 1}
            assert (await tocsin.api.post("/v1/notifications", json=later)).status_code == 202
            await tocsin.api.post("/v1/notifications", json={"workflow": "none", "recipients": []})
            await tocsin.api.get("/v1/timelines", headers={"authorization": "Bearer none"})
            await asyncio.sleep(EVERY / 2)

    sending = asyncio.create_task(send())
    yield
    sending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sending


async def workflow_of(tocsin, lane: Lane, recipient: str) -> str:
    """One that sends a mail, a text message and a push in this lane."""
    name = f"observed-{lane}-{uuid.uuid4().hex[:8]}"
    workflow = {"name": name, "category": "orders", "lane": lane, "channels": ["email", "sms", "push"]}
    (await tocsin.admin.put(f"/v1/workflows/{name}", json=workflow)).raise_for_status()
    parts = {
        "email": {"subject": "S", "text": "T"},
        "sms": {"body": "T"},
        "push": {"title": "S", "body": "T"},
    }
    for channel, part in parts.items():
        path = f"/v1/workflows/{name}/templates/{channel}/default/en"
        (await tocsin.admin.put(path, json={"parts": part, "publish": True})).raise_for_status()

    async def known() -> bool:
        body = {"workflow": name, "recipients": [recipient], "data": {}}
        return bool((await tocsin.api.post("/v1/notifications", json=body)).status_code == 202)

    await until(known, seconds=20, every=0.2)
    return name


def answered(prometheus: PrometheusServer, expression: str) -> bool:
    """Whether it gives a number."""
    values = prometheus.query(filled(expression, window="1m"))
    return any(math.isfinite(float(series["value"][1])) for series in values)


async def test_every_expression_answers(prometheus, load):
    left = {**of_dashboards(), **of_questions()}
    for where in BEGIN_WITH_A_FAULT:
        del left[where]

    async def all_answered() -> bool:
        asked = [asyncio.to_thread(answered, prometheus, expression) for expression in left.values()]
        answers = dict(zip(list(left), await asyncio.gather(*asked), strict=True))
        for where in [where for where, answer in answers.items() if answer]:
            del left[where]
        return not left

    try:
        await until(all_answered, seconds=PATIENCE, every=EVERY)
    except TimeoutError:
        pytest.fail("\n".join(["these gave no number:", *map(str, left.items())]), pytrace=False)


@pytest.fixture
async def page(prometheus, local_stack) -> AsyncIterator[str]:
    """The address of the page of dashboards."""
    logs = Path(next(iter(local_stack["processes"].values()))["log"]).parent
    server = PageServer(
        prometheus=prometheus.url,
        entry=local_stack["entry"],
        api_key=local_stack["api_key"],
        logs=logs,
        every=EVERY,
        links={"Prometheus": prometheus.url},
    )
    port = free_port()
    await server.open(port, drawn_by=await asyncio.to_thread(uplot))
    yield f"http://127.0.0.1:{port}"
    await server.close()


@pytest.mark.browser
@pytest.mark.npm
async def test_the_page_draws_every_dashboard(page, load):
    said: list[str] = []
    async with chromium() as browser:
        tab = await browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme="dark")
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        await tab.goto(page)
        await tab.select_option("#range", "300")
        for dashboard in DASHBOARDS:
            await tab.click(f"nav a[href='#{dashboard.name}']")
            if dashboard.name == "path":
                await one_message(tab)
            else:
                await every_panel(tab, dashboard)
        await tab.click("nav a[href='#overview']")
        await tab.emulate_media(color_scheme="light")
        await every_panel(tab, DASHBOARDS[0])
    assert said == []


async def every_panel(tab: Page, dashboard: Dashboard) -> None:
    """Each shows a number or lines; those that may be empty say why."""
    for panel in dashboard.panels:
        shown = tab.locator(".panel", has=tab.get_by_role("heading", name=panel.title, exact=True))
        if panel.kind is Kind.NUMBER:
            await expect(shown.locator(".number")).to_have_text("0", timeout=20_000)
        else:
            await expect(shown.locator("canvas, .nothing" if panel.empty else "canvas")).to_be_visible(
                timeout=20_000
            )
    assert await tab.locator("#dashboard").get_attribute("data-state") == "drawn"


async def one_message(tab: Page) -> None:
    """From a slow one to its timeline."""
    await tab.click("table a")
    timeline = tab.locator(".message .wide table")
    await expect(timeline).to_contain_text("accepted", timeout=20_000)
    await expect(timeline).to_contain_text("routed")
