"""What every column and every field of a record says, in which form. `docs/data.md` is made from it.

Each struct that crosses Kafka and each table is one entry with all its fields. A field that is missing here fails the generation of
the documents, and a column a test: whoever adds one decides here what it says.
"""

from enum import StrEnum
from typing import Final


class Says(StrEnum):
    """What a value says, and in which form it lies there."""

    PERSON = "says something of a person, in clear"
    PERSON_ID = "names a person, in clear: the recipient's id, which is the tenant's choice"
    PERSON_HASHED = "stands for a person's data: a hash, from which they cannot be read"
    PERSON_SIGNED = "names a person, in clear, with a signature"
    SEALED = "holds secrets of the tenant, sealed with `SEAL_KEYS`"
    KEY_HASHED = "stands for the secret of an API key: its SHA-256"
    TENANT = "is the tenant's own: settings, texts, names of its choice, in clear"
    TECHNICAL = "says nothing of a person: ids that are computed or counted, times, names of Tocsin's own"


Fields = dict[Says, str]
"""What its fields say → their names, with blanks between."""

_ORIGIN: Final = "origin cause traceparent"

STRUCTS: Final[dict[str, Fields]] = {
    "Event": {
        Says.PERSON: "data",
        Says.PERSON_ID: "subject",
        Says.TENANT: "source type cancel_key",
        Says.TECHNICAL: "tenant id time test traceparent send_at delay",
    },
    "Intent": {
        Says.PERSON_ID: "recipient",
        Says.TENANT: "event_source event_type workflow cancel_key",
        Says.TECHNICAL: (
            f"version tenant notification_id event_id event_time lane expires_at due_at test redrive {_ORIGIN}"
        ),
    },
    "Run": {Says.TECHNICAL: "turn"},
    "RetryMemory": {Says.TECHNICAL: "attempt first_at uncertain"},
    "IntentPrivate": {Says.PERSON: "link data"},
    "Attachment": {Says.PERSON: "name url sha256", Says.TECHNICAL: "size type inline"},
    "InlineRecipient": {Says.PERSON: "email phone locale time_zone attributes", Says.PERSON_ID: "id"},
    "ChatPlace": {Says.PERSON: "address", Says.TECHNICAL: "id kind"},
    "Device": {Says.PERSON: "token", Says.TECHNICAL: "id kind app"},
    "DeliveryRef": {Says.TENANT: "step", Says.TECHNICAL: "channel address_key"},
    "Continuation": {
        Says.PERSON_HASHED: "recipients_sha256",
        Says.TENANT: "workflow",
        Says.TECHNICAL: f"version event_time lane cursor revision redrive subject {_ORIGIN}",
    },
    "Redrive": {
        Says.PERSON_ID: "recipient",
        Says.TENANT: "workflow workflows",
        Says.TECHNICAL: f"version redrive subject event_time lane notification_id {_ORIGIN}",
    },
    "Job": {
        Says.PERSON: "locale",
        Says.PERSON_ID: "recipient",
        Says.PERSON_HASHED: "address_hash",
        Says.TENANT: "workflow category step providers template app",
        Says.TECHNICAL: (
            "version delivery_id notification_id tenant recipient_version channel lane address_key target required delivery_class "
            f"resend_elsewhere template_version test settled attempt event_time expires_at {_ORIGIN}"
        ),
    },
    "JobPrivate": {Says.PERSON: "address", Says.PERSON_ID: "told", Says.PERSON_SIGNED: "unsubscribe_url"},
    "EmailContent": {Says.PERSON: "subject text html"},
    "SmsContent": {Says.PERSON: "body"},
    "PushContent": {Says.PERSON: "title body link image sound badge data overrides"},
    "ChatContent": {Says.PERSON: "text title"},
    "Action": {Says.PERSON: "label url"},
    "WebhookContent": {Says.PERSON: "title body data"},
    "InappContent": {Says.PERSON: "title body link icon data"},
    "InboxAction": {Says.PERSON: "name label url"},
    "SenderIdentity": {Says.TENANT: "address name reply_to"},
    "Decision": {
        Says.PERSON: "link",
        Says.PERSON_ID: "recipient actor",
        Says.TENANT: "event_source workflow category cancel_key",
        Says.TECHNICAL: (
            "version status_id outcome rule reason again turn due_at redrive at event_time tenant event_id notification_id lane test truncated "
            f"{_ORIGIN}"
        ),
    },
    "RuleOutcome": {Says.PERSON: "input", Says.TECHNICAL: "rule outcome"},
    "ChannelDecision": {
        Says.PERSON: "locale",
        Says.TENANT: "step template",
        Says.TECHNICAL: "channel template_version detail",
    },
    "Target": {
        Says.PERSON_HASHED: "address_hash",
        Says.TECHNICAL: "delivery_id address_key outcome rule reason",
    },
    "Status": {
        Says.PERSON: "locale",
        Says.PERSON_ID: "recipient",
        Says.PERSON_HASHED: "address_hash",
        Says.TENANT: "event_source workflow category step provider template cancel_key",
        Says.TECHNICAL: (
            "version status_id status final at tenant event_id notification_id delivery_id channel address_key lane "
            "provider_message_id provider_code attempt rule reason detail retryable due_at segments gone_since test template_version "
            f"{_ORIGIN}"
        ),
    },
    "ProviderTry": {Says.TENANT: "provider", Says.TECHNICAL: "code answer ms"},
    "Receipt": {Says.PERSON: "at automated", Says.TECHNICAL: "id"},
    "ApiKeyRecord": {
        Says.KEY_HASHED: "sha256",
        Says.TENANT: "name",
        Says.TECHNICAL: "version tenant id mode scopes expires_at",
    },
    "TenantRecord": {
        Says.TENANT: "name default_locale attributes providers provider_weights address_like_ids",
        Says.TECHNICAL: "version tenant quota_reached_on",
    },
    "InboxKeysRecord": {Says.TENANT: "origins", Says.TECHNICAL: "version tenant"},
    "InboxKey": {Says.SEALED: "sealed", Says.TENANT: "public_key", Says.TECHNICAL: "id algorithm"},
    "TenantLimits": {
        Says.TENANT: "requests_per_second recipients_per_second key_requests_per_second key_recipients_per_second messages_per_day"
    },
    "CategoryRecord": {
        Says.TENANT: "key name default ttl_seconds delivery_class resend_elsewhere",
        Says.TECHNICAL: "version tenant",
    },
    "WorkflowRecord": {
        Says.TENANT: "key event_types recipients category lane data_schema",
        Says.TECHNICAL: "version tenant revision",
    },
    "Throttle": {Says.TENANT: "limit seconds"},
    "Step": {Says.TENANT: "name channels template"},
    "TemplateRecord": {
        Says.TENANT: "workflow channel name locale parts",
        Says.TECHNICAL: "version tenant revision",
    },
    "WebhookEndpointRecord": {
        Says.SEALED: "secrets headers",
        Says.TENANT: "key url event_types statuses ordered enabled",
        Says.TECHNICAL: "version tenant",
    },
    "Cancellation": {
        Says.TENANT: "key",
        Says.TECHNICAL: "version tenant notification_id test requested_at origin",
    },
    "BoxMoved": {Says.PERSON_ID: "recipient", Says.TECHNICAL: "version tenant changed"},
    "RecipientVersion": {Says.TECHNICAL: "version raised_at"},
    "SetTimer": {
        Says.PERSON_ID: "recipient",
        Says.TENANT: "wakes_on",
        Says.TECHNICAL: "version id tenant notification_id due topic cause traceparent",
    },
    "TimerPrivate": {Says.PERSON: "record"},
    "HurryTimer": {
        Says.PERSON_ID: "recipient",
        Says.TENANT: "step",
        Says.TECHNICAL: "version tenant notification_id cause",
    },
    "EraseTimers": {Says.PERSON_ID: "recipient", Says.TECHNICAL: "version tenant cause"},
    "TimerFired": {Says.TECHNICAL: "version id how"},
    "DeadLetter": {
        Says.TENANT: "event_source workflows",
        Says.PERSON_HASHED: "original_sha256 original_key_sha256 original_headers_sha256",
        Says.TECHNICAL: (
            "service reason detail origin at tenant event_id record_time original_bytes original_key_bytes original_headers "
            "original_headers_bytes"
        ),
    },
}
"""Name of the struct → its fields. A field that holds another struct of these says what that one says."""

_CHANGED: Final = "tenant revision created_at updated_at"

TABLES: Final[dict[str, Fields]] = {
    "directory.tenants": {
        Says.TENANT: "id name default_locale attributes senders providers provider_weights address_like_ids limits shared_devices",
        Says.TECHNICAL: "revision created_at updated_at quota_reached_on",
    },
    "directory.api_keys": {
        Says.KEY_HASHED: "sha256",
        Says.TENANT: "name",
        Says.TECHNICAL: "tenant id mode scopes replaces expires_at revoked_at created_at",
    },
    "directory.inbox_keys": {
        Says.SEALED: "keys",
        Says.TENANT: "origins",
        Says.TECHNICAL: _CHANGED,
    },
    "directory.webhook_endpoints": {
        Says.SEALED: "secrets headers",
        Says.TENANT: "key name url event_types statuses header_names ordered enabled disabled_reason disabled_at failing_since last_error told told_at told_in",
        Says.TECHNICAL: _CHANGED,
    },
    "directory.recipients": {
        Says.PERSON: "email phone chats locale time_zone attributes",
        Says.PERSON_ID: "id",
        Says.TECHNICAL: _CHANGED,
    },
    "directory.recipient_versions": {
        Says.PERSON_ID: "recipient",
        Says.TECHNICAL: "tenant version raised_at on_stops",
    },
    "directory.devices": {
        Says.PERSON: "token",
        Says.PERSON_ID: "recipient",
        Says.TECHNICAL: "tenant id kind app created_at updated_at",
    },
    "directory.categories": {
        Says.TENANT: "key name default ttl_seconds delivery resend_elsewhere",
        Says.TECHNICAL: _CHANGED,
    },
    "directory.preferences": {
        Says.PERSON: "enabled source changed_at",
        Says.PERSON_ID: "recipient",
        Says.TENANT: "category workflow",
        Says.TECHNICAL: "tenant channel",
    },
    "directory.workflows": {
        Says.TENANT: "key name event_types recipients category lane steps data_schema throttle published",
        Says.TECHNICAL: _CHANGED,
    },
    "directory.templates": {
        Says.TENANT: "workflow channel name locale parts",
        Says.TECHNICAL: "tenant revision created_at",
    },
    "directory.template_pointers": {
        Says.TENANT: "workflow channel name locale",
        Says.TECHNICAL: "tenant revision published_at",
    },
    "directory.refused_revisions": {Says.TENANT: "workflow part", Says.TECHNICAL: "tenant revision until"},
    "directory.cancellations": {Says.TECHNICAL: "hash requested_at"},
    "directory.claims": {Says.PERSON_HASHED: "data_hash", Says.TECHNICAL: "key record claimed_at"},
    "directory.quota_days": {Says.TECHNICAL: "tenant day used places"},
    "directory.throttles": {Says.PERSON_HASHED: "key", Says.TECHNICAL: "ids times most seconds ends_at"},
    "directory.suppressions": {
        Says.PERSON: "cause code until created_at",
        Says.PERSON_HASHED: "address_hash",
        Says.TENANT: "category source spares_required",
        Says.TECHNICAL: "tenant channel notification_id key_id",
    },
    "directory.soft_bounces": {
        Says.PERSON: "at",
        Says.PERSON_HASHED: "address_hash",
        Says.TECHNICAL: "tenant channel status_id",
    },
    "directory.suppression_removals": {
        Says.PERSON: "cause code until suppressed_at",
        Says.PERSON_HASHED: "address_hash",
        Says.TENANT: "reason category source spares_required",
        Says.TECHNICAL: "tenant id removed_at key_id channel notification_id",
    },
    "directory.outbox": {Says.PERSON_ID: "key", Says.TECHNICAL: "id kind tenant turn at"},
    "directory.schema_version": {Says.TECHNICAL: "version_num"},
    "ledger.statuses": {
        Says.PERSON: "decision locale",
        Says.PERSON_ID: "recipient",
        Says.PERSON_HASHED: "address_hash",
        Says.TENANT: "event_source workflow category step provider template cancel_key",
        Says.TECHNICAL: (
            "day stored_at kafka_partition kafka_offset kind status_id again redrive event_time routed awaited expires_at status final at tenant event_id "
            "notification_id delivery_id channel address_key lane provider_message_id provider_code attempt rule reason detail "
            f"retryable due_at segments tries receipt gone_since test template_version {_ORIGIN}"
        ),
    },
    "ledger.dead_letters": {
        Says.PERSON: "value headers",
        Says.PERSON_ID: "key",
        Says.PERSON_HASHED: "original_sha256 original_key_sha256 original_headers_sha256",
        Says.TENANT: "event_source workflows",
        Says.TECHNICAL: (
            "day stored_at kafka_topic kafka_partition kafka_offset id number kind service reason detail origin at tenant "
            "event_id record_time original_bytes original_key_bytes original_headers original_headers_bytes"
        ),
    },
    "ledger.overdue": {
        Says.TECHNICAL: "lane kafka_partition kafka_offset tenant notification_id delivery_id origin day redriven_at expires_at"
    },
    "ledger.swept": {Says.TECHNICAL: "lane kafka_partition up_to"},
    "ledger.redrives": {
        Says.PERSON_ID: "selection",
        Says.TECHNICAL: (
            "id number tenant state rate matched written not_possible place page pending key_id created_at ended_at"
        ),
    },
    "ledger.redriven": {Says.TECHNICAL: "id day redrive page"},
    "ledger.positions": {Says.TECHNICAL: "consumer_group topic kafka_partition next_offset"},
    "ledger.schema_version": {Says.TECHNICAL: "version_num"},
    "scheduler.timers": {
        Says.PERSON: "record",
        Says.PERSON_ID: "recipient key",
        Says.TENANT: "wakes_on",
        Says.TECHNICAL: "lane kafka_partition id kafka_offset set_at due hurried tenant notification_id topic traceparent",
    },
    "scheduler.hurries": {
        Says.TENANT: "step",
        Says.TECHNICAL: "lane kafka_partition kafka_offset notification_id at",
    },
    "scheduler.positions": {Says.TECHNICAL: "consumer_group topic kafka_partition next_offset"},
    "scheduler.schema_version": {Says.TECHNICAL: "version_num"},
    "inbox.items": {
        Says.PERSON: "content seen_at read_at archived_at clicked_at clicked_action",
        Says.PERSON_ID: "recipient",
        Says.PERSON_HASHED: "about",
        Says.TENANT: "category",
        Says.TECHNICAL: "tenant id seq created_at expires_at remove_at",
    },
    "inbox.boxes": {
        Says.PERSON: "unseen unread",
        Says.PERSON_ID: "recipient",
        Says.TECHNICAL: "tenant last_seq",
    },
    "inbox.changes": {
        Says.PERSON: "status at",
        Says.PERSON_ID: "recipient",
        Says.PERSON_HASHED: "about",
        Says.TENANT: "category",
        Says.TECHNICAL: "id tenant item",
    },
    "inbox.schema_version": {Says.TECHNICAL: "version_num"},
}
"""Schema and name of the table → its columns."""

KEPT: Final[dict[str, str]] = {
    "directory.tenants": "until the installation ends: a tenant is not deleted",
    "directory.api_keys": "for ever, also revoked ones: an id is not given out again",
    "directory.inbox_keys": "until the tenant replaces them",
    "directory.webhook_endpoints": "until deleted",
    "directory.recipients": "until the recipient is deleted",
    "directory.recipient_versions": "for ever: a version never counts down",
    "directory.devices": "until deleted, alone or with the recipient; until a provider says that the token is gone",
    "directory.categories": "until deleted",
    "directory.preferences": "until switched otherwise, or until the recipient is deleted",
    "directory.workflows": "until deleted",
    "directory.templates": "all revisions, until deleted, alone or with the workflow",
    "directory.template_pointers": "until unpublished, or deleted with the template",
    "directory.refused_revisions": "an hour, until the next start of a router after it",
    "directory.cancellations": "13 months: a message may be due a year after its event",
    "directory.claims": "`ROUTER_DUPLICATE_WINDOW`, 24 h by default",
    "directory.quota_days": "three days",
    "directory.throttles": "until the workflow's limit has let everybody in again, a minute more",
    "directory.suppressions": "until somebody removes it, also when the recipient is deleted",
    "directory.soft_bounces": "fourteen days",
    "directory.suppression_removals": "for ever",
    "directory.outbox": "until published, milliseconds as a rule",
    "directory.schema_version": "for ever",
    "ledger.statuses": "`LEDGER_RETENTION_DAYS`, 30 by default",
    "ledger.dead_letters": "`LEDGER_RETENTION_DAYS`, 30 by default",
    "ledger.overdue": "until the delivery ends; `LEDGER_RETENTION_DAYS` at most",
    "ledger.swept": "for ever",
    "ledger.redrives": "for ever",
    "ledger.redriven": "as long as the status or the dead letter of which it tells",
    "ledger.positions": "for ever",
    "ledger.schema_version": "for ever",
    "scheduler.timers": "until the timer has fired",
    "scheduler.hurries": "ten minutes of the broker's time, or until a timer meets it",
    "scheduler.positions": "for ever",
    "scheduler.schema_version": "for ever",
    "inbox.items": "until the item expires, or `keep_days` of the provider instance have passed, 90 by default",
    "inbox.boxes": "for ever: a number is not given out again",
    "inbox.changes": "until its status stands on Kafka, milliseconds as a rule",
    "inbox.schema_version": "for ever",
}
"""How long a row of the table lies there."""
