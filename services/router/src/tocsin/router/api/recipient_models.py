"""Recipients and their devices, as the API takes and gives them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, WrapValidator
from pydantic_core import PydanticCustomError

from tocsin.contracts.limits import CHATS_PER_RECIPIENT, RECIPIENTS_PER_REQUEST
from tocsin.contracts.recipients import valid_chats
from tocsin.contracts.values.recipient import CHATS_RULE
from tocsin.contracts.vocabulary import DeviceKind, Reason
from tocsin.router.api.fields import (
    MAIL,
    PHONE,
    Attributes,
    ChatAddress,
    ChatId,
    ChatKindWord,
    DeviceApp,
    DeviceKindWord,
    DeviceToken,
    Email,
    LocaleTag,
    Phone,
    RecipientId,
    TimeZone,
)
from tocsin.web import RequestBody, address_of_its_kind, of_its_kind
from tocsin.web.problem import ProblemError


class ChatWrite(RequestBody):
    """A place in a chat where the recipient reads. The address of a webhook is a secret: who knows it can write there."""

    id: ChatId
    kind: ChatKindWord
    address: Annotated[ChatAddress, address_of_its_kind]


def _of_different_ids(chats: list[ChatWrite]) -> list[ChatWrite]:
    if not valid_chats([chat.id for chat in chats]):
        raise PydanticCustomError(Reason.CHAT_INVALID.value, CHATS_RULE)
    return chats


Chats = Annotated[list[ChatWrite], Field(max_length=CHATS_PER_RECIPIENT), AfterValidator(_of_different_ids)]


class RecipientWrite(RequestBody):
    """A recipient whole: what is left out is taken away. Devices and preferences have addresses of their own."""

    email: Email | None = None
    phone: Phone | None = None
    chats: Chats = Field(
        default=[], description="Places in chats, of different ids; each gets every message of channel `chat`"
    )
    locale: LocaleTag | None = Field(default=None, description="Language of messages; the tenant's if absent")
    time_zone: TimeZone | None = None
    attributes: Attributes = Field(default_factory=dict)


class IdentifiedRecipient(RecipientWrite):
    """One of many recipients."""

    id: RecipientId


def _as_sent(value: Any, _: Any) -> Any:
    return value


class BulkRecipients(RequestBody):
    """Up to 1,000 recipients. Each is looked at alone: the faults of one do not keep out the others."""

    recipients: Annotated[
        list[Annotated[IdentifiedRecipient, WrapValidator(_as_sent)]],
        Field(min_length=1, max_length=RECIPIENTS_PER_REQUEST),
    ]


class BulkAnswer(BaseModel):
    """What became of one of them, in the order sent."""

    id: str | None = Field(description="As sent; null where there was none to read")
    result: Literal["created", "updated", "unchanged", "refused"]
    errors: list[ProblemError] = Field(
        default=[], description="Why it was refused; pointers into the whole body"
    )


class BulkAnswers(BaseModel):
    """One answer for each recipient."""

    items: list[BulkAnswer]


class DeviceWrite(RequestBody):
    """An installation of an app that takes push messages."""

    kind: DeviceKindWord = Field(
        default=DeviceKind.FCM.value,
        description="Which push service knows the token: `fcm` (also the token that Firebase's library gives an app on iOS "
        "or in a browser), `apns`, `webpush`, or what a provider of your own serves",
    )
    token: Annotated[DeviceToken, of_its_kind]
    app: DeviceApp | None = Field(default=None, description="Which of your apps this is, in your own words")


class RegisteredDevice(BaseModel):
    """A device of a recipient."""

    id: str
    token: str
    kind: str
    app: str | None
    created_at: datetime
    updated_at: datetime


class Devices(BaseModel):
    """All devices of a recipient."""

    data: list[RegisteredDevice]


class Recipient(BaseModel):
    """A recipient as stored."""

    id: str
    email: Annotated[str, Field(json_schema_extra=MAIL)] | None
    phone: Annotated[str, Field(json_schema_extra=PHONE)] | None
    locale: str | None
    time_zone: str | None
    chats: list[ChatWrite]
    attributes: dict[str, Any]
    devices: list[RegisteredDevice]
    version: int = Field(description="Raised by each change that takes something away; see `stops`")
    created_at: datetime
    updated_at: datetime
