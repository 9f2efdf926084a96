"""What may be attached to a mail."""

from base64 import b64decode
from typing import Any

import pytest
from tests.attached_files import NAMES, attachment

from tocsin.contracts.attachments import encoded_lines, encoded_size
from tocsin.contracts.limits import ATTACHMENTS_BYTES
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.attachments import LONGEST_NAME, LONGEST_URL, attachments

URL = "https://files.shop.example/"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        *(({"name": name}, None) for name in NAMES),
        ({"name": "x" * (LONGEST_NAME + 1)}, "name"),
        ({"name": ""}, "name"),
        ({"name": ".."}, "name"),
        ({"name": "../../etc/passwd"}, "name"),
        ({"name": "C:\\invoice.pdf"}, "name"),
        ({"name": "a\r\nBcc: eve@example.org"}, "name"),
        ({"name": "a\u202efdp.exe"}, "name"),
        ({"name": " a.pdf"}, "name"),
        ({"name": "\ud800.pdf"}, "name"),
        ({"url": URL + "x" * (LONGEST_URL - len(URL))}, None),
        ({"url": URL + "x" * (LONGEST_URL - len(URL) + 1)}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "https://ann:secret@files.shop.example/"}, "url"),
        ({"url": "data:text/plain,x"}, "url"),
        ({"sha256": "A" * 64}, "sha256"),
        ({"sha256": "a" * 65}, "sha256"),
        ({"size": 0}, "size"),
        ({"size": -1}, "size"),
        ({"size": ATTACHMENTS_BYTES}, None),
        ({"size": ATTACHMENTS_BYTES + 1}, "size"),
        ({"type": "image/svg+xml"}, None),
        ({"type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}, None),
        ({"type": "text/plain; charset=utf-8"}, "type"),
        ({"type": "multipart/mixed"}, "type"),
        ({"type": "message/rfc822"}, "type"),
        ({"type": "pdf"}, "type"),
        ({"type": "application/pdf\r\nX: y"}, "type"),
        ({"inline": "logo-1.png"}, None),
        ({"inline": "<logo>"}, "inline"),
        ({"inline": ""}, "inline"),
    ],
)
def test_one(fields: dict[str, Any], field: str | None) -> None:
    files = [attachment(name="other.pdf"), attachment_with(fields)]
    if field is None:
        attachments(files[1:])
        return
    with pytest.raises(ValueRefused) as refused:
        attachments(files)
    assert (refused.value.code, refused.value.pointer) == ("attachment_invalid", f"/1/{field}")


def attachment_with(fields: dict[str, Any]) -> Any:
    made = attachment()
    return type(made)(**{name: getattr(made, name) for name in made.__struct_fields__} | fields)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ([{}] * 10, None),
        ([{}] * 11, ""),
        ([{"size": ATTACHMENTS_BYTES // 2}] * 2, None),
        ([{"size": ATTACHMENTS_BYTES // 2}, {"size": ATTACHMENTS_BYTES // 2 + 1}], ""),
        ([{"inline": "a"}, {"inline": "b"}], None),
        ([{"inline": "a"}, {}, {"inline": "a"}], "/2/inline"),
    ],
)
def test_several(fields: list[dict[str, Any]], pointer: str | None) -> None:
    files = [attachment_with(each) for each in fields]
    if pointer is None:
        attachments(files)
        return
    with pytest.raises(ValueRefused) as refused:
        attachments(files)
    assert refused.value.pointer == pointer


def test_a_refusal_repeats_nothing() -> None:
    with pytest.raises(ValueRefused) as refused:
        attachments([attachment(url="https://ann:secret@files.shop.example/")])
    assert "secret" not in str(refused.value) + refused.value.sentence
    assert "marked" not in repr(attachment())


@pytest.mark.parametrize("size", [0, 1, 2, 3, 56, 57, 58, 113, 114, 115, 100_000])
def test_the_size_in_a_mail_is_known_before(size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    lines = encoded_lines(content)
    assert len(lines) == encoded_size(size)
    assert b64decode(lines.replace(b"\r\n", b"")) == content
    assert all(len(line) <= 76 for line in lines.split(b"\r\n"))
