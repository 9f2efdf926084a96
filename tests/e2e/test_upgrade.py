"""The former release and this one side by side on one stack, with every change. `make faults ONLY=upgrade-from-the-former-release` does it
with two instances of everything, one after the other."""

from pathlib import Path

import pytest
from tests.played_scenarios import play

from former_release import former_release
from tocsin.dev.paths import PROJECT

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

NAME = "upgrade-in-short"


def test_the_former_release_is_replaced_under_load(tmp_path: Path, record_property) -> None:
    """Nothing is lost, doubled or overtaken, and every old process ends with 0."""
    if not (PROJECT / ".git").exists():
        pytest.skip("sources without their history have no former release")
    former = former_release()  # of a shallow clone it fails, and says what is missing
    row = play(NAME, folder=tmp_path)[NAME]
    assert row["red"] == [], row
    record_property(
        "measured",
        f"upgrade from {former}: {row['findings']['sent']} messages once, in {row['seconds']:.0f} s",
    )
