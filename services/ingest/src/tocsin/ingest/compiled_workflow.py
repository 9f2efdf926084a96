"""A published workflow as ingest needs it: its lane, and whether data fits its schema."""

from collections.abc import Iterator
from typing import Final

from tocsin.contracts.directory import WorkflowRecord
from tocsin.contracts.vocabulary import Lane, Reason
from tocsin.observability import get_logger
from tocsin.programs import MOST_ERRORS, TOO_COMPLEX, DataSchema, SchemaError, SchemaRefused
from tocsin.web import Fault, json_pointer

log = get_logger(__name__)

MAX_FAULTS: Final = MOST_ERRORS
"""Faults that are listed for one request at most."""

_UNUSABLE: Final = (
    "The workflow's published data schema cannot be used. Publish the workflow again with a correct one"
)


class CompiledWorkflow:
    """One revision of a workflow; its JSON Schema is compiled here, once."""

    def __init__(self, workflow: WorkflowRecord) -> None:
        self.key: Final[str] = workflow.key
        self.lane: Final[Lane] = workflow.lane
        self.event_types: Final[tuple[str, ...]] = tuple(workflow.event_types)
        self.reaches_subject: Final[bool] = workflow.recipients is None
        self._usable = True
        self._schema: DataSchema | None = None
        if workflow.data_schema is None:
            return
        try:
            self._schema = DataSchema(workflow.data_schema)
        except SchemaRefused:  # The router refuses such a schema when it is saved.
            self._usable = False
            log.error(  # noqa: TRY400 - the text repeats the tenant's schema
                "data schema cannot be used",
                tenant=workflow.tenant,
                workflow=workflow.key,
                revision=workflow.revision,
            )

    def accepts(self, data: object, size: int) -> bool:
        """Whether `data`, of `size` bytes, fits the schema; always, where there is none."""
        return self._usable and (self._schema is None or self._schema.accepts(data, size))

    def faults(self, data: object, size: int, *, prefix: str) -> list[Fault]:
        """What is wrong with `data`, one fault per place, pointers beginning with `prefix`; never repeats a value."""
        if not self._usable:
            return [Fault(pointer=prefix, code=Reason.WORKFLOW_UNUSABLE, detail=_UNUSABLE)]
        if self._schema is None:
            return []
        if self._schema.too_complex(data, size):
            return [Fault(pointer=prefix, code=Reason.DATA_TOO_COMPLEX, detail=TOO_COMPLEX)]
        faults: list[Fault] = []
        for error in self._schema.errors(data, size):
            faults += _faults_of(error, prefix)
        return faults[:MAX_FAULTS]


def _faults_of(error: SchemaError, prefix: str) -> Iterator[Fault]:
    pointer = prefix + json_pointer(error.path)
    if not error.names:
        yield Fault(pointer=pointer, code=error.keyword, detail=f"{error.message}.")
    detail = "Required by the workflow." if error.keyword == "required" else "Not known to the workflow."
    for name in error.names:
        yield Fault(pointer=pointer + json_pointer([name]), code=error.keyword, detail=detail)
