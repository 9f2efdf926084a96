"""Checks Signature Version 4 of a request as AWS does: the key, the time, what is signed, and the signature.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

_TOLERANCE = timedelta(minutes=5)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-signing.html says so of most cases."""
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/(?P<scope>(?P<day>\d{8})/(?P<region>[\w-]+)/(?P<service>[\w-]+)/aws4_request), ?"
    r"SignedHeaders=(?P<names>[\w;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class SignedRequest:
    """A request, as far as it is signed; header names in lower case. Without a query: none of the endpoints here has one."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def refusal_of(
    request: SignedRequest, *, key_id: str, secret: str, service: str, now: datetime
) -> tuple[str, str] | None:
    """The name of AWS's error and its words; None when the request is rightly signed."""
    given = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if given is None:
        return "MissingAuthenticationTokenException", "Missing Authentication Token"
    if given["key"] != key_id:
        return "UnrecognizedClientException", "The security token included in the request is invalid."
    signed_at = _time(request.headers.get("x-amz-date", ""))
    if signed_at is None or abs(now - signed_at) > _TOLERANCE or signed_at.strftime("%Y%m%d") != given["day"]:
        return "InvalidSignatureException", "Signature expired, or not yet current."
    names = given["names"].split(";")
    if given["service"] != service or "host" not in names or "x-amz-date" not in names:
        return (
            "InvalidSignatureException",
            "Credential should be scoped to the correct service, and host signed.",
        )
    if not hmac.compare_digest(_signature(request, given, secret), given["signature"]):
        words = "The request signature we calculated does not match the signature you provided."
        return "InvalidSignatureException", words
    return None


def _signature(request: SignedRequest, given: re.Match[str], secret: str) -> str:
    lines = [
        f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in given["names"].split(";")
    ]
    digest = hashlib.sha256(request.body).hexdigest()
    path = quote(request.path, safe="/~")
    canonical = "\n".join([request.method, path, "", *lines, "", given["names"], digest])
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", request.headers["x-amz-date"], given["scope"], hashed])
    key = f"AWS4{secret}".encode()
    for part in given["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
