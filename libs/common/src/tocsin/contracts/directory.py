"""What the router publishes for the others: API keys, tenants, categories, workflows, templates, inbox keys, endpoints of webhooks (topic
`directory`).

The topic is compacted; a record is an entity's state as it stands, a tombstone its end.
"""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any, Final, Literal

import msgspec

from tocsin.contracts.jobs import DeliveryClass, SenderIdentity
from tocsin.contracts.vocabulary import DEFAULT_TEMPLATE, ChannelWord, Lane

Scope = Literal["send", "read", "manage", "operate"]
CategoryDefault = Literal["required", "on", "off"]


class _Entity(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind"):
    version: int = 1
    """The schema's version, not the entity's."""
    tenant: str


class ApiKeyRecord(_Entity, kw_only=True, omit_defaults=True, tag="api_key"):
    """An API key without its secret: `sha256` is the hex SHA-256 of the secret part."""

    id: str
    name: str = ""
    mode: Literal["live", "test"]
    sha256: str
    scopes: list[Scope]
    expires_at: datetime | None = None

    @property
    def record_key(self) -> bytes:
        """The entity's Kafka key, as every entity has one: `kind/tenant` and what names it within the tenant."""
        return f"api_key/{self.tenant}/{self.id}".encode()


class TenantLimits(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """How much a tenant may send: over HTTP in a second, and in all on a day. None: as the settings of ingest have it; no quota."""

    requests_per_second: int | None = None
    recipients_per_second: int | None = None
    key_requests_per_second: int | None = None
    """Of each of its keys."""
    key_recipients_per_second: int | None = None
    messages_per_day: int | None = None
    """Notifications a day (UTC); what is over waits for the next one."""


class TenantRecord(_Entity, kw_only=True, omit_defaults=True, tag="tenant"):
    """A tenant: its name and branding, its sender identities, and its providers in order, by channel."""

    name: str = ""
    default_locale: str = "en"
    attributes: dict[str, Any] = {}
    senders: dict[ChannelWord, SenderIdentity] = {}
    providers: dict[ChannelWord, list[str]] = {}
    provider_weights: dict[ChannelWord, dict[str, int]] = {}
    """Of a channel whose providers have weights instead of an order: each of them."""
    address_like_ids: bool = False
    """Whether recipients' ids may have `@` or begin with `+`."""
    limits: TenantLimits | None = None
    quota_reached_on: date | None = None
    """The last day (UTC) on which it sent as many notifications as it may."""

    @property
    def record_key(self) -> bytes:
        return f"tenant/{self.tenant}".encode()


class CategoryRecord(_Entity, kw_only=True, omit_defaults=True, tag="category"):
    """A kind of message a recipient can switch: `required` cannot be switched off."""

    key: str
    name: str = ""
    default: CategoryDefault = "on"
    ttl_seconds: int | None = None
    delivery_class: DeliveryClass = "at_least_once"
    resend_elsewhere: bool = False
    """Whether another provider may be asked while nobody knows if the former one has sent a message."""

    @property
    def record_key(self) -> bytes:
        return f"category/{self.tenant}/{self.key}".encode()


class Step(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, tag_field="kind", tag="send"):
    """A step of a workflow. `send`: the message goes out on all of these channels, in the words of the template of this name.

    `kind` is `send` for every step so far. A step's name is unique in its workflow, and stands in the ids of its deliveries.
    """

    name: str
    channels: tuple[ChannelWord, ...]
    template: str = DEFAULT_TEMPLATE


class Throttle(msgspec.Struct, kw_only=True, frozen=True):
    """At most `limit` notifications of a workflow for one recipient within `seconds`."""

    limit: int
    seconds: int


class WorkflowRecord(_Entity, kw_only=True, omit_defaults=True, tag="workflow"):
    """A published workflow: what triggers it, whom it reaches, in which steps."""

    key: str
    revision: int
    event_types: list[str] = []
    recipients: str | None = None
    """JMESPath over the event (`{subject, data, source, type}`); None: the event's `subject` names the recipient."""
    category: str
    lane: Lane
    steps: list[Step]
    data_schema: dict[str, Any] | None = None
    throttle: Throttle | None = None

    @property
    def record_key(self) -> bytes:
        return f"workflow/{self.tenant}/{self.key}".encode()


class TemplateRecord(_Entity, kw_only=True, omit_defaults=True, tag="template"):
    """The published version of one template. `parts`: `subject`, `text`, `html` · `body` · `title`, `body`, `data.<name>`."""

    workflow: str
    channel: ChannelWord
    name: str = DEFAULT_TEMPLATE
    locale: str
    revision: int
    parts: dict[str, str]

    @property
    def record_key(self) -> bytes:
        named = (self.tenant, self.workflow, self.channel, self.name, self.locale)
        return f"template/{'/'.join(named)}".encode()


class InboxKey(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One key of a tenant's server. Of HS256 `sealed` is the secret (`tocsin.trust.Seal`); of ES256 `public_key` is PEM."""

    id: str
    """What tokens name it by: their `kid`."""
    algorithm: Literal["HS256", "ES256"]
    sealed: str | None = None
    public_key: str | None = None


class InboxKeysRecord(_Entity, kw_only=True, omit_defaults=True, tag="inbox_keys"):
    """The keys with which a tenant signs tokens of its recipients, and the origins of pages that may call with them."""

    keys: list[InboxKey] = []
    origins: list[str] = []

    @property
    def record_key(self) -> bytes:
        return f"inbox_keys/{self.tenant}".encode()


class WebhookEndpointRecord(_Entity, kw_only=True, omit_defaults=True, tag="webhook_endpoint"):
    """Where a tenant takes webhooks. Secrets and header values are sealed for `sealed_for`."""

    key: str
    url: str
    event_types: list[str] = []
    """Types of events whose messages come here; `*` alone: all of them."""
    statuses: list[str] = []
    """Names of statuses that are told here (`contracts.subscriptions`); `*` alone: all of them."""
    secrets: list[str]
    """One or two, each sealed; a call is signed with each."""
    headers: str | None = None
    """A JSON object of names and values, sealed as a whole."""
    ordered: bool = False
    """Whether messages about one recipient come one after the other."""
    enabled: bool = True

    @property
    def record_key(self) -> bytes:
        return f"webhook_endpoint/{self.tenant}/{self.key}".encode()

    @property
    def sealed_for(self) -> str:
        """The entity under which its secrets are sealed."""
        return endpoint_seal(self.key)

    def wants(self, event_type: str) -> bool:
        """Whether messages about events of this type come here."""
        return event_type in self.event_types or self.event_types == [EVERY]

    def is_told(self, names: Collection[str]) -> bool:
        """Whether a record of `status` that goes by these names is told here."""
        return self.statuses == [EVERY] or any(name in self.statuses for name in names)


EVERY: Final = "*"
"""Alone among an endpoint's event types or statuses: all of them."""


def endpoint_seal(key: str) -> str:
    """The entity under which the secrets of the endpoint of this key are sealed."""
    return f"webhook_endpoint/{key}"


DirectoryRecord = (
    ApiKeyRecord
    | TenantRecord
    | CategoryRecord
    | WorkflowRecord
    | TemplateRecord
    | InboxKeysRecord
    | WebhookEndpointRecord
)
"""Every record of `directory`."""
