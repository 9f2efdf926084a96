"""Recorded inputs through today's code: byte for byte what came out when they were recorded."""

from typing import Any

import pytest
from tests.recordings.recording import STAGES, read, to_bytes, to_json
from tests.recordings.running import outcome_of

RECORDINGS = {stage: read(stage) for stage in STAGES}
CASES = [
    pytest.param(stage, case, id=f"{stage}: {case['name']}")
    for stage, recording in RECORDINGS.items()
    for case in recording["cases"]
]


@pytest.mark.parametrize(("stage", "case"), CASES)
def test_the_same_bytes_come_out(stage: str, case: dict[str, Any]) -> None:
    assert outcome_of(stage, case, RECORDINGS[stage]["base"]) == case["outcome"]


@pytest.mark.parametrize("stage", STAGES)
def test_each_case_has_a_name_of_its_own(stage: str) -> None:
    names = [case["name"] for case in RECORDINGS[stage]["cases"]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "value", [None, b"", b"a\n\x00\xc3\xbc", b"\xff\xfe", b"a" + b"x" * 5_000 + b"b" + b"[" * 600]
)
def test_every_byte_comes_back(value: bytes | None) -> None:
    assert to_bytes(to_json(value)) == value
