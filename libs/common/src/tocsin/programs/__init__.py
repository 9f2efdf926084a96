"""What tenants write and Tocsin runs: schemas so far. Every run is bounded by a count, which is the same number on every machine."""

from tocsin.programs.data_schema import MOST_ERRORS, TOO_COMPLEX, DataSchema, SchemaError
from tocsin.programs.schema_check import SchemaRefused

__all__ = ["MOST_ERRORS", "TOO_COMPLEX", "DataSchema", "SchemaError", "SchemaRefused"]
