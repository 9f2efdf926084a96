"""A person without Java or Maven reads one sentence that says what to install."""

import re
import shutil
from pathlib import Path

import pytest

from tocsin.dev.errors import MissingTool
from tocsin.dev.kafka_jars import jars, java

ONE_SENTENCE = re.compile(r"[^\n]+\.")


@pytest.fixture
def empty_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert shutil.which("java") is None


def test_without_java(empty_path: None) -> None:
    with pytest.raises(
        MissingTool, match=r"install it .* or name a running broker in KAFKA_BOOTSTRAP_SERVERS"
    ) as met:
        java()
    assert ONE_SENTENCE.fullmatch(str(met.value))


def test_without_maven(empty_path: None, tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match=r"Maven: install it") as met:
        jars(cache=tmp_path / "cache")
    assert ONE_SENTENCE.fullmatch(str(met.value))


def test_java_home_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java() == str(program)
