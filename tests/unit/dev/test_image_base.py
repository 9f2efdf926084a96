"""What the images' base is made from, who may make it, and when it is made anew; what a Pod may write to."""

import os
import shutil
from pathlib import Path

import pytest

from tocsin.dev.errors import MissingTool
from tocsin.dev.image import base
from tocsin.dev.image.buildah import need_programs
from tocsin.dev.image.confined import writable_folders
from tocsin.dev.image.debian_archive import Source, sources_in
from tocsin.dev.image.errors import NotHere
from tocsin.dev.image.images import SERVICES
from tocsin.dev.services import NAMES

ARCHIVE = "http://archive.example.com/debian"


def test_a_suite_comes_with_its_updates_from_whatever_apt_names() -> None:
    lines = [
        f"{ARCHIVE}-security bookworm-security main",
        f"{ARCHIVE} bookworm main",
        f"{ARCHIVE} bookworm main",
        f"{ARCHIVE} bookworm contrib",
        f"{ARCHIVE} trixie main",
        "https://elsewhere.example.com nodistro main",
    ]
    assert sources_in("\n".join(lines), "bookworm") == [
        Source(ARCHIVE, "bookworm"),
        Source(f"{ARCHIVE}-security", "bookworm-security"),
    ]
    assert Source(ARCHIVE, "bookworm").line == f"deb {ARCHIVE} bookworm main\n"


def test_an_ordinary_user_is_told_that_nothing_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotHere, match=r"^Only root can build images here"):
        need_programs()


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "buildah" else name)
    with pytest.raises(MissingTool, match=r"^buildah cannot be found.*apt install buildah debootstrap"):
        need_programs()


def test_a_base_is_renewed_after_a_week(tmp_path: Path) -> None:
    assert not base.is_fresh(tmp_path)
    made = tmp_path / "made"
    made.touch()
    assert base.is_fresh(tmp_path)
    old = made.stat().st_mtime - base.RENEW_AFTER - 1
    os.utime(made, (old, old))
    assert not base.is_fresh(tmp_path)


def test_a_pod_may_write_to_its_notes_alone() -> None:
    assert set(SERVICES) == set(NAMES)
    for service in SERVICES:
        assert writable_folders(service) == {"/tmp/tocsin": "1M"}, service
