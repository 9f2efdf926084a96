"""AWS's own validator for JavaScript (npm `sns-validator`) takes what we take, and refuses what we refuse."""

from pathlib import Path
from typing import Any

import pytest
from tests.node_judge import told_by_node
from tests.sns_sender import CERTIFICATE, NOW, TOPIC, SnsServer, certificate, key, message, posted, signed

from tocsin.channel.receipts import Refused
from tocsin.channel.sns_receipts import SnsReceipts, SnsReceiptsConfig
from tocsin.testing import ManualClock

pytestmark = pytest.mark.npm

TEXT = 'Grüße 🎉 \n "x": \\u0000'
RIGHT = [
    signed(message(Message="{}")),
    signed(message(Message="", Subject="")),
    signed(message(Message=TEXT, Subject=TEXT)),
    signed(message("SubscriptionConfirmation", Message=TEXT)),
]
WRONG = [
    RIGHT[0] | {"Message": "{} "},
    RIGHT[1] | {"Subject": "x"},
    RIGHT[2] | {"MessageId": "x"},
    RIGHT[3] | {"Token": "x"},
    RIGHT[3] | {"SubscribeURL": "https://evil.example/"},
    RIGHT[0] | {"TopicArn": TOPIC.replace("tocsin", "other")},
    RIGHT[0] | {"SignatureVersion": "1"},
    RIGHT[0] | {"SigningCertURL": CERTIFICATE.replace("amazonaws.com", "evil.example")},
    RIGHT[0] | {"SigningCertURL": CERTIFICATE.replace("https", "http")},
    signed(message(), by=key(1)),
]


async def taken(told: dict[str, Any]) -> bool:
    reader = SnsReceipts(
        SnsReceiptsConfig(topics=(TOPIC, TOPIC.replace("tocsin", "other"))),
        ManualClock(NOW),
        read_events=lambda _text, _id: [],
        fetch=SnsServer().fetch,
    )
    try:
        await reader.verify(posted(told))
    except Refused:
        return False
    return True


async def test_both_judge_alike() -> None:
    asked = {"certificate": certificate().decode(), "messages": RIGHT + WRONG}
    answer = told_by_node(Path(__file__).parent / "sns_validator", "judge.js", asked)
    expected = [True] * len(RIGHT) + [False] * len(WRONG)
    assert answer == expected
    assert [await taken(told) for told in RIGHT + WRONG] == expected
