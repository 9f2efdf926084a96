"""What the errors mean that every API of AWS may give: `tocsin.channel.aws_account` lists them."""

from tocsin.channel import Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.channel.aws_account import CREDENTIALS_REFUSED, THROTTLED
from tocsin.contracts.vocabulary import Reason


def common_answer(status: int, code: str, said: str, *, retry_after: float | None) -> Answer:
    """What the error `code` means, whichever API gave it; "" where the answer names none. `said` is what a status shows of it."""
    if status == 429 or code in THROTTLED:
        return Throttled(code=said, detail="AWS asks for patience.", retry_after=retry_after)
    if status in {401, 403} or code in CREDENTIALS_REFUSED:
        detail = "AWS refuses our credentials, or they may not send: look at the key, its policy, and this machine's clock."
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=said, detail=detail)
    if status < 300 or status >= 500:
        # AWS documents no 5xx as not taken; a 2xx without a message id comes from something in between.
        detail = "Nobody knows whether AWS has the message."
        return Ambiguous(reason=Reason.PROVIDER_ERROR, code=said, detail=detail)
    if status == 400 and code:
        # A fault in the request: it will be the same next time.
        return Rejected(reason=Reason.PROVIDER_ERROR, code=said, detail="AWS refuses the request.")
    detail = "The answer is none of this API: look at `region` and `base_url`, and at what stands before it."
    return NotSent(reason=Reason.PROVIDER_ERROR, code=said, detail=detail)
