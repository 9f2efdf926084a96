"""Our signatures of AWS requests against an example of AWS's documentation, and against botocore."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.channel.aws_signature import AwsCredentials, signed_headers

NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
KEY = AwsCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = AwsCredentials("ASIDEXAMPLE", "marked-secret", "marked-token/with+signs==")
JSON = {"Content-Type": "application/json"}
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20).map("x-{}".format)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
PARAMETERS = st.text("abcABC019-._~%2F", min_size=1, max_size=8)


def by_botocore(
    key: AwsCredentials,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    region: str,
    service: str,
) -> str:
    """The `Authorization` that botocore makes of the same request at the same time."""
    signer = SigV4Auth(
        Credentials(key.access_key_id, key.secret_access_key, key.session_token), service, region
    )
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    request.context["timestamp"] = NOW.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return str(request.headers["Authorization"])


def ours(
    key: AwsCredentials,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    region: str,
    service: str,
) -> dict[str, str]:
    return signed_headers(
        key, method=method, url=url, headers=headers, body=body, region=region, service=service, now=NOW
    )


def test_the_example_of_the_documentation() -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08"
    assert ours(KEY, "GET", url, headers, b"", region="us-east-1", service="iam") == {
        **headers,
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    }


@pytest.mark.parametrize("key", [KEY, TEMPORARY], ids=["lasting", "temporary"])
@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "service"),
    [
        ("POST", "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails", JSON, b'{"Content": {}}', "ses"),
        ("POST", "https://sms-voice.eu-west-1.amazonaws.com/", {"X-Amz-Target": "Service.SendTextMessage"}, b"{}", "sms-voice"),
        ("POST", "https://sns.eu-west-1.amazonaws.com", JSON, b"Action=Publish&Message=a%20b", "sns"),
        ("POST", "http://127.0.0.1:5005/v2/email/outbound-emails", JSON, b"\xff", "ses"),
        ("POST", "http://[::1]:5005/", JSON, b"", "ses"),
        ("GET", "https://example.com:443/a%20b/c~d?b=2&a-b=3&a=1&a=0&empty=&flag", {}, b"", "ses"),
        ("POST", "https://example.com/", {"X-Spaces": "  two   words ", "X-B": "1", "X-A": "2"}, b"x", "ses"),
    ],
    ids=range(7),
)  # fmt: skip
def test_botocore_signs_the_same(
    *, key: AwsCredentials, method: str, url: str, headers: dict[str, str], body: bytes, service: str
) -> None:
    sent = ours(key, method, url, headers, body, region="eu-west-1", service=service)
    assert sent["Authorization"] == by_botocore(
        key, method, url, headers, body, region="eu-west-1", service=service
    )
    assert headers.items() <= sent.items()
    assert sent.get("X-Amz-Security-Token") == key.session_token


@settings(max_examples=100)
@given(
    headers=st.dictionaries(NAMES, VALUES, max_size=4),
    query=st.dictionaries(PARAMETERS, PARAMETERS, max_size=4),
    body=st.binary(max_size=64),
)
def test_botocore_signs_any_request_the_same(
    headers: dict[str, str], query: dict[str, str], body: bytes
) -> None:
    url = "https://example.com/path?" + "&".join(f"{name}={value}" for name, value in query.items())
    sent = ours(KEY, "POST", url, headers, body, region="us-east-1", service="ses")
    expected = by_botocore(KEY, "POST", url, headers, body, region="us-east-1", service="ses")
    assert sent["Authorization"] == expected


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=2)))
    sent = signed_headers(
        KEY, method="POST", url="https://a.example/", headers={}, body=b"", region="r", service="s", now=there
    )
    assert sent == ours(KEY, "POST", "https://a.example/", {}, b"", region="r", service="s")


def test_printing_credentials_tells_no_secret() -> None:
    assert "marked" not in repr(TEMPORARY)
    assert "ASIDEXAMPLE" in repr(TEMPORARY)
