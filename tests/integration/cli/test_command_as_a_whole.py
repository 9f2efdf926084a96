"""`tocsin` alone: every part stands in its help, and each brings only its own libraries."""

import subprocess
import sys

from .conftest import Run

LOADED = """
import sys
from tocsin.cli.command import build
build(asked=sys.argv[1])
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_help_names_every_part_and_those_of_installed_services(tocsin: Run) -> None:
    ran = tocsin("--help")
    assert ran.code == 0
    for part in (
        "topics",
        "acls",
        "send",
        "cancel",
        "timeline",
        "dead",
        "redrive",
        "refusals",
        "suppressions",
        "webhooks",
        "keys",
        "directory",
        "config",
    ):
        assert f" {part} " in ran.out


def test_a_part_that_does_not_exist_is_refused_by_name(tocsin: Run) -> None:
    ran = tocsin("fly")
    assert ran.code == 2
    assert "No such command 'fly'" in ran.err


def test_a_part_does_not_wait_for_the_libraries_of_others() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "timeline"], check=True, capture_output=True, text=True
    )
    assert {"aiokafka", "sqlalchemy", "fastapi"}.isdisjoint(done.stdout.split())
