"""Puts the sample tenant in place at the first start, through the public HTTP API. Doing it twice changes nothing."""

import asyncio

from tocsin.dev.api import Api
from tocsin.dev.errors import StartFailed
from tocsin.dev.sample import (
    CATEGORIES,
    DEVICES,
    RECIPIENTS,
    TEMPLATES,
    TENANT_SETTINGS,
    WEBHOOK_ENDPOINT,
    WEBHOOK_SECRET,
    WORKFLOW,
    WORKFLOWS,
    workflow_on,
)

KNOWN_WITHIN = 30.0  # seconds until keys and workflows have come through the directory topic


async def seed(api: Api) -> None:
    """Creates or replaces category, workflow, templates (published), recipients, devices. Needs the scope `manage`."""
    await api.do("PUT", "/v1/tenant", TENANT_SETTINGS)
    for key, category in CATEGORIES.items():
        await api.do("PUT", f"/v1/categories/{key}", category)
    for key, workflow in WORKFLOWS.items():
        await api.do("PUT", f"/v1/workflows/{key}", workflow)
    for (channel, locale), parts in TEMPLATES.items():
        path = f"/v1/workflows/{workflow_on(channel)}/templates/{channel}/default/{locale}"
        await api.do("PUT", path, {"parts": parts, "publish": True})
    for identity, recipient in RECIPIENTS.items():
        await api.do("PUT", f"/v1/recipients/{identity}", recipient)
        for device, known in DEVICES.get(identity, {}).items():
            await api.do("PUT", f"/v1/recipients/{identity}/devices/{device}", known)


async def point_webhooks_at(api: Api, catcher: str) -> None:
    """Creates or replaces the sample's endpoint: the catcher may be at another port than at the last start."""
    endpoint = {
        "name": "The catcher",
        "url": f"{catcher}/webhooks/{WEBHOOK_ENDPOINT}",
        "secrets": [WEBHOOK_SECRET],
    }
    await api.do("PUT", f"/v1/webhook-endpoints/{WEBHOOK_ENDPOINT}", endpoint)


async def wait_until_keys_work(api: Api) -> None:
    """Returns when the API knows the key: keys reach services over Kafka, a moment after they were made."""
    await _until_answered(api, "GET", "/v1/tenant", None, unlike=("unauthenticated",))


async def wait_until_workflow_is_known(api: Api) -> None:
    """Returns when ingest knows the key and the workflow: it then refuses data that break the workflow's schema."""
    body = {"workflow": WORKFLOW, "recipients": [next(iter(RECIPIENTS))], "data": {}}
    await _until_answered(
        api, "POST", "/v1/notifications", body, unlike=("unauthenticated", "unknown_workflow")
    )


async def _until_answered(api: Api, method: str, path: str, body: object, *, unlike: tuple[str, ...]) -> None:
    answer = None
    try:
        async with asyncio.timeout(KNOWN_WITHIN):
            while True:
                _, answer = await api.call(method, path, body)
                if not isinstance(answer, dict) or not _codes(answer).intersection(unlike):
                    return
                await asyncio.sleep(0.1)
    except TimeoutError as exc:
        raise StartFailed(f"{method} {path} is still answered {answer} after {KNOWN_WITHIN:.0f} s") from exc


def _codes(problem: dict[str, object]) -> set[object]:
    errors = problem.get("errors")
    inner = [error.get("code") for error in errors] if isinstance(errors, list) else []
    return {problem.get("code"), *inner}
