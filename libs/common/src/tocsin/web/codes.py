"""Every problem an API of ours can answer with. Each has a page `docs/problems/<code>.md`; a test holds the two together.

A code is for ever: callers branch on it. Add a line here, and its page, before raising a new one.
"""

from dataclasses import dataclass
from typing import Final

PAGES: Final = "https://github.com/tocsin/tocsin/blob/main/docs/problems"
"""Where the pages are read. RFC 9457 asks for a `type` that can be opened; this is the only place that knows the address."""

CODES: Final[dict[str, "ProblemCode"]] = {}
"""All codes by name."""


@dataclass(frozen=True, slots=True)
class ProblemCode:
    """One kind of problem: its name for machines, its HTTP status, its title for people."""

    name: str
    status: int
    title: str

    @property
    def type(self) -> str:
        """The URI of the page that explains it."""
        return f"{PAGES}/{self.name}.md"


def _code(name: str, status: int, title: str) -> ProblemCode:
    code = CODES[name] = ProblemCode(name, status, title)
    return code


# fmt: off
BAD_REQUEST = _code("bad_request", 400, "The request cannot be understood")
INVALID_JSON = _code("invalid_json", 400, "The body is not valid JSON")
INVALID_CURSOR = _code("invalid_cursor", 400, "The cursor is not one this list gave out")
UNAUTHENTICATED = _code("unauthenticated", 401, "A valid API key is required")
TOKEN_INVALID = _code("token_invalid", 401, "A valid token of the recipient is required")
TOKEN_KEY_UNKNOWN = _code("token_key_unknown", 401, "The tenant has no key of this name")
TOKEN_EXPIRED = _code("token_expired", 401, "The recipient's token has expired")
TOKEN_AUDIENCE = _code("token_audience", 401, "The token is for something else")
TOKEN_LIVES_TOO_LONG = _code("token_lives_too_long", 401, "The token is good for too long")
SCOPE_MISSING = _code("scope_missing", 403, "The API key lacks the scope for this")
TEST_KEY = _code("test_key", 403, "A test key changes nothing that live sends use")
FORBIDDEN = _code("forbidden", 403, "This is not allowed")
NOT_FOUND = _code("not_found", 404, "There is nothing under this address")
NOT_YET_KNOWN = _code("not_yet_known", 404, "Nothing is known under this id yet")
INVALID_LINK = _code("invalid_link", 404, "The link is not valid")
METHOD_NOT_ALLOWED = _code("method_not_allowed", 405, "The address does not answer this method")
REQUEST_TIMEOUT = _code("request_timeout", 408, "The request did not arrive in time")
ALREADY_EXISTS = _code("already_exists", 409, "Something with this key exists already")
CONFLICT = _code("conflict", 409, "The present state does not allow this")
PRECONDITION_FAILED = _code("precondition_failed", 412, "It was changed since it was read")
BODY_TOO_LARGE = _code("body_too_large", 413, "The body is too large")
UNSUPPORTED_MEDIA_TYPE = _code("unsupported_media_type", 415, "The content type is not one this address takes")
UNSUPPORTED_CONTENT_CODING = _code("unsupported_content_coding", 415, "The body is packed in a way that is not taken")
INVALID_REQUEST = _code("invalid_request", 422, "The request has faults")
BODY_TOO_DEEP = _code("body_too_deep", 422, "The JSON is nested too deeply")
TOO_MANY_ITEMS = _code("too_many_items", 422, "Too many items in one request")
INVALID_IDEMPOTENCY_KEY = _code("invalid_idempotency_key", 422, "The Idempotency-Key cannot be used")
INVALID_EVENT = _code("invalid_event", 422, "The event is not a valid CloudEvent")
BATCH_REFUSED = _code("batch_refused", 422, "Nothing of the batch could be taken")
DATA_TOO_LARGE = _code("data_too_large", 422, "The data of the event is too large")
DATA_TOO_COMPLEX = _code("data_too_complex", 422, "The data is too large for the workflow's schema")
INVALID_DATA = _code("invalid_data", 422, "The data breaks the workflow's schema")
UNKNOWN_WORKFLOW = _code("unknown_workflow", 422, "No published workflow has this key")
WORKFLOW_UNUSABLE = _code("workflow_unusable", 422, "The workflow cannot be used at present")
UNKNOWN_CATEGORY = _code("unknown_category", 422, "No category has this key")
CATEGORY_REQUIRED = _code("category_required", 422, "A required category cannot be switched off")
INVALID_TEMPLATE = _code("invalid_template", 422, "The template has faults")
RENDER_FAILED = _code("render_failed", 422, "The template cannot be rendered with this data")
TRIAL_EXCEEDED = _code("trial_exceeded", 422, "What was written exceeds the limits of a trial")
PRECONDITION_REQUIRED = _code("precondition_required", 428, "If-Match is required")
TRIAL_BUSY = _code("trial_busy", 429, "Another trial is under way")
QUOTA_EXCEEDED = _code("quota_exceeded", 429, "As much was sent today as is allowed")
RATE_LIMITED = _code("rate_limited", 429, "More is sent in a second than is allowed")
TOO_MANY_FAILURES = _code("too_many_failures", 429, "Too many requests without a valid API key")
HEAD_TOO_LARGE = _code("head_too_large", 431, "The head of the request is too large")
INTERNAL_ERROR = _code("internal_error", 500, "Something went wrong on our side")
NOT_KNOWN_TO_BE_STORED = _code("not_known_to_be_stored", 503, "The event is not known to be stored")
OVERLOADED = _code("overloaded", 503, "Too much is being worked on")
NOT_READY = _code("not_ready", 503, "The service is not ready")
# fmt: on

BY_STATUS: Final = {
    400: BAD_REQUEST,
    401: UNAUTHENTICATED,
    403: FORBIDDEN,
    404: NOT_FOUND,
    405: METHOD_NOT_ALLOWED,
    408: REQUEST_TIMEOUT,
    409: CONFLICT,
    412: PRECONDITION_FAILED,
    413: BODY_TOO_LARGE,
    415: UNSUPPORTED_MEDIA_TYPE,
    422: INVALID_REQUEST,
    428: PRECONDITION_REQUIRED,
    431: HEAD_TOO_LARGE,
    503: NOT_READY,
}
"""What an HTTPException of FastAPI's own or of a library's is answered with, by its status."""
