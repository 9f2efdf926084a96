"""What can be caught, as it is shown and as `GET /api/messages` tells it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field, computed_field

Channel = Literal["email", "sms", "push", "chat", "webhook"]
_PREVIEW_CHARACTERS = 160


class _Caught(BaseModel):
    """What every message has. `to` is one address: a mail to two recipients is caught twice."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    id: UUID = Field(default_factory=uuid4)
    received_at: datetime
    to: str
    sender: str = Field(alias="from")
    notification_id: UUID | None = None
    delivery_id: UUID | None = None
    provider: str = ""
    """The kind of provider in whose shape it came, such as `smtp` or `twilio`."""
    custom: dict[str, str] = Field(default_factory=dict)
    """What its sender gave the provider to be told again with each event."""


class Attachment(BaseModel):
    """A part of a mail that is neither its text nor its HTML; only described, never kept apart."""

    name: str
    content_type: str
    bytes: int


class Email(_Caught):
    """A mail, decoded; `raw` is its source as text, undecodable bytes replaced."""

    channel: Literal["email"] = "email"
    envelope_from: str
    subject: str
    text: str | None
    html: str | None
    headers: tuple[tuple[str, str], ...]
    attachments: tuple[Attachment, ...] = ()
    raw: str

    @computed_field  # type: ignore[prop-decorator]  # mypy does not know pydantic's decorator over property
    @property
    def preview(self) -> str:
        """The beginning of the text, in one line."""
        return " ".join((self.text or "")[: _PREVIEW_CHARACTERS * 4].split())[:_PREVIEW_CHARACTERS]

    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return 2 * len(self.raw) + len(self.text or "") + len(self.html or "")

    def brief(self) -> dict[str, Any]:
        """What a list needs: everything but the large parts."""
        return as_json(self, without={"text", "html", "headers", "raw", "custom"})


class Sms(_Caught):
    """A text message; `units` are septets in GSM-7, 16-bit code units in UCS-2."""

    channel: Literal["sms"] = "sms"
    sid: str
    body: str
    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int
    request: dict[str, str]

    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return 8 * len(self.body) + 512

    def brief(self) -> dict[str, Any]:
        """What a list needs."""
        return as_json(self, without={"request", "custom"})


class Push(_Caught):
    """A push to one device: `to` and `token` are its registration token; `request` is the message as it came."""

    channel: Literal["push"] = "push"
    name: str
    project: str
    token: str
    title: str
    body: str
    data: dict[str, str]
    request: dict[str, Any]

    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return 4 * (len(self.title) + len(self.body)) + 8192

    def brief(self) -> dict[str, Any]:
        """What a list needs."""
        return as_json(self, without={"request", "custom"})


class Chat(_Caught):
    """A message to one place in a chat; `request` is the message as it came."""

    channel: Literal["chat"] = "chat"
    title: str
    text: str
    actions: tuple[dict[str, str], ...]
    """Buttons: `label` and `url`."""
    request: dict[str, Any]

    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return 4 * (len(self.title) + len(self.text)) + 8192

    def brief(self) -> dict[str, Any]:
        """What a list needs."""
        return as_json(self, without={"request", "custom"})


class Webhook(_Caught):
    """A webhook: `to` is the endpoint's name in its path, `request` its JSON; `verified`: its signature was checked."""

    channel: Literal["webhook"] = "webhook"
    title: str
    body: str
    verified: bool
    headers: tuple[tuple[str, str], ...]
    request: dict[str, Any]

    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return 4 * (len(self.title) + len(self.body)) + 8192

    def brief(self) -> dict[str, Any]:
        """What a list needs."""
        return as_json(self, without={"request", "headers", "custom"})


AnyMessage = Email | Sms | Push | Chat | Webhook
Message = Annotated[AnyMessage, Field(discriminator="channel")]


def as_json(message: AnyMessage, *, without: set[str] | None = None) -> dict[str, Any]:
    """The message as JSON values, field names as documented (`from`, not `sender`)."""
    return message.model_dump(mode="json", by_alias=True, exclude=without)


def uuid_or_none(text: str | None) -> UUID | None:
    """The UUID in `text`; None when it holds anything else: senders may carry no ids."""
    if not text:
        return None
    try:
        return UUID(text.strip())
    except ValueError:
        return None
