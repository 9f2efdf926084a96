"""What the errors of `chat.postMessage` mean for the message (Slack, "chat.postMessage method", errors; "Rate limits").

Slack answers 200 with `ok: false` and a word. The word alone goes further: what stands beside it may repeat what was sent.
"""

import re
from typing import Final

import msgspec

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled, message_id
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.vocabulary import Reason

_WORD = re.compile(r"[a-z][a-z0-9_]{0,59}").fullmatch


class _Posted(msgspec.Struct):
    ok: bool
    ts: str | None = None
    error: str | None = None


_decode = msgspec.json.Decoder(_Posted).decode

REJECTED: Final = {
    "channel_not_found": Reason.ADDRESS_INVALID,  # also a private channel that the bot is not in
    "user_not_found": Reason.ADDRESS_INVALID,
    "cannot_dm_bot": Reason.ADDRESS_INVALID,
    "not_in_channel": Reason.RECIPIENT_REFUSED,
    "is_archived": Reason.RECIPIENT_REFUSED,
    "restricted_action": Reason.RECIPIENT_REFUSED,
    "restricted_action_read_only_channel": Reason.RECIPIENT_REFUSED,
    "restricted_action_thread_only_channel": Reason.RECIPIENT_REFUSED,
    "restricted_action_non_threadable_channel": Reason.RECIPIENT_REFUSED,
    "restricted_action_thread_locked": Reason.RECIPIENT_REFUSED,
    "messages_tab_disabled": Reason.RECIPIENT_REFUSED,
    "slack_connect_file_link_sharing_blocked": Reason.RECIPIENT_REFUSED,
    "slack_connect_canvas_sharing_blocked": Reason.RECIPIENT_REFUSED,
    "slack_connect_lists_sharing_blocked": Reason.RECIPIENT_REFUSED,
    "msg_too_long": Reason.TOO_LARGE,
    "msg_blocks_too_long": Reason.TOO_LARGE,
    "metadata_too_large": Reason.TOO_LARGE,
    "no_text": Reason.CONTENT_REFUSED,
    "invalid_blocks": Reason.CONTENT_REFUSED,
    "invalid_blocks_format": Reason.CONTENT_REFUSED,
    "too_many_attachments": Reason.CONTENT_REFUSED,
    "too_many_contact_cards": Reason.CONTENT_REFUSED,
    "markdown_text_conflict": Reason.CONTENT_REFUSED,
    "cannot_reply_to_message": Reason.CONTENT_REFUSED,
    "duplicate_channel_not_found": Reason.CONTENT_REFUSED,
    "duplicate_message_not_found": Reason.CONTENT_REFUSED,
    "invalid_metadata_format": Reason.CONTENT_REFUSED,
    "invalid_metadata_schema": Reason.CONTENT_REFUSED,
    "metadata_must_be_sent_from_app": Reason.CONTENT_REFUSED,
    "as_user_not_supported": Reason.PROVIDER_ERROR,
    "invalid_arguments": Reason.PROVIDER_ERROR,
    "invalid_arg_name": Reason.PROVIDER_ERROR,
    "invalid_array_arg": Reason.PROVIDER_ERROR,
    "invalid_charset": Reason.PROVIDER_ERROR,
    "invalid_form_data": Reason.PROVIDER_ERROR,
    "invalid_post_type": Reason.PROVIDER_ERROR,
    "missing_post_type": Reason.PROVIDER_ERROR,
    "deprecated_endpoint": Reason.PROVIDER_ERROR,
    "method_deprecated": Reason.PROVIDER_ERROR,
}
"""This message will never go there: give up."""

OUR_SETUP: Final = {
    "not_authed",
    "invalid_auth",
    "account_inactive",
    "token_expired",
    "token_revoked",
    "no_permission",
    "missing_scope",
    "not_allowed_token_type",
    "org_login_required",
    "two_factor_setup_required",
    "access_denied",
    "accesslimited",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "team_access_not_granted",
    "team_not_found",
}
"""The bot or its workspace is at fault, not the message."""

PATIENCE: Final = {"ratelimited", "rate_limited", "message_limit_exceeded"}

PASSING: Final = {
    "request_timeout",  # "the POST data was either missing or truncated"
    "team_added_to_org",  # "will be intermittently unavailable until the transition is complete"
}
"""Not taken, and worth another attempt."""

UNCERTAIN: Final = {"fatal_error", "internal_error", "service_unavailable"}
"""Of the first two Slack says that "some aspect of the operation" may have succeeded, of the third nothing."""


def answer_of(status: int, body: bytes, *, retry_after: float | None) -> Answer:
    """What a response means. A message's `ts` is its id in its channel."""
    if status == 429:
        return _patience("ratelimited", retry_after)
    try:
        said = _decode(body)
    except UNREADABLE_ERRORS:
        return _unread(status)
    if said.ok:
        return Accepted(message_id=message_id(said.ts))
    return _refusal(said.error or "", status, retry_after=retry_after)


def _refusal(error: str, status: int, *, retry_after: float | None) -> Answer:
    code = error if _WORD(error) else f"HTTP {status}"
    if code in PATIENCE:
        return _patience(code, retry_after)
    if code in REJECTED:
        return Rejected(reason=REJECTED[code], code=code, detail="Slack refuses the message.")
    if code in OUR_SETUP:
        detail = "Slack refuses our bot: look at its token, its scopes and its workspace."
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=code, detail=detail)
    if code in PASSING:
        return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail="Slack has not taken the message.")
    # A new word is a refusal as good as any, but nothing says for good.
    if code not in UNCERTAIN and status < 500:
        return NotSent(
            reason=Reason.PROVIDER_ERROR, code=code, detail="Slack refuses, and we do not know why."
        )
    return _uncertain(code)


def _unread(status: int) -> Answer:
    code = f"HTTP {status}"
    if 300 <= status < 500:
        detail = "The answer is none of Slack's: look at `base_url`, and at what stands before it."
        return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
    return _uncertain(code)


def _patience(code: str, retry_after: float | None) -> Throttled:
    return Throttled(code=code, detail="Slack asks for patience.", retry_after=retry_after)


def _uncertain(code: str) -> Ambiguous:
    detail = "Nobody knows whether Slack has the message."
    return Ambiguous(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
