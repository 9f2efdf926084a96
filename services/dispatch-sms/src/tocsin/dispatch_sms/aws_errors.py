"""What the errors mean that every API of AWS may give.

They stand in https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html and, with the names that APIs of JSON give them, in
https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/CommonErrors.html.
"""

from tocsin.channel import Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason

_CREDENTIALS = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_PATIENCE = {
    "RequestLimitExceeded",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}


def common_answer(status: int, code: str, said: str, *, retry_after: float | None) -> Answer:
    """What the error `code` means, whichever API gave it. `said` is what a status shows of it."""
    if status == 429 or code in _PATIENCE:
        return Throttled(code=said, detail="AWS asks for patience.", retry_after=retry_after)
    if status in {401, 403} or code in _CREDENTIALS:
        detail = "AWS refuses our credentials, or they may not send: look at the key, its policy, and this machine's clock."
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=said, detail=detail)
    if 300 <= status < 400 or status == 404:
        detail = "The endpoint is none of this API: look at `region` and `base_url`."
        return NotSent(reason=Reason.PROVIDER_ERROR, code=said, detail=detail)
    if 400 <= status < 500:
        # A fault in the request: it will be the same next time.
        return Rejected(reason=Reason.PROVIDER_ERROR, code=said, detail="AWS refuses the request.")
    # AWS documents no 5xx as not taken; a 2xx without a message id comes from something in between.
    return Ambiguous(
        reason=Reason.PROVIDER_ERROR, code=said, detail="Nobody knows whether AWS has the message."
    )
