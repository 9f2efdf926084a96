"""The bytes of `stops`, as other languages would read and write them."""

import json
from pathlib import Path

import msgspec
import pytest

from tocsin.contracts.ids import recipient_key
from tocsin.contracts.stops import RecipientVersion, decode_stop, encode_stop

VECTORS = json.loads((Path(__file__).parent / "stops.json").read_text())["records"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["recipient"])
def test_a_record_has_these_bytes(vector):
    stop = RecipientVersion(vector["version"], raised_at=vector["raised_at"])
    assert recipient_key(vector["tenant"], vector["recipient"]).hex() == vector["key"]
    assert encode_stop(stop).hex() == vector["value"]
    assert decode_stop(bytes.fromhex(vector["value"])) == stop


def test_bytes_of_a_later_release_are_ignored():
    stop = RecipientVersion(7, raised_at=1)
    assert decode_stop(encode_stop(stop) + b"from the future") == stop


@pytest.mark.parametrize("value", [b"", b"\x01", b"{}", b'{"kind":"recipient_version"}', b"\x02" + bytes(12)])
def test_another_layout_is_refused(value):
    with pytest.raises(msgspec.ValidationError, match="no recipient's version"):
        decode_stop(value)
