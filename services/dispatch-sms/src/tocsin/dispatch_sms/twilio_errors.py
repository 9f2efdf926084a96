"""What Twilio's errors mean for the message. Each code has its page: https://www.twilio.com/docs/api/errors/<code>."""

from tocsin.channel import Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason

_REJECTED = {
    21211: Reason.ADDRESS_INVALID,  # Invalid 'To' Phone Number
    21214: Reason.RECIPIENT_REFUSED,  # 'To' phone number cannot be reached
    21217: Reason.ADDRESS_INVALID,  # Phone number does not appear to be valid
    21265: Reason.ADDRESS_INVALID,  # 'To' number cannot be a Short Code
    21408: Reason.RECIPIENT_REFUSED,  # Permission to send an SMS has not been enabled for the region of 'To'
    21602: Reason.CONTENT_REFUSED,  # Message body is required
    21604: Reason.ADDRESS_INVALID,  # 'To' phone number is required
    21610: Reason.RECIPIENT_STOPPED,  # Attempt to send to unsubscribed recipient: they have answered STOP
    21612: Reason.RECIPIENT_REFUSED,  # 'To' not reachable using this 'From' (combination)
    21614: Reason.ADDRESS_INVALID,  # 'To' number is not a valid mobile number
    21617: Reason.TOO_LARGE,  # The concatenated message body exceeds the 1600 character limit
    21619: Reason.CONTENT_REFUSED,  # A text message body or media urls must be specified
    21635: Reason.RECIPIENT_REFUSED,  # 'To' number cannot be a landline
    30003: Reason.RECIPIENT_REFUSED,  # Unreachable destination handset
    30004: Reason.RECIPIENT_REFUSED,  # Message blocked
    30005: Reason.RECIPIENT_REFUSED,  # Unknown destination handset
    30006: Reason.RECIPIENT_REFUSED,  # Landline or unreachable carrier
    30007: Reason.CONTENT_REFUSED,  # Message filtered
}
"""This message will never go: give up."""

_OUR_SETUP = {
    20003,  # Authentication Error: invalid credentials
    20005,  # Account not active
    20008,  # Resource not accessible with test account credentials
    20403,  # Forbidden
    20404,  # Not found: the account does not exist
    21212,  # Invalid 'From' number
    21603,  # 'From' phone number is required
    21606,  # 'From' is not a valid, SMS-capable number of this account
    21659,  # 'From' is not a Twilio phone number or short code country mismatch
    21660,  # Mismatch between the 'From' number and the account
    21703,  # The Messaging Service does not have a phone number available
    21704,  # The Messaging Service contains no phone numbers
    21705,  # The Messaging Service Sid is invalid
    30002,  # Account suspended
}
"""The account, its sender or its service is at fault, not the message: another instance may send it."""

_PATIENCE = {
    14107,  # Message rate limit exceeded
    20429,  # Too Many Requests: "never processed and always safe to retry"
    21611,  # This 'From' number has exceeded the maximum number of queued messages
    30001,  # Queue overflow
    30022,  # US A2P 10DLC: rate limits exceeded
    63018,  # Rate limit exceeded for channel
    63038,  # Account exceeded the daily messages limit
}


def answer_of(status: int, code: int | None, *, retry_after: float | None) -> Answer:
    """What an answer other than 2xx means: HTTP status, Twilio's own code if it gave one."""
    said = str(code) if code is not None else f"HTTP {status}"
    if status == 429 or code in _PATIENCE:
        detail = "Twilio asks for patience."
        return Throttled(code=said, detail=detail, retry_after=retry_after)
    if code in _REJECTED:
        return Rejected(reason=_REJECTED[code], code=said, detail="Twilio refuses the message.")
    if status in {401, 403} or code in _OUR_SETUP:
        detail = "Twilio refuses our account, its sender or its messaging service."
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=said, detail=detail)
    if 400 <= status < 500 and status != 404 and code is not None:
        # A fault in the request: it will be the same next time.
        return Rejected(reason=Reason.PROVIDER_ERROR, code=said, detail="Twilio refuses the request.")
    return _not_the_messages_fault(status, said, retry_after=retry_after)


def _not_the_messages_fault(status: int, said: str, *, retry_after: float | None) -> NotSent | Ambiguous:
    if status == 503:
        # 20503: "temporarily unavailable. Try again": the request was turned away, not begun.
        detail = "Twilio is unavailable."
        return NotSent(reason=Reason.PROVIDER_ERROR, code=said, detail=detail, retry_after=retry_after)
    if 300 <= status < 500:
        detail = "The answer is none of Twilio's for this account: look at `base_url`, and at what stands before it."
        return NotSent(reason=Reason.PROVIDER_ERROR, code=said, detail=detail)
    # 20500: after a 500 on a POST that sends an SMS, "it is possible for a customer to receive multiple messages".
    # 502 and 504 come from a gateway that cannot know; a 2xx without a message from something in between.
    return Ambiguous(
        reason=Reason.PROVIDER_ERROR, code=said, detail="Nobody knows whether Twilio has the message."
    )
