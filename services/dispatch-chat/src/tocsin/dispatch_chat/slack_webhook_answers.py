"""What the answers of Slack's incoming webhooks mean (Slack, "Sending messages using incoming webhooks", handling errors; "Rate limits").

Success is 200 with `ok`; a refusal is a status with a word as plain text. A tenant can bring each about by the URL it gives, so none of them says
that Slack works for nobody: others' messages go on.
"""

from typing import Final

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason

REJECTED: Final = {
    "invalid_payload": Reason.CONTENT_REFUSED,
    "no_text": Reason.CONTENT_REFUSED,
    "too_many_attachments": Reason.CONTENT_REFUSED,
    "invalid_blocks": Reason.CONTENT_REFUSED,
    "invalid_blocks_format": Reason.CONTENT_REFUSED,
    "msg_too_long": Reason.TOO_LARGE,
    "msg_blocks_too_long": Reason.TOO_LARGE,
    "user_not_found": Reason.ADDRESS_INVALID,
    "invalid_token": Reason.ADDRESS_INVALID,
    "action_prohibited": Reason.RECIPIENT_REFUSED,
    "posting_to_general_channel_denied": Reason.RECIPIENT_REFUSED,
    "channel_is_archived": Reason.RECIPIENT_REFUSED,  # it may be taken out of the archive
    "team_disabled": Reason.RECIPIENT_REFUSED,
    "channel_not_found": Reason.ADDRESS_GONE,
    "no_active_hooks": Reason.ADDRESS_GONE,  # "the webhook is disabled"
    "no_service": Reason.ADDRESS_GONE,  # "the webhook is disabled, removed, or invalid"
    "no_service_id": Reason.ADDRESS_GONE,
    "no_team": Reason.ADDRESS_GONE,
}
"""This message will never go there: give up. To an address that is gone nothing goes any more."""

UNCERTAIN: Final = {"rollup_error"}
"""Slack: "something strange and unusual happened"."""


def answer_of(status: int, body: bytes, *, message_id: str, retry_after: float | None) -> Answer:
    """By status and word. Nothing else of the body goes further: a page that something else answers with may hold the URL."""
    word = body[:64].decode("ascii", "replace").strip()
    if status == 200 and word == "ok":
        return Accepted(message_id=message_id)
    if status == 429:
        return Throttled(code="HTTP 429", detail="Slack asks for patience.", retry_after=retry_after)
    if word in REJECTED and 400 <= status < 500:
        return Rejected(reason=REJECTED[word], code=word, detail="Slack refuses the message.")
    code = word if word in UNCERTAIN else f"HTTP {status}"
    if 300 <= status < 500:
        detail = "Slack refuses the message, and we do not know why."
        return NotSent(reason=Reason.RECIPIENT_REFUSED, code=code, detail=detail)
    detail = "Nobody knows whether Slack has the message."
    return Ambiguous(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
