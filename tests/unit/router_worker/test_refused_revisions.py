"""What a process ended in is not run again for an hour, neither compiled; after it, it is."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tocsin.contracts.vocabulary import Reason
from tocsin.ingest.compiled_workflow import CompiledWorkflow
from tocsin.programs import CrashNote, Program
from tocsin.router.worker.directory import PublishedWorkflow
from tocsin.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def after_death(tmp_path: Path, clock: ManualClock) -> Any:
    """The note of a process that finds that the one before it died in the program."""

    def make(program: Program) -> CrashNote:
        for _ in range(2):
            note = CrashNote(folder=tmp_path, service="router", clock=clock)
            note.open()
            if not note.refused:
                noted = note.noted(program.tenant, program.workflow, program.revision, part=program.part)
                noted.__enter__()
                note.close()
        return note

    return make


def test_a_workflow_is_compiled_when_its_hour_is_over(after_death, clock, workflow) -> None:
    note = after_death(Program("acme", "shipped", "", 1))
    at_router, at_ingest = PublishedWorkflow(workflow(), note), CompiledWorkflow(workflow(), note)
    assert "a process ended" in str(at_router.unusable).lower()
    assert not at_ingest.accepts({"name": "Ann"}, 14)
    (fault,) = at_ingest.faults({}, 2, prefix="/data")
    assert (fault.code, fault.pointer) == (Reason.WORKFLOW_UNUSABLE, "/data")
    newer = PublishedWorkflow(workflow(revision=2), note)
    assert newer.unusable is None
    clock.advance(3_600)
    assert at_router.unusable is None
    assert at_router.fault({"name": 7}, 10) is not None
    assert at_ingest.accepts({"name": "Ann"}, 14)
    assert not at_ingest.accepts({"name": 7}, 10)


async def test_a_template_that_ended_a_process_fails_its_message_alone(after_death, worker) -> None:
    worker.render_under(note=after_death(Program("acme", "shipped", "sms/default/en", 3)))
    written = await worker.route(worker.event())
    (failed,) = written.targets("failed")
    assert (failed.target.reason, failed.channel.channel) == (Reason.WORKFLOW_UNUSABLE, "sms")
    assert len(written.targets("routed")) == 2
