"""Puts the sample tenant in place, through the public HTTP API. Doing it twice changes nothing."""

from tocsin.dev.api import Api
from tocsin.dev.sample import (
    CATEGORIES,
    DEVICES,
    RECIPIENTS,
    TEMPLATES,
    TENANT_SETTINGS,
    WORKFLOW,
    WORKFLOWS,
)


async def seed(api: Api) -> None:
    """Creates or replaces category, workflow, templates (published), recipients, devices. Needs the scope `manage`."""
    await api.do("PUT", "/v1/tenant", TENANT_SETTINGS)
    for key, category in CATEGORIES.items():
        await api.do("PUT", f"/v1/categories/{key}", category)
    for key, workflow in WORKFLOWS.items():
        await api.do("PUT", f"/v1/workflows/{key}", workflow)
    for (channel, locale), parts in TEMPLATES.items():
        path = f"/v1/workflows/{WORKFLOW}/templates/{channel}/{locale}"
        await api.do("PUT", path, {"parts": parts, "publish": True})
    for identity, recipient in RECIPIENTS.items():
        await api.do("PUT", f"/v1/recipients/{identity}", recipient)
        for device, known in DEVICES[identity].items():
            await api.do("PUT", f"/v1/recipients/{identity}/devices/{device}", known)
