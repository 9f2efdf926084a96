"""What of a CloudEvent is taken as it came, what is dropped, and what is refused, in words of ours."""

import msgspec
import pytest

from tocsin.contracts.cloudevents import EventInvalid, read_http_binary, read_kafka, read_structured
from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_job, decode_request, describe_error
from tocsin.contracts.vocabulary import Reason

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
SECRET = "anna@shop.example"
KNOWN = {"specversion": "1.0", "id": "e1", "source": "/s", "type": "t", "tenant": "acme"}
DEEP = b"[" * 200_000 + b"]" * 200_000


def binary(value: bytes = b"{}", **more: str):
    attributes = {f"ce_{name}": text for name, text in KNOWN.items()} | more
    return read_kafka([(name, text.encode()) for name, text in attributes.items()], value)


def structured(data: bytes = b"{}", **more: object):
    envelope = msgspec.json.encode(KNOWN | more)
    return read_structured(envelope[:-1] + b',"data":' + data + b"}")


@pytest.mark.parametrize("typed", [SECRET, TRACE.upper(), TRACE + "-x", "01" + TRACE[2:], "x" * 2000, "\n"])
def test_a_traceparent_that_is_none_is_dropped(typed: str) -> None:
    assert binary(traceparent=typed).traceparent is None
    assert binary(ce_traceparent=typed).traceparent is None
    assert structured(traceparent=typed).traceparent is None


def test_a_traceparent_is_taken_from_wherever_it_stands() -> None:
    assert binary(traceparent=TRACE).traceparent == TRACE
    assert binary(traceparent=OTHER, ce_traceparent=TRACE).traceparent == TRACE
    assert binary(traceparent=TRACE, ce_traceparent=SECRET).traceparent == TRACE
    assert structured(traceparent=TRACE).traceparent == TRACE
    headers = {f"ce-{name}": text for name, text in KNOWN.items()} | {"traceparent": TRACE}
    assert read_http_binary(headers, b"{}").traceparent == TRACE
    envelope = msgspec.json.encode(KNOWN | {"traceparent": 5})
    content_type = ("content-type", b"application/cloudevents+json")
    assert read_kafka([content_type, ("traceparent", TRACE.encode())], envelope).traceparent == TRACE


@pytest.mark.parametrize("read", [binary, structured])
@pytest.mark.parametrize("data", [DEEP, b'{"name":"\xff"}', b"[\xff]"])
def test_data_that_nests_too_deep_or_is_no_utf_8_is_refused(read, data: bytes) -> None:
    with pytest.raises(EventInvalid) as refused:
        read(data)
    (fault,) = refused.value.faults
    assert fault.reason in (Reason.DATA_INVALID, Reason.NOT_A_CLOUDEVENT)
    assert "UTF-8" in fault.detail


@pytest.mark.parametrize("name", ["time", "datacontenttype", "subject"])
def test_an_attribute_that_nests_deep_is_refused_by_its_name(name: str) -> None:
    nested = b"[" * 300 + b"]" * 300
    envelope = msgspec.json.encode(KNOWN)[:-1] + b',"%s":%s}' % (name.encode(), nested)
    with pytest.raises(EventInvalid) as refused:
        read_structured(envelope)
    assert [fault.pointer for fault in refused.value.faults] == [f"/{name}"]


@pytest.mark.parametrize(
    "read",
    [
        lambda: read_kafka([("content-type", SECRET.encode()), ("ce_id", b"e")], b"{}"),
        lambda: structured(datacontenttype=SECRET),
        lambda: structured(specversion=SECRET),
        lambda: structured(time=SECRET),
        lambda: structured(tenant=SECRET),
        lambda: structured(id=SECRET * 100),
        lambda: read_structured(f'"{SECRET}"'.encode()),
        lambda: read_structured(f"{SECRET}".encode()),
    ],
)
def test_a_refusal_repeats_nothing_that_was_typed(read) -> None:
    with pytest.raises(EventInvalid) as refused:
        read()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (f'{{"workflow":"w","recipients":[],"lane":"{SECRET}"}}', "/data/lane: has a form or a value that is not taken"),
        ('{"workflow":"w","recipients":[{"id":5}]}', "/data/recipients/0/id: Expected `str`, got `int`"),
        ('{"recipients":[]}', "/data: Object missing required field `workflow`"),
        (
            f'{{"workflow":"w","recipients":[],"lane":"{SECRET} - at `$.lane`"}}',
            "/data/lane: has a form or a value that is not taken",
        ),
        (
            '{"workflow":"w","recipients":[{"id":"a","attributes":5}]}',
            "/data/recipients/0/attributes: Expected `object | null`, got `int`",
        ),
        ("{", "/data: is no JSON, or nests too deep"),
    ],
)  # fmt: skip
def test_a_fault_is_told_by_place_and_form(raw: str, said: str) -> None:
    with pytest.raises(UNREADABLE_ERRORS) as error:
        decode_request(raw.encode())
    assert describe_error(error.value, at="/data") == said


def test_a_decoder_s_fault_is_one_of_the_unreadable() -> None:
    for raw in (DEEP, b'{"job_id":"\xff"}', b"\xff", b"{}", b""):
        with pytest.raises(UNREADABLE_ERRORS) as error:
            decode_job(raw)
        assert describe_error(error.value).startswith("/: ")


@pytest.mark.parametrize("read", [binary, structured])
def test_an_identity_is_measured_in_bytes(read) -> None:
    """An index of the ledger's holds what fits into it, and characters have up to four bytes."""
    name = "id" if read is structured else "ce_id"
    assert read(**{name: "x" * 1024}).id == "x" * 1024
    assert read(**{name: "\u4e00" * 341}).id == "\u4e00" * 341
    with pytest.raises(EventInvalid, match="/id: Must be a string of at most 1,024 bytes"):
        read(**{name: "\u4e00" * 342})
