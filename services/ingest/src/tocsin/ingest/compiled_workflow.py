"""A published workflow as ingest needs it: its lane, and whether data fits its schema."""

from collections.abc import Iterator
from typing import Final

from tocsin.contracts.directory import WorkflowRecord
from tocsin.contracts.vocabulary import Lane, Reason
from tocsin.observability import get_logger
from tocsin.programs import (
    ENDED_A_PROCESS,
    MOST_ERRORS,
    TOO_COMPLEX,
    CrashNote,
    DataSchema,
    SchemaError,
    SchemaRefused,
)
from tocsin.web import Fault, json_pointer

log = get_logger(__name__)

MAX_FAULTS: Final = MOST_ERRORS
"""Faults that are listed for one request at most."""

_UNUSABLE: Final = (
    "The workflow's published data schema cannot be used. Publish the workflow again with a correct one"
)


class CompiledWorkflow:
    """One revision of a workflow; its JSON Schema is compiled here, once, and runs under the crash note."""

    def __init__(self, workflow: WorkflowRecord, note: CrashNote) -> None:
        self.key: Final[str] = workflow.key
        self.lane: Final[Lane] = workflow.lane
        self.event_types: Final[tuple[str, ...]] = tuple(workflow.event_types)
        self.reaches_subject: Final[bool] = workflow.recipients is None
        self._noted = note.noted(workflow.tenant, workflow.key, workflow.revision)
        self._given = workflow.data_schema
        self._schema: DataSchema | None = None
        self._compiled = False
        self._sound = True
        # What is refused is known before the first workflow is: nothing is added to it while the process lives.
        self._usable = self._unusable() is None

    def accepts(self, data: object, size: int) -> bool:
        """Whether `data`, of `size` bytes, fits the schema; always, where there is none and the workflow can be used."""
        if not self._usable and self._unusable() is not None:
            return False
        if self._schema is None:
            return True
        with self._noted:
            return self._schema.accepts(data, size)

    def faults(self, data: object, size: int, *, prefix: str) -> list[Fault]:
        """What is wrong with `data`, one fault per place, pointers beginning with `prefix`; never repeats a value."""
        if unusable := self._unusable():
            return [Fault(pointer=prefix, code=Reason.WORKFLOW_UNUSABLE, detail=unusable)]
        if self._schema is None:
            return []
        if self._schema.too_complex(data, size):
            return [Fault(pointer=prefix, code=Reason.DATA_TOO_COMPLEX, detail=TOO_COMPLEX)]
        with self._noted:
            errors = self._schema.errors(data, size)
        return [fault for error in errors for fault in _faults_of(error, prefix)][:MAX_FAULTS]

    def _unusable(self) -> str | None:
        if self._noted.refused:
            return ENDED_A_PROCESS
        if not self._compiled:  # the first time, or once the hour is over
            self._compile()
        return None if self._sound else _UNUSABLE

    def _compile(self) -> None:
        self._compiled = True
        if self._given is None:
            return
        try:
            with self._noted:
                self._schema = DataSchema(self._given)
        except SchemaRefused:  # The router refuses such a schema when it is saved.
            self._sound = False
            log.error(  # noqa: TRY400 - the text repeats the tenant's schema
                "data schema cannot be used", **self._noted.program._asdict()
            )


def _faults_of(error: SchemaError, prefix: str) -> Iterator[Fault]:
    pointer = prefix + json_pointer(error.path)
    if not error.names:
        yield Fault(pointer=pointer, code=error.keyword, detail=f"{error.message}.")
    detail = "Required by the workflow." if error.keyword == "required" else "Not known to the workflow."
    for name in error.names:
        yield Fault(pointer=pointer + json_pointer([name]), code=error.keyword, detail=detail)
