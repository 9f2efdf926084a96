"""What OpenAPI says of bodies that are read without FastAPI."""

from datetime import datetime
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from tocsin.contracts.limits import IDEMPOTENCY_KEY_CHARS
from tocsin.contracts.values.cancel_key import LONGEST as LONGEST_CANCEL_KEY
from tocsin.ingest.request_model import NotificationBody
from tocsin.web import KEY_DESCRIPTION
from tocsin.web.openapi import with_forms

_REF = "#/components/schemas/{model}"


class CloudEventBody(BaseModel):
    """A CloudEvent 1.0 in structured mode. Extension attributes may stand beside these."""

    model_config = ConfigDict(extra="allow")

    specversion: str = Field(pattern="^1\\.0$", examples=["1.0"])
    id: str = Field(min_length=1, max_length=1024, description="With `source`, the identity of the event")
    source: str = Field(min_length=1, max_length=1024, examples=["/shop/orders"])
    type: str = Field(min_length=1, max_length=1024, examples=["com.shop.order.shipped"])
    subject: str | None = Field(default=None, max_length=1024, description="Often the recipient's id")
    time: datetime | None = None
    datacontenttype: str | None = Field(default=None, examples=["application/json"])
    data: Any = Field(
        default=None,
        description="JSON; for `tocsin.notification.requested.v1` a NotificationBody; for `tocsin.cancellation.requested.v1` "
        "an object with the `notification_id` or the `key` that is cancelled",
    )
    data_base64: str | None = Field(default=None, description="JSON in base64, in the place of `data`")
    traceparent: str | None = Field(default=None, description="W3C trace context of whoever made the event")
    cancelkey: str | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_CANCEL_KEY,
        description="Under this key what follows from the event can be cancelled: `POST /v1/cancellations`",
    )


def idempotency_key(description: str) -> dict[str, Any]:
    """The parameter of an operation that is safe to repeat."""
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_CHARS},
    }


def attribute_headers() -> list[dict[str, Any]]:
    """The parameters of an event in binary mode; in structured and batch mode they are ignored. `ce-time` is taken too, and
    not named: generators of clients refuse a time in a header."""
    attributes = CloudEventBody.model_json_schema()["properties"]
    return [
        {
            "name": f"ce-{name}",
            "in": "header",
            "required": False,
            "description": "In binary mode: the attribute, percent-encoded where it is not printable ASCII",
            "schema": _of_text(attributes[name]),
        }
        for name in ("specversion", "id", "source", "type", "subject", "cancelkey")
    ]


def _of_text(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without `null`, which no header can be."""
    return {"type": "string"} | {
        name: value
        for form in (schema, *schema.get("anyOf", ()))
        if form.get("type") != "null"
        for name, value in form.items()
        if name in ("pattern", "maxLength", "minLength")
    }


def json_body(schema: str | dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    """An OpenAPI media type object; `schema` may be the name of a component."""
    reference = {"$ref": f"#/components/schemas/{schema}"} if isinstance(schema, str) else schema
    return {media_type: {"schema": reference}}


def describe_bodies(app: FastAPI) -> None:
    """Put the schemas that routes name by reference into the document, and the security scheme they ask for."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        first = app.openapi_schema is None
        document = plain()
        if first:
            _add_schemas(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to change the document


def _add_schemas(document: dict[str, Any]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in (NotificationBody, CloudEventBody):
        schema = model.model_json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    components.setdefault("securitySchemes", {})["apiKey"] = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "tk_live_<id>_<secret>",
        "description": KEY_DESCRIPTION,
    }
    with_forms(document)
