"""The sizes every way in obeys. Settings may lower them; the contract promises no more."""

HTTP_BODY_BYTES = 1024 * 1024
EVENT_DATA_BYTES = 256 * 1024
RECIPIENTS_PER_REQUEST = 1_000
DEVICES_PER_RECIPIENT = 50
CHATS_PER_RECIPIENT = 20
EVENTS_PER_BATCH = 1_000
JSON_DEPTH = 64
MESSAGE_LIFE_SECONDS = 6 * 24 * 3600
"""A message expires at most so long after its event: no job or intent of it may outlive its topic, which keeps it for 7 days."""
CLOCK_TOLERANCE_SECONDS = 300
"""Ingest judges by its own clock and the router by the broker's: what ingest took, the router takes."""
RENDERED_PART_BYTES = 512 * 1024
PUSH_CONTENT_BYTES = 64 * 1024
CHAT_CONTENT_BYTES = 64 * 1024
INBOX_CONTENT_BYTES = 16 * 1024
ACTIONS_PER_MESSAGE = 3
ACTION_LABEL_CHARS = 75
"""What Slack's buttons show at most (Block Kit, "Button element")."""
ATTACHMENTS_PER_MESSAGE = 10
ATTACHMENTS_BYTES = 10 * 1024 * 1024
"""Of all files of a message together, as they are; in a mail they take a third more."""
IDEMPOTENCY_KEY_CHARS = 255
DECISION_RULES_BYTES = 4 * 1024
DECISION_TARGETS_BYTES = 64 * 1024
FAN_OUT_RECORDS = 1_000
FAN_OUT_BYTES = 4 * 1024 * 1024
