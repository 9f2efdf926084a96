"""What lies on `status` and cannot be read never ends the process: it is the ledger's business."""

import pytest

from tocsin.kafka import ConsumerRecord
from tocsin.router.worker.feedback import status_that_matters

MARK = b'"device_gone"'


@pytest.mark.parametrize(
    "value",
    [
        MARK,
        b"{" + MARK + b":",
        b'{"reason":' + MARK + b',"detail":"\xff"}',
        b'{"reason":' + MARK + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"reason":' + MARK + b',"decision":{"rules":' + b'[{"input":' * 50_000,
    ],
    ids=["a text", "cut off", "no UTF-8", "deep", "deep where it is read"],
)
def test_unreadable_statuses_are_passed_over(value: bytes) -> None:
    assert status_that_matters(ConsumerRecord("status", 0, 0, 0, b"k", value)) is None
