"""How a process ended is known to the one that comes after it, whatever the end was."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from tocsin.runtime.errors import ExitCode
from tocsin.runtime.exit_note import ExitNote, reason_of


def former(folder: Path | None, component: str = "small") -> str:
    """What the next process finds."""
    note = ExitNote(folder, component=component)
    note.close()
    return note.former.reason


def test_the_first_process_finds_none(tmp_path: Path) -> None:
    assert former(tmp_path / "made") == "none"


@pytest.mark.parametrize("code", ExitCode)
def test_an_exit_code_survives(tmp_path: Path, code: ExitCode) -> None:
    note = ExitNote(tmp_path, component="small")
    note.leave(reason_of(code), "part failed: ValueError")
    note.close()
    former = ExitNote(tmp_path, component="small").former
    assert (former.reason, former.words) == (code.name.lower(), "part failed: ValueError")
    assert former.at is not None


def test_long_words_are_cut_and_can_be_read(tmp_path: Path) -> None:
    note = ExitNote(tmp_path, component="small")
    note.leave("failed", "\u0001" * 10_000)
    note.close()
    former = ExitNote(tmp_path, component="small").former
    assert (former.reason, former.words) == ("failed", "\u0001" * 1_000)


def test_who_says_nothing_was_killed(tmp_path: Path) -> None:
    ExitNote(tmp_path, component="small").close()
    assert former(tmp_path) == "killed"


def test_processes_of_one_folder_do_not_take_each_others_notes(tmp_path: Path) -> None:
    first, second = (ExitNote(tmp_path, component="small") for _ in range(2))
    first.leave("failed")
    second.leave("too_slow")
    assert former(tmp_path) == "none", "both files are in use"
    assert former(tmp_path, "other") == "none"
    second.close()
    assert former(tmp_path) == "too_slow"


@pytest.mark.parametrize("content", [b"", b"{", b'{"reason":1}', b"\xff" * 10_000])
def test_a_file_that_is_no_note_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "small-0.exit").write_bytes(content)
    assert former(tmp_path) == "none"


def test_without_a_place_nothing_is_kept_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (None, tmp_path / "file"):
        note = ExitNote(folder, component="small")
        note.leave("failed")
        assert note.former.reason == "none"


def test_it_is_a_metric_and_a_line_where_it_was_no_good_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for reason in ("finished", "ownership_lost"):
        note = ExitNote(tmp_path, component="shown")
        note.leave(reason, "fenced")
        note.close()
        note = ExitNote(tmp_path, component="shown")
        note.show_former()
        note.close()
        labels = {"component": "shown", "reason": reason}
        assert REGISTRY.get_sample_value("tocsin_last_exit_info", labels) == 1
    (line,) = caplog.records
    assert line.tocsin_facts["reason"] == "ownership_lost"  # type: ignore[attr-defined]
