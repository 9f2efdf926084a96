"""Some of the proving ground with every change: its failpoints, and three scenarios that the commit's hash chooses.

`make faults` plays all of it. How long things took is not judged here: other tests run beside these.
"""

import hashlib
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.played_scenarios import play

from scenario import SCENARIOS
from scenarios import failpoints

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

ROOT = Path(__file__).parents[2]
ALWAYS = ("everybody-dies-at-every-place",)
CHOSEN = 3


def commit() -> str:
    """The hash of what is checked out; the version of a source tree without one does not change, and neither does the choice."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "no commit"


FAMILIES = ("scenarios.deaths", "scenarios.handovers", "scenarios.stops")
"""Of these three are chosen: what happens to processes of ours, on the plain ground. The others need a broker, a database or providers that
misbehave for a while, and longer."""


def possible() -> list[str]:
    """The scenarios that may be chosen, in an order of their own."""
    return sorted(
        name
        for name, scenario in SCENARIOS.items()
        if scenario.play.__module__ in FAMILIES and not scenario.nightly
    )


def chosen_by(hash_: str) -> list[str]:
    """Three of them."""
    return Random(hashlib.sha256(hash_.encode()).digest()).sample(possible(), CHOSEN)


NAMES = [*chosen_by(commit()), *ALWAYS]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of each scenario, by its name."""
    return play(*NAMES, folder=tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_promised_holds(rows: dict[str, Any], name: str) -> None:
    """`make faults ONLY=…` plays one alone."""
    assert rows[name]["red"] == [], rows[name]


def test_every_commit_has_a_choice_of_its_own() -> None:
    choices = {tuple(sorted(chosen_by(str(number)))) for number in range(200)}
    assert {name for choice in choices for name in choice} == set(possible())


def test_every_failpoint_has_a_place_in_a_scenario() -> None:
    """A new one without a scenario is not proved."""
    assert failpoints.unproved() == set()
