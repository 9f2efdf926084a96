"""Templates that cannot be rendered into a job fail their own message, and the next event is delivered."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.programs import CrashNote, Program
from tocsin.router.templates import Budget, Renderer, RenderFault, check_template, render
from tocsin.router.trial_child.programs import check_template_of
from tocsin.testing import ManualClock

HALF = '{{ "\\ud800" }}'
PARTS = [
    (Channel.SMS, {"body": HALF}),
    (Channel.SMS, {"body": "a" * 140_000 + HALF}),
    (Channel.EMAIL, {"subject": '{{ "\\udfff" }}a', "text": "t"}),
    (Channel.PUSH, {"title": "t", "body": HALF}),
    (Channel.PUSH, {"title": "t", "body": '{{ "\\ud800" if data.name is defined }}'}),
    (Channel.SMS, {"body": '{{ data["\\ud800"]|default("a") }}'}),
    (Channel.SMS, {"body": '{{ [1]|select("\\ud800")|length }}'}),
    (Channel.SMS, {"body": '{{ "a\\u0000" }}'}),
]


def template(parts: dict[str, str], channel: Channel = Channel.SMS, revision: int = 9) -> TemplateRecord:
    return TemplateRecord(
        tenant="acme", workflow="shipped", channel=channel, locale="en", revision=revision, parts=parts
    )


@pytest.fixture
def notes(tmp_path: Path) -> Any:
    """The note of a process that takes over from the one before it."""

    def open_note(service: str = "router") -> CrashNote:
        note = CrashNote(
            folder=tmp_path, service=service, clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        )
        note.open()
        return note

    return open_note


@pytest.mark.parametrize(("channel", "parts"), PARTS)
def test_what_utf8_cannot_hold_is_refused_when_saved(channel, parts):
    for faults in (check_template(parts, channel, None), check_template_of(parts, channel, None)):
        if max(map(len, parts.values())) < 64 * 1024:  # else it is too long as well
            assert any("half a surrogate pair" in fault[2] for fault in faults)
        assert faults
        "".join(fault[2] for fault in faults).encode()


@pytest.mark.parametrize(("channel", "parts"), PARTS)
async def test_such_a_template_in_the_directory_fails_its_message_and_no_other(worker, channel, parts):
    worker.publish(template(parts, channel))
    written = await worker.route(worker.event(id="e1"), worker.event(id="e2"))
    failed = written.targets("failed")
    assert {(each.target.reason, each.channel.channel) for each in failed} == {
        (Reason.TEMPLATE_FAILED, channel)
    }
    assert all(each.channel.detail for each in failed)
    others = written.targets("routed")
    assert {each.decision.event_id for each in others} == {"e1", "e2"}
    assert len(others) == 4


@pytest.mark.parametrize(
    "source", ["{{ data.x }}", "{% set y = data.x|upper %}", "{% set y %}{{ data.x }}{% endset %}", "{{ data.x ~ 'é' }}"]
)  # fmt: skip
@pytest.mark.parametrize("x", ["\ud800", "\ud800" * 200_000])
def test_data_that_utf8_cannot_hold_is_a_fault_with_a_reason(source, x):
    fault = Renderer().render(template({"body": source}), {"data": {"x": x}}, Budget())
    assert isinstance(fault, RenderFault)
    assert "half a surrogate pair" in fault.detail


def test_a_source_that_utf8_cannot_hold_is_a_fault():
    fault = Renderer().render(template({"body": "\ud800"}), {}, Budget())
    assert isinstance(fault, RenderFault)


async def test_a_job_that_cannot_be_encoded_leaves_the_note_of_its_template(worker, notes, monkeypatch):
    before = notes()
    worker.render_under(note=before)

    def broken(job: Any) -> bytes:
        if job.channel == Channel.SMS:
            raise UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed")
        return encode(job)

    with monkeypatch.context() as patched:
        patched.setattr("tocsin.router.worker.write.encode", broken)
        with pytest.raises(UnicodeEncodeError):
            await worker.route(worker.event())
    before.close()

    after = notes()
    worker.render_under(note=after)
    assert [each.program for each in after.refused] == [Program("acme", "shipped", "sms/default/en", 3)]
    written = await worker.route(worker.event(id="e2"))
    (failed,) = written.targets("failed")
    assert (failed.target.reason, failed.channel.channel) == (Reason.WORKFLOW_UNUSABLE, "sms")
    assert len(written.targets("routed")) == 2


async def test_a_template_that_ends_a_process_while_it_is_compiled_is_refused_by_the_next(
    worker, notes, monkeypatch
):
    before = notes("router-compiler")
    worker.render_under(compiler_note=before)
    compiled = render._prepared

    def broken(given: TemplateRecord) -> Any:
        if given.channel == Channel.PUSH:
            raise MemoryError
        return compiled(given)

    monkeypatch.setattr(render, "_prepared", broken)
    with pytest.raises(MemoryError):
        await worker.route(worker.event())
    before.close()

    after = notes("router-compiler")
    worker.render_under(compiler_note=after)
    assert [each.program for each in after.refused] == [Program("acme", "shipped", "push/default/en", 3)]
    written = await worker.route(worker.event(id="e2"))
    (failed,) = written.targets("failed")
    assert (failed.target.reason, failed.channel.channel) == (Reason.WORKFLOW_UNUSABLE, "push")
    assert len(written.targets("routed")) == 2


async def test_a_template_is_noted_as_long_as_it_is_compiled_and_no_longer(notes):
    note, renderer = notes("router-compiler"), Renderer()
    await renderer.prepare(template({"body": "a"}), note.noted("acme", "shipped", 9, part="sms/default/en"))
    assert renderer.ready(template({"body": "a"}))
    note.close()
    assert notes("router-compiler").refused == []
