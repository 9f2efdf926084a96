"""The body of a direct request, as OpenAPI shows it and as faults are explained. The hot path does not come here."""

from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError, PydanticKnownError

from tocsin.contracts.attachments import Attachment
from tocsin.contracts.limits import (
    ATTACHMENTS_BYTES,
    ATTACHMENTS_PER_MESSAGE,
    CHATS_PER_RECIPIENT,
    DEVICES_PER_RECIPIENT,
    RECIPIENTS_PER_REQUEST,
)
from tocsin.contracts.recipients import valid_chats, valid_devices
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.attachments import (
    LONGEST_NAME,
    LONGEST_TYPE,
    LONGEST_URL,
    attachments,
    content_id,
    file_name,
    file_sha256,
    file_size,
    file_type,
    file_url,
)
from tocsin.contracts.values.cancel_key import LONGEST as LONGEST_CANCEL_KEY
from tocsin.contracts.values.cancel_key import cancel_key
from tocsin.contracts.values.chat_place import chat_address, chat_kind, place_id
from tocsin.contracts.values.device import device_app, device_id, device_kind, device_token
from tocsin.contracts.values.identifier import recipient_id
from tocsin.contracts.values.link import LONGEST as LONGEST_LINK
from tocsin.contracts.values.link import link
from tocsin.contracts.values.locale import locale
from tocsin.contracts.values.mail_address import mail_address
from tocsin.contracts.values.phone_number import PATTERN as PHONE_PATTERN
from tocsin.contracts.values.phone_number import phone_number
from tocsin.contracts.values.recipient import CHATS_RULE, DEVICES_RULE
from tocsin.contracts.values.send_time import LONGEST_DELAY
from tocsin.contracts.values.time_zone import time_zone
from tocsin.contracts.vocabulary import DeviceKind, Lane, Reason
from tocsin.web import RequestBody, address_of_its_kind, judged, of_its_kind

BY_ID: Final = "by id"
INLINE: Final = "inline"

# Whether an id may look like an address is the tenant's to say: `request_faults` asks.
RecipientId = Annotated[str, judged(partial(recipient_id, address_like=True)), Field(examples=["user-17"])]

_Email = Annotated[str, judged(mail_address), Field(json_schema_extra={"format": "idn-email"})]
_Phone = Annotated[str, judged(phone_number), Field(json_schema_extra={"pattern": PHONE_PATTERN})]
_Locale = Annotated[str, judged(locale)]
_TimeZone = Annotated[str, judged(time_zone)]


_Link = Annotated[
    str,
    judged(link),
    Field(json_schema_extra={"maxLength": LONGEST_LINK, "format": "uri"}),
]

_CancelKey = Annotated[
    str, judged(cancel_key), Field(json_schema_extra={"minLength": 1, "maxLength": LONGEST_CANCEL_KEY})
]


class _Body(RequestBody):
    model_config = ConfigDict(strict=True)


class DeviceBody(_Body):
    """One installation of an app that takes push messages."""

    id: Annotated[str, judged(device_id)] = Field(
        description="Names the device; it goes into ids and timelines"
    )
    kind: Annotated[str, judged(device_kind)] = Field(
        default=DeviceKind.FCM.value,
        description="Which push service knows the token: `fcm`, `apns`, `webpush`, or what a provider of your own serves",
    )
    token: Annotated[str, judged(device_token), of_its_kind] = Field(
        description="What the push service knows it by. APNs: in hexadecimal. Web Push: the subscription, as JSON"
    )
    app: Annotated[str, judged(device_app)] | None = Field(
        default=None, description="Which of your apps this is, in your own words"
    )


def _of_its_size(size: int) -> int:
    try:
        return file_size(size)
    except ValueRefused as refused:
        raise PydanticCustomError(refused.code, "{rule}", {"rule": refused.detail}) from None


def _of_different_ids(devices: list[DeviceBody]) -> list[DeviceBody]:
    if len(devices) <= DEVICES_PER_RECIPIENT and not valid_devices([device.id for device in devices]):
        raise PydanticCustomError(Reason.DEVICE_INVALID.value, DEVICES_RULE)
    return devices


_Devices = Annotated[
    list[DeviceBody], Field(max_length=DEVICES_PER_RECIPIENT), AfterValidator(_of_different_ids)
]


class ChatBody(_Body):
    """A place in a chat where the recipient reads."""

    id: Annotated[str, judged(place_id)] = Field(
        description="Names the place; it goes into ids and timelines"
    )
    kind: Annotated[str, judged(chat_kind)] = Field(
        description="`slack`, `slack_webhook`, `teams`, or what a provider of your own serves"
    )
    address: Annotated[str, judged(chat_address), address_of_its_kind] = Field(
        description="`slack`: the id of a channel or person. `slack_webhook`, `teams`: the URL, which is a secret",
        examples=["C024BE91L"],
    )


def _of_different_chat_ids(chats: list[ChatBody]) -> list[ChatBody]:
    if len(chats) <= CHATS_PER_RECIPIENT and not valid_chats([chat.id for chat in chats]):
        raise PydanticCustomError(Reason.CHAT_INVALID.value, CHATS_RULE)
    return chats


_Chats = Annotated[
    list[ChatBody], Field(max_length=CHATS_PER_RECIPIENT), AfterValidator(_of_different_chat_ids)
]


class AttachmentBody(_Body):
    """A file for the message's mails: where it lies, and what it must be. Nobody else than the mail's sender fetches it."""

    name: Annotated[
        str, judged(file_name), Field(json_schema_extra={"minLength": 1, "maxLength": LONGEST_NAME})
    ] = Field(
        description="What the recipient's mail program calls it, in any script",
        examples=["invoice-A-1042.pdf"],
    )
    url: Annotated[
        str, judged(file_url), Field(json_schema_extra={"maxLength": LONGEST_URL, "format": "uri"})
    ] = Field(
        description="Where it is fetched when the mail is sent: https, a public address, no redirect. It may be a signed URL; treat it as a secret",
        examples=["https://files.shop.example/A-1042.pdf?signature=…"],
    )
    sha256: Annotated[str, judged(file_sha256), Field(json_schema_extra={"pattern": "^[0-9a-f]{64}$"})] = (
        Field(
            description="SHA-256 of the file in hex. A file that is another one is not sent",
        )
    )
    size: Annotated[
        int,
        AfterValidator(_of_its_size),
        Field(json_schema_extra={"minimum": 1, "maximum": ATTACHMENTS_BYTES}),
    ] = Field(description="Its bytes")
    type: Annotated[str, judged(file_type), Field(json_schema_extra={"maxLength": LONGEST_TYPE})] = Field(
        description="Its media type, without parameters", examples=["application/pdf"]
    )
    inline: Annotated[str, judged(content_id)] | None = Field(
        default=None,
        description='Content id under which the HTML shows it, as `<img src="cid:logo">`; without it the mail lists the file',
        examples=["logo"],
    )


def _that_fit_together(files: list[AttachmentBody]) -> list[AttachmentBody]:
    if len(files) <= ATTACHMENTS_PER_MESSAGE:
        try:
            attachments([Attachment(**file.model_dump()) for file in files])
        except ValueRefused as refused:
            raise PydanticCustomError(refused.code, "{rule}", {"rule": refused.detail}) from None
    return files


_Attachments = Annotated[
    list[AttachmentBody], Field(max_length=ATTACHMENTS_PER_MESSAGE), AfterValidator(_that_fit_together)
]


class InlineRecipientBody(_Body):
    """A recipient given with the request. It overrides the directory for this message; preferences stay those stored under `id`."""

    id: RecipientId
    email: _Email | None = Field(default=None, examples=["ann@example.com"])
    phone: _Phone | None = Field(default=None, examples=["+4915112345678"])
    devices: _Devices | None = Field(default=None, description="Of different ids")
    chats: _Chats | None = Field(default=None, description="Places in chats, of different ids")
    locale: _Locale | None = Field(default=None, examples=["de"])
    time_zone: _TimeZone | None = Field(default=None, examples=["Europe/Berlin"])
    attributes: dict[str, Any] | None = Field(default=None, description="For templates: `recipient.<name>`")


def _form(value: object) -> Literal["by id", "inline"]:
    return "by id" if isinstance(value, str) else "inline"


RecipientBody = Annotated[
    Annotated[RecipientId, Tag(BY_ID)] | Annotated[InlineRecipientBody, Tag(INLINE)], Discriminator(_form)
]


def _text(value: object) -> object:
    """Times are texts. A model that explains its unknown fields is given Python's values, of which strict ones would have to be times."""
    if not isinstance(value, str):
        raise PydanticKnownError("datetime_type")
    return value


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
    expires_at: Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_text)] | None = Field(
        default=None,
        description="When it is no longer worth sending; with a time zone; at most 6 days after it is due",
    )
    send_at: Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_text)] | None = Field(
        default=None,
        description="When it is to be sent; with a time zone; at most 365 days ahead. A time in the past is now",
    )
    delay: int | None = Field(
        default=None,
        ge=0,
        le=LONGEST_DELAY,
        description="So many seconds after it was taken it is to be sent; in place of `send_at`",
        examples=[3600],
    )
    cancel_key: _CancelKey | None = Field(
        default=None,
        description="Under this key it can be cancelled: `POST /v1/cancellations`. The timeline shows it",
        examples=["order-A-1042"],
    )
    attachments: _Attachments | None = Field(
        default=None,
        description="Files for its mails, 10 MiB together. Other channels send none of them",
    )
