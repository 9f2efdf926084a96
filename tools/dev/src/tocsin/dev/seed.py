"""Puts the sample tenant in place, through the public HTTP API. Doing it twice changes nothing."""

from tocsin.dev.api import Api
from tocsin.dev.sample import CATEGORIES, RECIPIENTS, TEMPLATES, WORKFLOW, WORKFLOWS


async def seed(api: Api) -> None:
    """Creates or replaces category, workflow, templates (published) and recipients. Needs the scope `manage`."""
    for key, category in CATEGORIES.items():
        await api.do("PUT", f"/v1/categories/{key}", category)
    for key, workflow in WORKFLOWS.items():
        await api.do("PUT", f"/v1/workflows/{key}", workflow)
    for (channel, locale), parts in TEMPLATES.items():
        await _publish(api, channel, locale, parts)
    for identity, recipient in RECIPIENTS.items():
        await api.do("PUT", f"/v1/recipients/{identity}", recipient)


async def _publish(api: Api, channel: str, locale: str, parts: dict[str, str]) -> None:
    path = f"/v1/workflows/{WORKFLOW}/templates/{channel}/{locale}"
    saved = await api.do("PUT", path, {"parts": parts})
    await api.do("POST", f"{path}/publish", {"revision": saved["revision"]})
