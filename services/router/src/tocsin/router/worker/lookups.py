"""What the directory's database knows of the people in a batch: one query, whatever their number."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from tocsin.contracts.recipients import Device
from tocsin.database import Database
from tocsin.router.policy import Facts, Preference

Who = tuple[str, str]
"""(tenant, recipient)."""

_QUERY: Final = """
SELECT asked.tenant, asked.recipient, r.id IS NOT NULL AS known, r.email, r.phone, r.locale, r.time_zone,
       r.attributes::text AS attributes, coalesce(v.version, 0) AS version,
       CASE WHEN r.id IS NOT NULL THEN (
           SELECT json_agg(json_build_array(d.id, d.token, d.platform) ORDER BY d.id)::text
           FROM directory.devices d WHERE d.tenant = asked.tenant AND d.recipient = asked.recipient
       ) END AS devices,
       (
           SELECT json_agg(json_build_array(p.channel, p.category, p.workflow, p.enabled))::text
           FROM directory.preferences p WHERE p.tenant = asked.tenant AND p.recipient = asked.recipient
       ) AS preferences
FROM unnest($1::text[], $2::text[]) AS asked(tenant, recipient)
LEFT JOIN directory.recipients r ON r.tenant = asked.tenant AND r.id = asked.recipient
LEFT JOIN directory.recipient_versions v ON v.tenant = asked.tenant AND v.recipient = asked.recipient
"""

_object = msgspec.json.Decoder(dict[str, Any]).decode
_devices = msgspec.json.Decoder(list[tuple[str, str, str | None]]).decode
_preferences = msgspec.json.Decoder(tuple[Preference, ...]).decode


class Lookups:
    """Reads in one statement, so that a person's version and what it stands for are of one moment."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def facts(self, people: Collection[Who]) -> Mapping[Who, Facts]:
        """The facts of each, known or not."""
        if not people:
            return {}
        tenants = [tenant for tenant, _ in people]
        recipients = [recipient for _, recipient in people]
        async with self._database.driver() as connection:
            rows = await connection.fetch(_QUERY, tenants, recipients)
        return {(row["tenant"], row["recipient"]): _facts(row) for row in rows}


def _facts(row: Any) -> Facts:
    attributes, devices, preferences = row["attributes"], row["devices"], row["preferences"]
    return Facts(
        known=row["known"],
        version=row["version"],
        email=row["email"],
        phone=row["phone"],
        locale=row["locale"],
        time_zone=row["time_zone"],
        attributes=_object(attributes) if attributes and attributes != "{}" else {},
        devices=tuple(
            Device(id=i, token=token, platform=platform) for i, token, platform in _devices(devices)
        )
        if devices
        else (),
        preferences=_preferences(preferences) if preferences else (),
    )
