"""What we install may be used as we use it: each distribution's licence is one that was looked at."""

import re
from importlib import metadata
from pathlib import Path

import pytest

from tocsin.dev.requirement_files import Pinned, pinned

ROOT = Path(__file__).parents[3]
ALLOWED = {
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0", "Unlicense", "Zlib",
    "MPL-2.0",  # binds changes to its own files, and we change none
}  # fmt: skip
WORDS = {  # as classifiers and free texts name them, where a distribution has no SPDX expression
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "3-Clause BSD License": "BSD-3-Clause",
}
WITHOUT_WORDS = {"dkimpy": "Zlib", "promql-parser": "MIT"}
"""Those whose description names no licence that SPDX knows, and what their file LICENSE says."""
HERE = [
    entry
    for name in ("dev", "uv", "hatchling")
    for entry in pinned(ROOT / "requirements" / f"{name}.txt")
    if entry.wanted_here
]


def licences(name: str) -> set[str]:
    """The SPDX ids of a distribution; one of alternatives is enough, all of a conjunction are needed."""
    if name in WITHOUT_WORDS:
        return {WITHOUT_WORDS[name]}
    described = metadata.metadata(name)
    if "License-Expression" in described:
        expression = described["License-Expression"]
        choices = [set(re.split(r" AND |[() ]+", choice)) - {""} for choice in expression.split(" OR ")]
        return next((choice for choice in choices if choice <= ALLOWED), choices[0])
    classifiers = [
        text.rsplit(" :: ", 1)[1]
        for text in described.get_all("Classifier") or []
        if text.startswith("License :: OSI Approved :: ")
    ]
    return {WORDS.get(text, text) for text in classifiers or described.get_all("License") or ["none"]}


@pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.name)
def test_the_licence_is_allowed(entry: Pinned) -> None:
    assert licences(entry.name) <= ALLOWED, "look at the licence; then allow it, or use something else"


def test_every_shipped_distribution_is_looked_at() -> None:
    looked_at = {entry.name for entry in HERE}
    shipped = set((ROOT / "requirements").glob("*.txt")) - {
        ROOT / "requirements" / "go.txt"
    }  # a compiler for tests
    for path in shipped:
        assert {entry.name for entry in pinned(path) if entry.wanted_here} <= looked_at
