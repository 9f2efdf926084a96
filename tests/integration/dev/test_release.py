"""`.ci/release` in a clone: what it refuses, and a whole release without what takes long."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tocsin.dev.release import versions
from tocsin.dev.release.changelog import UNRELEASED, notes, released

ROOT = Path(__file__).parents[3]
NEXT = "99.0.0"
ENV = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    **{
        f"GIT_{who}_{what}": "nobody@example.com"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
    "PYTHON": sys.executable,
    "TRY": "1",
}


def git(clone: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=clone, env=ENV, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def release(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [".ci/release", *words], cwd=clone, env=ENV, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone on main, with the script and the changelog as they are in the working tree."""
    clone = tmp_path_factory.mktemp("release") / "a clone"
    subprocess.run(["git", "clone", "--quiet", "--no-tags", ROOT, clone], env=ENV, check=True)
    git(clone, "checkout", "--quiet", "-B", "main")
    for name in (".ci/release", "CHANGELOG.md"):
        shutil.copy(ROOT / name, clone / name)
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "as it is")
    return clone


@pytest.fixture
def clone(origin: Path) -> Path:
    """The same, as it was before the test before it."""
    git(origin, "checkout", "--quiet", "-f", "main")
    git(origin, "reset", "--quiet", "--hard", "HEAD")
    git(origin, "clean", "--quiet", "-ffdx")
    for tag in git(origin, "tag").split():
        git(origin, "tag", "--delete", tag)
    return origin


def spoil(clone: Path, how: str) -> None:
    match how:
        case "another branch":
            git(clone, "checkout", "--quiet", "-B", "other")
        case "a change":
            (clone / "new.txt").touch()
        case "a release of the same version":
            git(clone, "tag", f"v{NEXT}")


@pytest.mark.parametrize(
    ("version", "how", "said"),
    [
        ("", "nothing", "say which version"),
        ("0.2", "nothing", "0.2 is no version: write three numbers"),
        ("0.0.1", "nothing", "0.0.1 is less than"),
        (NEXT, "another branch", "releases are made of main; this is other"),
        (NEXT, "a change", "commit or put away first"),
        (NEXT, "a release of the same version", f"{NEXT} is not greater than {NEXT}, which is released"),
    ],
)
def test_it_refuses(clone: Path, version: str, how: str, said: str) -> None:
    before = git(clone, "rev-parse", "main")
    spoil(clone, how)
    ended = release(clone, version)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("No release: ")
    assert said in ended.stderr
    assert git(clone, "rev-parse", "main") == before


def test_it_refuses_where_nothing_is_new(clone: Path) -> None:
    changelog = clone / "CHANGELOG.md"
    changelog.write_text(f"# Changelog\n\n{UNRELEASED}\n\n## 0.0.1 (2026-01-01)\n\n- It began.\n")
    git(clone, "commit", "--quiet", "--all", "--message", "nothing is new")
    ended = release(clone, NEXT)
    git(clone, "reset", "--quiet", "--hard", "HEAD^")
    assert ended.returncode == 1
    assert "says nothing below `## Unreleased`" in ended.stderr


def test_a_release_is_whole_and_changes_nothing_when_it_is_tried(clone: Path) -> None:
    before = git(clone, "rev-parse", "main")
    ended = release(clone, NEXT)
    assert ended.returncode == 0, ended.stderr
    made = clone / "build" / "release" / NEXT
    services = {path.parent.name.replace("-", "_") for path in ROOT.glob("services/*/pyproject.toml")}
    wheels = {path.name.split("-")[0] for path in (made / "wheels").glob(f"tocsin_*-{NEXT}-py3-none-any.whl")}
    assert wheels == {f"tocsin_{name}" for name in {*services, "common", "cli"}}
    assert {path.name.partition(".")[0] for path in (made / "sbom").iterdir()} == {
        path.stem for path in ROOT.glob("requirements/*.txt")
    }
    assert notes((ROOT / "CHANGELOG.md").read_text()) in (made / "notes.md").read_text()
    lines = [line.split("  ", 1) for line in (made / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert sums == {name: hashlib.sha256((made / name).read_bytes()).hexdigest() for name in files}
    assert (git(clone, "rev-parse", "main"), git(clone, "tag"), git(clone, "status", "--porcelain")) == (
        before,
        "",
        "",
    )
    assert len(git(clone, "worktree", "list").splitlines()) == 1


def test_every_place_of_the_version_gets_the_new_one(clone: Path) -> None:
    former = versions.current(clone)
    versions.put(clone, NEXT)
    assert versions.current(clone) == NEXT
    places = {place.path for place in versions.places(clone)}
    assert {
        Path("libs/common/pyproject.toml"),
        Path("deploy/compose.yaml"),
        Path("deploy/README.md"),
    } <= places
    spelt = re.compile(
        rf"tocsin/[$\w-]+:{re.escape(former)}|nameSuffix: -{former.replace('.', '-')}|version:? ?=? ?\"?{re.escape(former)}"
    )
    texts = [
        path
        for folder in ("deploy", "docs", "libs", "services", "tools")
        for path in (clone / folder).rglob("*.*")
    ]
    readable = [path for path in texts if path.suffix in {".md", ".yaml", ".toml"}]
    assert [path for path in readable if spelt.search(path.read_text())] == []


def test_what_was_unreleased_becomes_the_releases() -> None:
    text = f"# Changelog\n\n{UNRELEASED}\n\n- New.\n\n## 0.1.0 (2026-01-01)\n\n- Old.\n"
    after = released(text, "0.2.0", date(2026, 2, 3))
    assert notes(after) == ""
    assert notes(after, "## 0.2.0 (2026-02-03)") == "- New."
    assert notes(after, "## 0.1.0 (2026-01-01)") == "- Old."
