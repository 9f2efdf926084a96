"""`/v1/me`: what recipients see and change of their own, with a token that their tenant has signed."""

from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy import select

from tocsin.observability import get_logger
from tocsin.router.api.devices import devices_of, register_device, remove_device
from tocsin.router.api.parameters import DevicePath
from tocsin.router.api.preferences import (
    MOST_SWITCHES,
    PreferenceChange,
    Preferences,
    PreferenceWrite,
    change_preferences,
    preferences_of,
    replace_preferences,
)
from tocsin.router.api.recipient_models import Devices, DeviceWrite, RegisteredDevice
from tocsin.router.api.transaction import Db
from tocsin.router.preference_store import Source
from tocsin.router.tables import categories
from tocsin.web import IfMatch, RecipientCaller, RequestBody

log = get_logger(__name__)

router = APIRouter(tags=["The recipient's own"])


class MyPreferences(Preferences):
    """What a recipient has switched, what is effective, and how the tenant calls its categories."""

    names: dict[str, str] = Field(description="The name of each category, by its key")


class MyPreferencesWrite(RequestBody):
    """All switches: one that is left out is taken back, and says nothing any more."""

    preferences: list[PreferenceWrite] = Field(max_length=MOST_SWITCHES)


class MyPreferencesChange(RequestBody):
    """Some switches: those that are not named stay as they are."""

    preferences: list[PreferenceChange] = Field(max_length=100)


@router.get("/v1/me/preferences")
async def read_my_preferences(holder: RecipientCaller, db: Db, response: Response) -> MyPreferences:
    """What the recipient has switched, and what is effective for each channel, category and workflow."""
    return await _answer(holder.tenant, holder.recipient, db, response)


@router.put("/v1/me/preferences")
async def save_my_preferences(
    *, holder: RecipientCaller, db: Db, body: MyPreferencesWrite, response: Response, if_match: IfMatch = None
) -> MyPreferences:
    """Replace all switches. What was decided under more and not yet handed over is decided again."""
    await replace_preferences(
        db,
        holder.tenant,
        holder.recipient,
        body.preferences,
        source=Source.RECIPIENT,
        if_match=if_match,
    )
    log.info("preferences saved", tenant=holder.tenant, recipient=holder.recipient, source=Source.RECIPIENT)
    return await _answer(holder.tenant, holder.recipient, db, response)


@router.patch("/v1/me/preferences")
async def change_my_preferences(
    *, holder: RecipientCaller, db: Db, body: MyPreferencesChange, response: Response
) -> MyPreferences:
    """Change some switches, and leave the others. What was decided under more and not yet handed over is decided again."""
    await change_preferences(db, holder.tenant, holder.recipient, body.preferences, source=Source.RECIPIENT)
    log.info("preferences saved", tenant=holder.tenant, recipient=holder.recipient, source=Source.RECIPIENT)
    return await _answer(holder.tenant, holder.recipient, db, response)


@router.get("/v1/me/devices")
async def list_my_devices(holder: RecipientCaller, db: Db) -> Devices:
    """All devices of the recipient, by id; at most 50."""
    return await devices_of(db, holder.tenant, holder.recipient)


@router.put(
    "/v1/me/devices/{device}",
    responses={201: {"model": RegisteredDevice, "description": "It was created"}},
)
async def save_my_device(
    *, holder: RecipientCaller, db: Db, device: DevicePath, body: DeviceWrite, response: Response
) -> RegisteredDevice:
    """Add the device, or make it what the body says. The recipient has to be stored. A token belongs to one device: whoever had it
    before has it no more."""
    saved = await register_device(db, holder.tenant, holder.recipient, device, body=body, response=response)
    log.info("device saved", tenant=holder.tenant, recipient=holder.recipient, source=Source.RECIPIENT)
    return saved


@router.delete("/v1/me/devices/{device}", status_code=204)
async def delete_my_device(*, holder: RecipientCaller, db: Db, device: DevicePath) -> None:
    """Remove the device. What was decided for it and not yet handed over is not sent."""
    await remove_device(db, holder.tenant, holder.recipient, device)
    log.info("device deleted", tenant=holder.tenant, recipient=holder.recipient, source=Source.RECIPIENT)


async def _answer(tenant: str, recipient: str, db: Db, response: Response) -> MyPreferences:
    preferences = await preferences_of(db, tenant, recipient, response)
    query = select(categories.c.key, categories.c.name).where(categories.c.tenant == tenant)
    names = {row.key: row.name or row.key for row in await db.execute(query)}
    return MyPreferences(stored=preferences.stored, effective=preferences.effective, names=names)
