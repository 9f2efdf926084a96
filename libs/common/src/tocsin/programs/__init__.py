"""What tenants write and Tocsin runs. Every run is bounded by a count, which is the same number on every machine.

A program that ends the process all the same ends it once: see `crash_note`.
"""

from tocsin.programs.crash_note import (
    ENDED_A_PROCESS,
    CrashNote,
    Noted,
    NotesUnusable,
    Program,
    ProgramFault,
    Refusal,
)
from tocsin.programs.data_schema import MOST_ERRORS, TOO_COMPLEX, DataSchema, SchemaError
from tocsin.programs.schema_check import SchemaRefused
from tocsin.programs.settings import ProgramSettings
from tocsin.programs.watchdog import crash_note_component

__all__ = [
    "ENDED_A_PROCESS",
    "MOST_ERRORS",
    "TOO_COMPLEX",
    "CrashNote",
    "DataSchema",
    "Noted",
    "NotesUnusable",
    "Program",
    "ProgramFault",
    "ProgramSettings",
    "Refusal",
    "SchemaError",
    "SchemaRefused",
    "crash_note_component",
]
