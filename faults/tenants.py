"""The two tenants of the proving ground: one workflow for each channel and lane, and people with an address on every channel."""

import asyncio
from collections.abc import Mapping, Sequence

from ground import OTHER, TENANT, Ground
from reached import REACHED
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev.api import Api

PEOPLE = 120
_KNOWN_WITHIN = 60.0
_PROBE = "probe {{ tenant.id }} {{ data.lane }} {{ recipient.id }} {{ data.sequence }}"
"""What the far ends find in every message."""
_PARTS = {
    Channel.EMAIL: {"subject": "Probe", "text": _PROBE},
    Channel.SMS: {"body": _PROBE},
    Channel.PUSH: {"title": "Probe", "body": _PROBE},
}
_SENDERS = {"email": {"address": "probe@faults.example"}, "sms": {"address": "+14155550100"}}


def workflow_of(channel: str, lane: str) -> str:
    """The key of the workflow whose messages take this way."""
    return f"probe-{channel}-{lane}"


def person(number: int) -> str:
    """The id of a recipient; both tenants have the same ones."""
    return f"person-{number:03}"


async def make_tenants(ground: Ground) -> None:
    """Both, through the public API."""
    url = ground.urls("router")[0]
    for tenant in (TENANT, OTHER):
        async with Api(url=url, key=ground.keys[tenant]) as api:
            await _make(api, providers="other" if tenant == OTHER else "main")


def settings_of(providers: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """What `PUT /v1/tenant` takes; by channel, the providers to try."""
    return {"name": "Faults", "senders": _SENDERS, "providers": providers}


async def _make(api: Api, *, providers: str) -> None:
    async with asyncio.timeout(_KNOWN_WITHIN):
        while (await api.call("GET", "/v1/tenant"))[0] == 401:  # noqa: ASYNC110 - the condition lies in another process
            await asyncio.sleep(0.1)
    used = {channel.value: [providers] for channel in REACHED}
    await api.do("PUT", "/v1/tenant", settings_of(used))
    await api.do("PUT", "/v1/categories/probes", {"default": "required"})
    await api.do("PUT", "/v1/categories/news", {"default": "on"})
    for channel in REACHED:
        for lane in Lane:
            key = workflow_of(channel, lane)
            category = "news" if lane is Lane.BULK else "probes"
            flow = {"name": "Probe", "category": category, "lane": lane, "channels": [channel]}
            await api.do("PUT", f"/v1/workflows/{key}", flow)
            path = f"/v1/workflows/{key}/templates/{channel}/default/en"
            await api.do("PUT", path, {"parts": _PARTS[channel], "publish": True})
    people = [
        {"id": person(number), "email": f"{person(number)}@person.example", "phone": f"+1415555{number:04}"}
        for number in range(PEOPLE)
    ]
    await api.do("POST", "/v1/recipients/bulk", {"recipients": people})
    for number in range(PEOPLE):
        path = f"/v1/recipients/{person(number)}/devices/phone"
        await api.do("PUT", path, {"token": f"token-{person(number)}"})
