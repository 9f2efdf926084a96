"""What receivers in JavaScript verify: webhooks of ours, judged by the library of Standard Webhooks for it."""

import base64
import json
import subprocess
import time
from pathlib import Path

import pytest

from tocsin.contracts.webhook_signature import signature_headers
from tocsin.dev.npm_packages import installed

pytestmark = pytest.mark.npm

BODY = '{"type":"com.shop.order.shipped","data":{"text":"Grüße 🎉"}}'


def a_secret(fill: bytes) -> str:
    return "whsec_" + base64.b64encode(fill * 32).decode()


def test_javascript_verifies_our_signatures() -> None:
    new, former, wrong = a_secret(b"n"), a_secret(b"f"), a_secret(b"w")
    now = int(time.time())
    headers = signature_headers([new, former], message_id="m1", timestamp=now, body=BODY.encode())
    old = signature_headers([new], message_id="m1", timestamp=now - 400, body=BODY.encode())
    asked = [
        {"secret": new, "headers": headers, "body": BODY},
        {"secret": former, "headers": headers, "body": BODY},
        {"secret": wrong, "headers": headers, "body": BODY},
        {"secret": new, "headers": headers, "body": BODY + " "},
        {"secret": new, "headers": old, "body": BODY},
    ]
    folder = installed(Path(__file__).parent / "standard_webhooks")
    ended = subprocess.run(
        ["node", "verify.js"],
        cwd=folder,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = json.loads(ended.stdout)
    assert said[:2] == ["taken", "taken"]
    assert "taken" not in said[2:]
