"""The body of a direct request, as OpenAPI shows it and as faults are explained. The hot path does not come here."""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, Tag

from tocsin.contracts.ids import valid_recipient
from tocsin.contracts.limits import DEVICES_PER_RECIPIENT, LINK_CHARS, RECIPIENTS_PER_REQUEST
from tocsin.contracts.links import LINK_RULE, valid_link
from tocsin.contracts.recipients import valid_device_kind, valid_devices
from tocsin.contracts.vocabulary import DeviceKind, Lane
from tocsin.ingest import recipient_rules as rules

BY_ID: Final = "by id"
INLINE: Final = "inline"


def _obeys(predicate: Callable[[str], bool], rule: str) -> AfterValidator:
    def check(text: str) -> str:
        if not predicate(text):
            raise ValueError(rule)
        return text

    return AfterValidator(check)


RecipientId = Annotated[str, _obeys(valid_recipient, rules.RECIPIENT_RULE), Field(examples=["user-17"])]
_Link = Annotated[
    str,
    _obeys(valid_link, LINK_RULE),
    Field(json_schema_extra={"maxLength": LINK_CHARS, "format": "uri"}),
]
_DeviceText = Annotated[str, _obeys(rules.is_device_text, rules.DEVICE_RULE)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True)


class DeviceBody(_Body):
    """One installation of an app that takes push messages."""

    id: _DeviceText = Field(description="Names the device; it goes into ids and timelines")
    token: _DeviceText = Field(description="What the push service knows it by")
    kind: Annotated[str, _obeys(valid_device_kind, rules.KIND_RULE)] = Field(
        default=DeviceKind.FCM.value,
        description="Which push service knows the token: `fcm`, `apns`, `webpush`, or what a provider of your own serves",
    )
    app: Annotated[str, _obeys(rules.is_app, rules.APP_RULE)] | None = Field(
        default=None, description="Which of your apps this is, in your own words"
    )


def _of_different_ids(devices: list[DeviceBody]) -> list[DeviceBody]:
    if len(devices) <= DEVICES_PER_RECIPIENT and not valid_devices([one.id for one in devices]):
        raise ValueError(rules.DEVICES_RULE)
    return devices


_Devices = Annotated[
    list[DeviceBody], Field(max_length=DEVICES_PER_RECIPIENT), AfterValidator(_of_different_ids)
]


class InlineRecipientBody(_Body):
    """A recipient given with the request. It overrides the directory for this message; preferences stay those stored under `id`."""

    id: RecipientId
    email: Annotated[str, _obeys(rules.is_email, rules.EMAIL_RULE)] | None = Field(
        default=None, examples=["ann@example.com"]
    )
    phone: Annotated[str, _obeys(rules.is_phone, rules.PHONE_RULE)] | None = Field(
        default=None, examples=["+4915112345678"]
    )
    devices: _Devices | None = Field(default=None, description="Of different ids")
    locale: Annotated[str, _obeys(rules.is_locale, rules.LOCALE_RULE)] | None = Field(
        default=None, examples=["de"]
    )
    time_zone: Annotated[str, _obeys(rules.is_time_zone, rules.TIME_ZONE_RULE)] | None = Field(
        default=None, examples=["Europe/Berlin"]
    )
    attributes: dict[str, Any] | None = Field(default=None, description="For templates: `recipient.<name>`")


def _form(value: object) -> Literal["by id", "inline"]:
    return "by id" if isinstance(value, str) else "inline"


RecipientBody = Annotated[
    Annotated[RecipientId, Tag(BY_ID)] | Annotated[InlineRecipientBody, Tag(INLINE)], Discriminator(_form)
]


class NotificationBody(_Body):
    """Send one workflow's message to these recipients."""

    workflow: str = Field(description="Key of a published workflow", min_length=1, examples=["order-shipped"])
    recipients: list[RecipientBody] = Field(
        description="Ids of recipients, or recipients given inline; one notification each",
        min_length=1,
        json_schema_extra={"maxItems": RECIPIENTS_PER_REQUEST},
    )
    data: dict[str, Any] = Field(
        default={}, description="For the workflow's templates; must fit its data schema"
    )
    actor: RecipientBody | None = Field(
        default=None, description="Who caused it. Templates: `actor`; the timeline shows the id"
    )
    link: _Link | None = Field(
        default=None,
        description="Where a reader goes from the message. Templates: `link`; push messages carry it to the app; the timeline shows "
        "it, so write no secret into it",
        examples=["https://shop.example/orders/A-1042"],
    )
    lane: Annotated[Lane, Field(strict=False)] | None = Field(
        default=None, description="A slower lane than the workflow's; a faster one changes nothing"
    )
    expires_at: AwareDatetime | None = Field(
        default=None, description="When it is no longer worth sending; with a time zone; at most 6 days ahead"
    )
