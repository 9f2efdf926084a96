"""What a process leaves behind of what it ran, and what the next one makes of it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tocsin.programs import CrashNote, NotesUnusable, Program, ProgramFault
from tocsin.testing import ManualClock

PROGRAM = Program("acme", "shipped", "", 7)
OTHER = Program("acme", "shipped", "email/default/de", 7)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


def opened(folder: Path, clock: ManualClock) -> CrashNote:
    note = CrashNote(folder=folder, service="router", clock=clock)
    note.open()
    return note


def died_in(folder: Path, clock: ManualClock, program: Program) -> None:
    """A process that ends while this program runs: its file is let go, as by the kernel."""
    note = opened(folder, clock)
    note.noted(program.tenant, program.workflow, program.revision, part=program.part).__enter__()
    note.close()


def test_a_revision_that_ended_a_process_is_refused_for_an_hour(tmp_path: Path, clock: ManualClock) -> None:
    died_in(tmp_path, clock, PROGRAM)
    note = opened(tmp_path, clock)
    assert note.refuses(PROGRAM)
    assert not note.refuses(PROGRAM._replace(revision=8))
    assert not note.refuses(PROGRAM._replace(tenant="beta"))
    assert not note.refuses(OTHER)
    clock.advance(3_599)
    assert note.noted("acme", "shipped", 7).refused
    clock.advance(1)
    assert not note.noted("acme", "shipped", 7).refused


def test_refusals_outlive_a_restart(tmp_path: Path, clock: ManualClock) -> None:
    died_in(tmp_path, clock, PROGRAM)
    opened(tmp_path, clock).close()
    clock.advance(1_800)
    died_in(tmp_path, clock, OTHER)
    note = opened(tmp_path, clock)
    assert [refusal.program for refusal in note.refused] == [PROGRAM, OTHER]
    note.close()
    clock.advance(1_800)
    assert [refusal.program for refusal in opened(tmp_path, clock).refused] == [OTHER]


def test_a_program_that_ended_leaves_nothing(tmp_path: Path, clock: ManualClock) -> None:
    note = opened(tmp_path, clock)
    noted = note.noted("acme", "shipped", 7)
    with noted:
        pass
    with pytest.raises(ProgramFault), noted:
        raise ProgramFault
    note.close()
    assert opened(tmp_path, clock).refused == []


def test_an_error_that_nobody_expects_leaves_its_note(tmp_path: Path, clock: ManualClock) -> None:
    note = opened(tmp_path, clock)
    with pytest.raises(ZeroDivisionError), note.noted("acme", "shipped", 7):
        raise ZeroDivisionError
    note.close()
    assert opened(tmp_path, clock).refuses(PROGRAM)


def test_each_living_process_has_a_file_of_its_own(tmp_path: Path, clock: ManualClock) -> None:
    first = opened(tmp_path, clock)
    second = opened(tmp_path, clock)
    first.noted("acme", "shipped", 7).__enter__()
    assert not second.refuses(PROGRAM)
    second.close()
    assert opened(tmp_path, clock).refused == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["router-0.note", "router-1.note"]


def test_a_file_that_cannot_be_read_is_as_empty(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "router-0.note").write_bytes(b"\x00\x05hello" + b"\xff" * 5_000)
    assert opened(tmp_path, clock).refused == []


def test_a_name_of_any_length_fits(tmp_path: Path, clock: ManualClock) -> None:
    longest = Program("t" * 63, "w" * 128, f"email/{'n' * 63}/{'l' * 35}", 2**31 - 1)
    for _ in range(40):
        died_in(tmp_path, clock, longest)
        longest = longest._replace(revision=longest.revision - 1)
    assert len(opened(tmp_path, clock).refused) == 30


def test_without_a_folder_nothing_is_kept(clock: ManualClock) -> None:
    note = CrashNote(clock=clock)
    note.open()
    with note.noted("acme", "shipped", 7):
        assert not note.refuses(PROGRAM)
    note.close()


def test_a_folder_that_cannot_be_used_is_the_operators_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotesUnusable, match="Set CRASH_NOTES"):
        CrashNote(folder=tmp_path / "file").open()
