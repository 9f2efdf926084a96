"""What of a CloudEvent is taken as it came, what is dropped, and what is refused, in words of ours."""

from base64 import b64encode
from urllib.parse import quote

import msgspec
import pytest
from tests.value_cases import RECIPIENT_IDS

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


def http(body: bytes = b"{}", /, **more: str):
    """`more`: values as they lie on the wire, in UTF-8, read as ASGI servers read them."""
    headers = {f"ce-{name}": text for name, text in KNOWN.items()} | {
        name.replace("_", "-"): text.encode().decode("latin-1") for name, text in more.items()
    }
    return read_http_binary(headers, body)


def structured(data: bytes = b"{}", /, **more: object):
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


@pytest.mark.parametrize(("said", "test"), [("true", True), ("false", False)])
def test_whether_an_event_is_a_test(said: str, test: bool) -> None:
    assert binary(ce_test=said).test is test
    assert structured(test=said).test is test
    assert structured(test=test).test is test
    assert http(ce_test=said).test is test
    assert structured(test=None).test is binary().test is False


@pytest.mark.parametrize("said", ["yes", "1", "0", "on", "tru", "2", "TRUE", "False", " true", ""])
def test_an_event_that_does_not_say_clearly_whether_it_is_a_test_is_refused(said: str) -> None:
    for read in (lambda: binary(ce_test=said), lambda: structured(test=said), lambda: http(ce_test=said)):
        with pytest.raises(EventInvalid) as refused:
            read()
        assert [(fault.reason, fault.pointer) for fault in refused.value.faults] == [
            (Reason.ATTRIBUTE_INVALID, "/test")
        ]


@pytest.mark.parametrize("said", [1, 0, [], {"a": True}])
def test_a_test_is_named_by_a_boolean_or_a_text(said: object) -> None:
    with pytest.raises(EventInvalid):
        structured(test=said)


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


EXTENSIONS = {
    "whole": 2_147_483_647,
    "flag": True,
    "digest": "AQID",
    "place": "https://shop.example/a?b=c",
    "reference": "../a#b",
    "moment": "2026-01-31T12:00:00Z",
    "words": "Zoë 🎉",
    "nothing": None,
    "dataschema": "https://shop.example/order.json",
}


def test_extensions_of_every_type_are_taken_and_left_alone() -> None:
    as_text = {f"ce_{name}": str(value) for name, value in EXTENSIONS.items()}
    assert structured(b"{}", **EXTENSIONS) == structured()
    assert binary(b"{}", **as_text) == binary()
    assert http(b"{}", **as_text) == http()


@pytest.mark.parametrize("spelt", [str.upper, str.title])
def test_names_of_headers_know_no_case(spelt) -> None:
    names = {f"ce_{name}": text for name, text in (KNOWN | {"subject": "ann"}).items()}
    expected = binary(ce_subject="ann")
    assert read_kafka([(spelt(name), text.encode()) for name, text in names.items()], b"{}") == expected
    headers = {spelt(name).replace("_", "-"): text for name, text in names.items()}
    assert read_http_binary(headers, b"{}") == expected


@pytest.mark.parametrize("subject", [name for name, code in RECIPIENT_IDS.items() if code is None])
def test_every_id_that_a_recipient_may_have_can_be_the_subject(subject: str) -> None:
    assert structured(subject=subject).subject == subject
    assert binary(ce_subject=subject).subject == subject
    assert http(ce_subject=quote(subject)).subject == subject


@pytest.mark.parametrize("read", [binary, structured])
def test_an_identity_is_measured_in_bytes(read) -> None:
    """An index of the ledger's holds what fits into it, and characters have up to four bytes."""
    name = "id" if read is structured else "ce_id"
    assert read(**{name: "x" * 1024}).id == "x" * 1024
    assert read(**{name: "\u4e00" * 341}).id == "\u4e00" * 341
    with pytest.raises(EventInvalid, match="/id: Must be a string of at most 1,024 bytes"):
        read(**{name: "\u4e00" * 342})


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        ('"a b"', "a b"),
        (r'"say \"hi\" \\ 1"', 'say "hi" \\ 1'),
        ('"a%20b"', "a b"),  # quotes first, then percent-encoding, once
        ('"%22a%22"', '"a"'),
        ("%2522", "%22"),
        ('""', None),
        ('a "b" c', 'a "b" c'),
        ('"a" b', '"a" b'),
        ('"a', '"a'),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("a+b", "a+b"),
        ("Zo%C3%AB", "Zoë"),
        ("Zoë", "Zoë"),
        ("%F0%9F%8E%89", "🎉"),
    ],
)  # fmt: skip
def test_a_header_over_http_is_unquoted_and_then_percent_decoded(value: str, subject: str | None) -> None:
    assert http(ce_subject=value).subject == subject


@pytest.mark.parametrize("value", ["bern%FF", "%C0%A0", "%ED%A0%80", '"%ff"', "a%0Ab", "%00"])
@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "tenant", "time", "specversion"])
def test_what_is_no_text_is_no_attribute_over_http(name: str, value: str) -> None:
    with pytest.raises(EventInvalid) as refused:
        http(**{f"ce_{name}": value})
    assert [fault.pointer for fault in refused.value.faults] == [f"/{name}"]
    assert "\ufffd" not in str(refused.value)


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "tenant", "time", "specversion"])
def test_what_is_no_text_is_no_attribute_on_kafka(name: str) -> None:
    headers = {f"ce_{attribute}": text.encode() for attribute, text in KNOWN.items()}
    headers |= {f"ce_{name}": b"bern\xff", "traceparent": b"\xff"}
    with pytest.raises(EventInvalid) as refused:
        read_kafka(headers.items(), b"{}")
    assert [fault.pointer for fault in refused.value.faults] == [f"/{name}"]


def test_bytes_of_latin_1_are_no_text() -> None:
    headers = {f"ce-{name}": text for name, text in KNOWN.items()} | {"ce-subject": "Zo\xeb"}
    with pytest.raises(EventInvalid, match="/subject: "):
        read_http_binary(headers, b"{}")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents+json",
        "Application/CloudEvents+JSON",
        "application/cloudevents+json; charset=UTF-8",
        "application/cloudevents+json;charset=utf-8",
        " application/cloudevents+json ",
    ],
)
def test_a_media_type_knows_no_case_and_has_parameters(content_type: str) -> None:
    envelope = msgspec.json.encode(KNOWN | {"data": {"n": 1}})
    event = read_kafka([("Content-Type", content_type.encode())], envelope)
    assert bytes(event.data) == b'{"n":1}'


@pytest.mark.parametrize("content_type", ["Application/JSON", "application/json; charset=utf-8", "TEXT/JSON", "application/vnd.shop+JSON", ""])  # fmt: skip
def test_data_are_json_by_any_spelling_of_it(content_type: str) -> None:
    assert bytes(http(b'{"n":1}', content_type=content_type).data) == b'{"n":1}'
    assert bytes(binary(b'{"n":1}', **{"content-type": content_type}).data) == b'{"n":1}'
    assert bytes(structured(b'{"n":1}', datacontenttype=content_type).data) == b'{"n":1}'


@pytest.mark.parametrize("content_type", ["application/cloudevents-batch+json", "application/cloudevents+avro", "application/cloudevents"])  # fmt: skip
def test_a_record_in_another_format_is_refused_by_its_type(content_type: str) -> None:
    headers = [(f"ce_{name}", text.encode()) for name, text in KNOWN.items()]
    with pytest.raises(EventInvalid, match="A record holds one event") as refused:
        read_kafka([*headers, ("content-type", content_type.encode())], b"[]")
    assert [fault.reason for fault in refused.value.faults] == [Reason.NOT_A_CLOUDEVENT]


def enveloped(**members: object):
    return read_structured(msgspec.json.encode(KNOWN | members))


@pytest.mark.parametrize(
    ("members", "data"),
    [
        ({"data_base64": "eyJuIjoxfQ=="}, b'{"n":1}'),
        ({"data_base64": "eyJuIjoxfQ==", "datacontenttype": "application/json"}, b'{"n":1}'),
        ({"data_base64": "eyJuIjoxfQ==", "datacontenttype": "Application/Shop+JSON; a=b"}, b'{"n":1}'),
        ({"data_base64": "eyJuIjoxfQ==", "data": None}, b'{"n":1}'),
        ({"data_base64": None, "data": {"n": 1}}, b'{"n":1}'),
        ({"data_base64": None}, b"null"),
        ({"data_base64": ""}, b"null"),
        ({"data_base64": "IHsgIm4iOjF9Cg=="}, b' { "n":1}\n'),
    ],
)
def test_data_in_base64_are_decoded(members: dict[str, object], data: bytes) -> None:
    assert bytes(enveloped(**members).data) == data


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"data_base64": "eyJuIjoxfQ"}, "/data_base64"),
        ({"data_base64": "eyJ uIjoxfQ=="}, "/data_base64"),
        ({"data_base64": "-_-_"}, "/data_base64"),
        ({"data_base64": "é"}, "/data_base64"),
        ({"data_base64": 5}, "/data_base64"),
        ({"data_base64": {"n": 1}}, "/data_base64"),
        ({"data_base64": "aGVsbG8="}, "/data_base64"),  # hello
        ({"data_base64": "/w=="}, "/data_base64"),
        ({"data_base64": "eyJuIjoxfQ==", "data": {"n": 1}}, "/data_base64"),
        ({"data_base64": "iVBORw==", "datacontenttype": "image/png"}, "/datacontenttype"),
        ({"data_base64": "eyJuIjoxfQ==", "datacontenttype": "text/plain"}, "/datacontenttype"),
    ],
)
def test_base64_that_is_none_or_holds_no_json_is_refused(members: dict[str, object], pointer: str) -> None:
    with pytest.raises(EventInvalid) as refused:
        enveloped(**members)
    assert [(fault.reason, fault.pointer) for fault in refused.value.faults] == [
        (Reason.DATA_INVALID, pointer)
    ]


def test_base64_that_nests_too_deep_or_is_no_utf_8_itself_is_refused() -> None:
    for encoded in (b64encode(DEEP), b"\xff"):
        envelope = msgspec.json.encode(KNOWN)[:-1] + b',"data_base64":"' + encoded + b'"}'
        with pytest.raises(EventInvalid, match="/data_base64"):
            read_structured(envelope)


@pytest.mark.parametrize("read", [binary, http, structured])
@pytest.mark.parametrize(
    ("time", "taken"),
    [
        ("2026-01-31T12:00:00Z", True),
        ("2026-01-31t12:00:00z", True),
        ("2026-01-31T12:00:00.123456789+05:30", True),
        ("2026-01-31T12:00:00-00:00", True),
        ("2026-01-31T12:00:00", False),
        ("2026-01-31 12:00:00Z", False),
        ("2026-01-31T12:00:00+0530", False),
        ("2026-01-31T12:00Z", False),
        ("2026-02-30T12:00:00Z", False),
        ("2026-01-31", False),
        ("\u0662026-01-31T12:00:00Z", False),
        ("1769860800", False),
    ],
)
def test_a_time_names_its_offset(read, time: str, taken: bool) -> None:
    name = "time" if read is structured else "ce_time"
    if taken:
        assert read(**{name: time}).time.tzinfo is not None
        return
    with pytest.raises(EventInvalid, match="/time: Must be an RFC 3339 time with its offset"):
        read(**{name: time})
