"""What browsers read: messages of ours, decrypted by `http_ece` of JavaScript."""

import json
from pathlib import Path

import pytest
from tests.integration.dispatch_push.push_service import Browser, base64url
from tests.node_judge import told_by_node

from tocsin.channel import Rejected
from tocsin.contracts.jobs import PushContent
from tocsin.contracts.vocabulary import Channel, DeviceKind
from tocsin.dispatch_push.webpush_message import message_of
from tocsin.testing.jobs import job_for

pytestmark = pytest.mark.npm

BODIES = ["", "Grüße 🎉", "x" * 3000]


def test_javascript_decrypts_our_messages() -> None:
    asked, sent = [], []
    for body in BODIES:
        browser = Browser("https://push.example/1")
        content = PushContent(title="Hello", body=body)
        job = job_for(Channel.PUSH, target=DeviceKind.WEBPUSH, address=browser.subscription, content=content)
        message = message_of(job, now=0.0)
        assert not isinstance(message, Rejected)
        number = browser.key.private_numbers().private_value.to_bytes(32, "big")
        asked.append(
            {
                "privateKey": base64url(number),
                "auth": base64url(browser.auth),
                "body": base64url(message.body),
            }
        )
        sent.append(browser.read(message.body))
    answer = told_by_node(Path(__file__).parent / "http_ece", "decrypt.js", asked)
    read = [json.loads(text) for text in answer]
    assert read == sent
    assert [message["body"] for message in read] == BODIES
