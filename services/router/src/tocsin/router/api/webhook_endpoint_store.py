"""The secrets of webhook endpoints, as the table holds them: sealed for the tenant and the endpoint."""

import base64
import json
import os
from typing import Any, Final

from sqlalchemy import RowMapping, Select, select

from tocsin.contracts.directory import endpoint_seal
from tocsin.router.api.webhook_endpoint_models import (
    SECRET_BYTES,
    SECRET_PREFIX,
    WebhookEndpoint,
    WebhookEndpointWrite,
)
from tocsin.router.tables import webhook_endpoints
from tocsin.trust import Seal

_SHOWN: Final = WebhookEndpoint.model_fields.keys() - {"secrets", "new_secret"}


def new_secret() -> str:
    """A secret as Standard Webhooks writes it."""
    return SECRET_PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


class EndpointSecrets:
    """Seals and opens for one endpoint. Raises SealKeyMissing and SealBroken."""

    def __init__(self, *, seal: Seal, tenant: str, key: str) -> None:
        self._seal = seal
        self._tenant = tenant
        self._entity = endpoint_seal(key)

    def sealed(self, secret: str) -> str:
        """The secret, sealed with the newest key."""
        return self._seal.seal(secret, tenant=self._tenant, entity=self._entity)

    def opened(self, sealed: str) -> str:
        """What was sealed."""
        return self._seal.open(sealed, tenant=self._tenant, entity=self._entity)

    def kept(self, sealed: str) -> str:
        """The same under the newest key, where another one has sealed it."""
        return sealed if self._seal.is_current(sealed) else self.sealed(self.opened(sealed))

    def kept_if_equal(self, former: str | None, text: str) -> str:
        """`former`, where it says the same: what is sent a second time changes nothing. Otherwise the text, sealed."""
        if former is not None and self._seal.is_current(former) and self.opened(former) == text:
            return former
        return self.sealed(text)


def stored_values(
    body: WebhookEndpointWrite, former: RowMapping | None, secrets: EndpointSecrets, made: str | None
) -> dict[str, Any]:
    """The row that the body asks for. `made` is the secret of a new endpoint whose owner gave none."""
    values: dict[str, Any] = body.model_dump(
        include={"name", "url", "event_types", "statuses", "ordered", "enabled"}
    ) | _disabled(body, former)
    stored: list[str] = [] if former is None else former["secrets"]
    if body.secrets is not None:
        given = [secret.get_secret_value() for secret in body.secrets]
        kept = [*stored, *[None] * len(given)]
        values["secrets"] = [secrets.kept_if_equal(kept[index], text) for index, text in enumerate(given)]
    else:
        values["secrets"] = (
            [secrets.sealed(made)] if made is not None else [secrets.kept(each) for each in stored]
        )
    return values | _headers(body, former, secrets)


def _disabled(body: WebhookEndpointWrite, former: RowMapping | None) -> dict[str, Any]:
    """Why and when Tocsin has disabled it stays only while it stays disabled. One that is enabled again, or has another URL, is judged anew."""
    if former is None or (body.enabled and not former["enabled"]) or body.url != former["url"]:
        anew = {"failing_since": None, "last_error": None, "told": 0, "told_at": None, "told_in": None}
    else:
        anew = {}
    if body.enabled or former is None or former["enabled"]:
        return {"disabled_reason": None, "disabled_at": None} | anew
    return {"disabled_reason": former["disabled_reason"], "disabled_at": former["disabled_at"]} | anew


def _headers(
    body: WebhookEndpointWrite, former: RowMapping | None, secrets: EndpointSecrets
) -> dict[str, Any]:
    stored = None if former is None else former["headers"]
    if body.headers is None:
        names = [] if former is None else former["header_names"]
        return {"headers": stored and secrets.kept(stored), "header_names": names}
    if not body.headers:
        return {"headers": None, "header_names": []}
    opened = {name: value.get_secret_value() for name, value in sorted(body.headers.items())}
    return {"headers": secrets.kept_if_equal(stored, json.dumps(opened)), "header_names": list(opened)}


def stored_endpoint(tenant: str, key: str) -> Select[Any]:
    """The query for one row."""
    return select(webhook_endpoints).where(
        webhook_endpoints.c.tenant == tenant, webhook_endpoints.c.key == key
    )


def shown(row: RowMapping, *, made: str | None = None) -> WebhookEndpoint:
    """The endpoint without its secrets, but for the one that this request has made."""
    fields = {name: row[name] for name in _SHOWN}
    return WebhookEndpoint(**fields, secrets=len(row["secrets"]), new_secret=made)
