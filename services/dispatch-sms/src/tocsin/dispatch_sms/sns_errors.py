"""What the errors of SNS's `Publish` mean for the message (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Errors).

An error is XML with a `Code`. Its message is read only for the parameter's name, and goes no further: it repeats the number.
"""

import re

from tocsin.channel import Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_sms.aws_errors import common_answer

_CODE = re.compile(rb"<Code>([A-Za-z][0-9A-Za-z.]{0,99})</Code>")

_INVALID = {"InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationException"}
"""One parameter is at fault. The message names it: "Invalid parameter: PhoneNumber Reason: …"."""
_OPTED_OUT = {"OptedOut", "OptedOutException"}


def answer_of(status: int, body: bytes, *, retry_after: float | None) -> Answer:
    """What an answer other than a taken message means."""
    found = _CODE.search(body)
    code = found[1].decode() if found else ""
    said = code or f"HTTP {status}"
    if code in _OPTED_OUT:
        detail = "The number has opted out of messages of this account."
        return Rejected(reason=Reason.RECIPIENT_STOPPED, code=said, detail=detail)
    if code in _INVALID and b"SenderID" not in body and b"OriginationNumber" not in body:
        about_number = b"PhoneNumber" in body or b"Phone number" in body
        reason = Reason.ADDRESS_INVALID if about_number else Reason.CONTENT_REFUSED
        return Rejected(reason=reason, code=said, detail="SNS refuses the message.")
    if code in _INVALID:
        detail = "SNS refuses the sender: register it there, or set another one."
        return NotSent(reason=Reason.SENDER_REFUSED, code=said, detail=detail)
    if code == "KMSThrottling":
        return Throttled(code=said, detail="AWS asks for patience.", retry_after=retry_after)
    return common_answer(status, code, said, retry_after=retry_after)
