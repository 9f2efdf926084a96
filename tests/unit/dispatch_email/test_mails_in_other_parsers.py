"""Our mails as two parsers of JavaScript read them. Their readings are recorded: see `javascript_parsers.mjs`."""

import json
from pathlib import Path

import pytest
from tests.contract.mails.hard_mails import HARD_MAILS

from tocsin.dispatch_email.headers import one_line

RECORDED = json.loads((Path(__file__).parents[2] / "contract/mails/javascript_parsers.json").read_text())


def test_the_recording_is_of_all_these_mails() -> None:
    assert list(RECORDED) == list(HARD_MAILS)


@pytest.mark.parametrize("name", HARD_MAILS)
def test_each_parser_reads_what_the_mail_says(name: str) -> None:
    said, recorded = HARD_MAILS[name], RECORDED[name]
    assert recorded["raw"].encode() == said.raw(), "the mail has changed: record it anew"
    assert list(recorded["read"]) == ["mailparser 3.14.2", "postal-mime 4.0.0"]
    for read in recorded["read"].values():
        texts = {part: read.pop(part).removesuffix("\n") for part in ("text", "html")}
        assert texts == {"text": said.text, "html": said.html}
        assert read.pop("subject", "") == one_line(said.subject)
        assert read == {
            "from": [{"address": "shop@example.com", "name": one_line(said.name)}],
            "to": [{"address": "ada@example.org", "name": ""}],
        }
