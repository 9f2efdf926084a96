"""Checks Signature Version 4 of a `POST /`, as AWS does
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
"""

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256

_VALID = timedelta(minutes=15)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[A-Z0-9]+)/(?P<scope>(?P<day>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)"
    r"/aws4_request), ?SignedHeaders=(?P<names>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def refused_signature(
    headers: Mapping[str, str],
    body: bytes,
    *,
    service: str,
    access_key_id: str,
    secret_access_key: str,
    now: datetime,
) -> str | None:
    """Why AWS would not take the signature, in words; None: it is right."""
    given = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    date = headers.get("x-amz-date", "")
    if given is None or not re.fullmatch(r"\d{8}T\d{6}Z", date):
        return "The request is not signed with Signature Version 4."
    if given["key"] != access_key_id or given["service"] != service:
        return "The security token included in the request is invalid."
    at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(at - now) > _VALID or not date.startswith(given["day"]):
        return "Signature expired."
    names = given["names"].split(";")
    if "host" not in names or any(name not in headers for name in names):
        return "A signed header is missing."
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    request = f"POST\n/\n\n{lines}\n{given['names']}\n{sha256(body).hexdigest()}"
    text = f"AWS4-HMAC-SHA256\n{date}\n{given['scope']}\n{sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret_access_key}".encode()
    for part in given["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    if hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), given["signature"]):
        return None
    return "The request signature we calculated does not match the signature you provided."
