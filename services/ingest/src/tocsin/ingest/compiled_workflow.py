"""A published workflow as ingest needs it: its lane, and whether data fits its schema."""

from collections.abc import Iterator
from typing import Any, Final

import jsonschema_rs

from tocsin.contracts.directory import Workflow
from tocsin.contracts.vocabulary import Lane
from tocsin.observability import get_logger
from tocsin.web import Fault, json_pointer

log = get_logger(__name__)

MAX_FAULTS: Final = 100
"""Faults that are listed for one request at most."""

_UNUSABLE: Final = (
    "The workflow's published data schema cannot be used; publish the workflow again with a correct one."
)


class CompiledWorkflow:
    """One revision of a workflow; its JSON Schema is compiled here, once."""

    def __init__(self, workflow: Workflow) -> None:
        self.key: Final[str] = workflow.key
        self.lane: Final[Lane] = workflow.lane
        self.event_types: Final[tuple[str, ...]] = tuple(workflow.event_types)
        self.reaches_subject: Final[bool] = workflow.recipients is None
        self._usable = True
        self._validator: Any = None
        if workflow.data_schema is None:
            return
        try:
            self._validator = jsonschema_rs.validator_for(
                workflow.data_schema, mask="The value", offline=True
            )
        except ValueError:  # The library's errors for a schema that is none. The router refuses such a schema when it is saved.
            self._usable = False
            log.error(  # noqa: TRY400 - the library's text repeats the tenant's schema
                "data schema cannot be used",
                tenant=workflow.tenant,
                workflow=workflow.key,
                revision=workflow.revision,
            )

    def accepts(self, data: object) -> bool:
        """Whether `data` fits the schema; always, where there is none."""
        return self._usable and (self._validator is None or self._validator.is_valid(data))

    def faults(self, data: object, *, prefix: str) -> list[Fault]:
        """What is wrong with `data`, one fault per place, pointers beginning with `prefix`; never repeats a value."""
        if not self._usable:
            return [Fault(pointer=prefix, code="schema_unusable", detail=_UNUSABLE)]
        faults: list[Fault] = []
        if self._validator is None:
            return faults
        for error in self._validator.iter_errors(data):
            faults += _faults_of(error, prefix)
            if len(faults) >= MAX_FAULTS:
                break
        return faults[:MAX_FAULTS]


def _faults_of(error: Any, prefix: str) -> Iterator[Fault]:
    pointer = prefix + json_pointer(error.instance_path)
    code = str(error.kind.name)
    match type(error.kind).__name__:
        case "Required":
            yield Fault(
                pointer=pointer + json_pointer([error.kind.property]),
                code=code,
                detail="Required by the workflow.",
            )
        case "AdditionalProperties" | "UnevaluatedProperties":
            for name in error.kind.unexpected:
                yield Fault(
                    pointer=pointer + json_pointer([name]), code=code, detail="Not known to the workflow."
                )
        case _:
            yield Fault(pointer=pointer, code=code, detail=f"{error.message}.")
