"""Google's token endpoint and the FCM endpoint: what they answer, and everything they refuse."""

import json
import subprocess
import sys
import time
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tocsin.catcher.testing import RunningCatcher

PROJECT = "catcher-tests"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
MESSAGING = "https://www.googleapis.com/auth/firebase.messaging"
GOOD = {
    "token": "device-1",
    "notification": {"title": "Hello", "body": "Your order left"},
    "data": {"order": "42"},
}


@pytest.fixture(scope="session")
def account_text(shared_catcher: RunningCatcher, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A service account as the command writes it."""
    path = tmp_path_factory.mktemp("account") / "account.json"
    arguments = ["--out", str(path), "--token-uri", f"{shared_catcher.url}/token", "--project", PROJECT]
    subprocess.run([sys.executable, "-m", "tocsin.catcher", "fcm-account", *arguments], check=True)
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text()


@pytest.fixture
def account(catcher: RunningCatcher, account_text: str) -> dict[str, str]:
    """Put in place after the catcher started, as the local stack does."""
    catcher.account_file.write_text(account_text)
    fields: dict[str, str] = json.loads(account_text)
    return fields


def assertion(
    account: dict[str, str],
    *,
    key: rsa.RSAPrivateKey | str | None = None,
    algorithm: str = "RS256",
    **claims: object,
) -> str:
    now = int(time.time())
    given = {"iss": account["client_email"], "aud": account["token_uri"], "iat": now, "exp": now + 3600}
    merged = {
        name: value for name, value in {**given, "scope": MESSAGING, **claims}.items() if value is not None
    }
    return jwt.encode(merged, key or account["private_key"], algorithm=algorithm)


def exchange(account: dict[str, str], **claims: Any) -> httpx.Response:
    return httpx.post(
        account["token_uri"], data={"grant_type": GRANT, "assertion": assertion(account, **claims)}
    )


@pytest.fixture
def token(account: dict[str, str]) -> str:
    return str(exchange(account).raise_for_status().json()["access_token"])


def send(
    catcher: RunningCatcher, token: str | None, message: object, *, project: str = PROJECT, **more: object
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    path = f"{catcher.url}/v1/projects/{project}/messages:send"
    return httpx.post(path, json={"message": message, **more}, headers=headers)


def test_the_account_is_as_googles_are(account: dict[str, str]) -> None:
    assert (account["type"], account["project_id"]) == ("service_account", PROJECT)


def test_an_assertion_gets_a_token(account: dict[str, str]) -> None:
    answer = exchange(account).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3599)


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"iss": "someone@else.example"}, "invalid_grant"),
        ({"aud": "https://oauth2.googleapis.com/token"}, "invalid_grant"),
        ({"exp": 1_000_000_000, "iat": 999_999_000}, "invalid_grant"),
        ({"iat": 4_000_000_000, "exp": 4_000_003_600}, "invalid_grant"),
        ({"exp": int(time.time()) + 86_400}, "invalid_grant"),
        ({"exp": None}, "invalid_grant"),
        ({"iat": None}, "invalid_grant"),
        ({"exp": "tomorrow"}, "invalid_grant"),
        ({"scope": None}, "invalid_scope"),
        ({"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)}, "invalid_grant"),
        ({"key": "a shared secret of thirty-two bytes or more", "algorithm": "HS256"}, "invalid_grant"),
    ],
    ids=[
        "issuer",
        "audience",
        "over",
        "not yet",
        "a day",
        "no exp",
        "no iat",
        "words",
        "no scope",
        "key",
        "HS256",
    ],
)
def test_a_wrong_assertion_gets_none(account: dict[str, str], claims: dict[str, Any], error: str) -> None:
    answer = exchange(account, **claims)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": GRANT}, "invalid_request"),
        ({"grant_type": GRANT, "assertion": "not.a.jwt"}, "invalid_grant"),
    ],
    ids=["nothing", "another grant", "no assertion", "no jwt"],
)
def test_a_wrong_token_request_is_refused(account: dict[str, str], form: dict[str, str], error: str) -> None:
    answer = httpx.post(account["token_uri"], data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_without_an_account_file_nobody_gets_a_token(catcher: RunningCatcher) -> None:
    answer = httpx.post(f"{catcher.url}/token", data={"grant_type": GRANT, "assertion": "x.y.z"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_push_is_answered_as_fcm_does_and_kept(catcher: RunningCatcher, token: str) -> None:
    notification, delivery = str(uuid4()), str(uuid4())
    data = {"order": "42", "tocsin_notification": notification, "tocsin_delivery": delivery}
    answer = send(catcher, token, {**GOOD, "data": data, "android": {"priority": "HIGH"}})

    assert answer.status_code == 200
    assert answer.json()["name"].startswith(f"projects/{PROJECT}/messages/")
    [push] = catcher.messages()
    shown = {
        "channel": "push",
        "to": "device-1",
        "token": "device-1",
        "title": "Hello",
        "body": "Your order left",
    }
    assert {**shown, "data": data, "project": PROJECT}.items() <= push.items()
    assert (push["notification_id"], push["delivery_id"]) == (notification, delivery)


def test_validate_only_keeps_nothing(catcher: RunningCatcher, token: str) -> None:
    assert send(catcher, token, GOOD, validate_only=True).status_code == 200
    assert catcher.messages() == []


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (None, "message"),
        ("text", "message"),
        ({}, "message"),
        ({"token": ""}, "message"),
        ({"token": "a", "topic": "b"}, "message"),
        ({"token": 5}, "message.token"),
        ({"token": "with space"}, "message.token"),
        ({"token": "invalid-1"}, "message.token"),
        ({**GOOD, "colour": "red"}, "message"),
        ({**GOOD, "notification": {"headline": "x"}}, "message.notification"),
        ({**GOOD, "notification": "x"}, "message.notification"),
        ({**GOOD, "notification": {"title": 5}}, "message.notification.title"),
        ({**GOOD, "data": {"number": 5}}, "message.data[0].value"),
        ({**GOOD, "data": ["x"]}, "message.data"),
        ({**GOOD, "data": {"from": "me"}}, "message.data[from]"),
        ({**GOOD, "data": {"google.x": "me"}}, "message.data[google.x]"),
        ({**GOOD, "data": {"long": "ä" * 2100}}, "message"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_invalid_message_is_refused_with_the_field(
    catcher: RunningCatcher, token: str, message: object, field: str
) -> None:
    answer = send(catcher, token, message)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    by_type = {detail["@type"].rpartition(".")[2]: detail for detail in error["details"]}
    assert by_type["FcmError"]["errorCode"] == "INVALID_ARGUMENT"
    assert field in [violation["field"] for violation in by_type["BadRequest"]["fieldViolations"]]
    assert catcher.messages() == []


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("unregistered-1", (404, "NOT_FOUND", "UNREGISTERED")),
        ("quota-exceeded-1", (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")),
        ("unavailable-1", (503, "UNAVAILABLE", "UNAVAILABLE")),
        ("internal-1", (500, "INTERNAL", "INTERNAL")),
    ],
)
def test_some_devices_say_how_they_are(
    catcher: RunningCatcher, token: str, device: str, expected: tuple[int, str, str]
) -> None:
    answer = send(catcher, token, {**GOOD, "token": device})
    error = answer.json()["error"]
    assert (answer.status_code, error["status"], error["details"][0]["errorCode"]) == expected
    assert ("Retry-After" in answer.headers) == (answer.status_code in {429, 503})


@pytest.mark.parametrize("token", [None, "ya29.made-up"])
def test_without_a_token_nobody_sends(catcher: RunningCatcher, token: str | None) -> None:
    answer = send(catcher, token, GOOD)
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_a_token_for_something_else_does_not_send(catcher: RunningCatcher, account: dict[str, str]) -> None:
    token = exchange(account, scope="https://www.googleapis.com/auth/drive").json()["access_token"]
    answer = send(catcher, token, GOOD)
    assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


def test_another_project_is_refused(catcher: RunningCatcher, token: str) -> None:
    answer = send(catcher, token, GOOD, project="someone-elses")
    assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


def test_what_is_not_json_is_refused(catcher: RunningCatcher, token: str) -> None:
    path = f"{catcher.url}/v1/projects/{PROJECT}/messages:send"
    answer = httpx.post(path, content=b"{", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
