"""What an error is, in words that repeat no value. Whatever is logged or shown of an error that is not ours goes through here.

| error | what is shown |
|---|---|
| of PostgreSQL or its driver, also inside SQLAlchemy's | class, SQLSTATE, schema and table, column, constraint, number of the query's argument; the sentence, where its class holds no values |
| of pydantic | the kinds of its faults |
| about a character that cannot be encoded or decoded | codec and position |
| another ValueError or LookupError that is not ours | its text, without what stands in quotation marks |
| any other | its text |

PostgreSQL writes rows and keys into its details, the driver each argument it cannot encode, pydantic each input. Ours repeat no value
(a rule of all our sentences), so they are shown as they are.
"""

import re
import traceback
from collections.abc import Iterator
from typing import Final

_PLACES: Final = (
    ("schema_name", "schema"),
    ("table_name", "table"),
    ("column_name", "column"),
    ("constraint_name", "constraint"),
)
_SPEAKING: Final = ("08", "25", "28", "3D", "40", "42", "53", "55", "57", "58")
"""Classes of SQLSTATE whose sentences name our tables, users and limits, and nothing that a caller sent: those of connections, states of
transactions, logins, names in our statements, resources, locks and the server's life. Not 22 (data), 23 (constraints), P0 (raised)."""
_ARGUMENT: Final = re.compile(r"query argument (\$\d+)").search
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_CAUSED: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_DURING: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"


def error_text(error: BaseException) -> str:
    """The class of the error and, where there is one, its text, on one line."""
    text = _text(_innermost(error))
    name = type(_innermost(error)).__name__
    return f"{name}: {text}" if text else name


def traceback_text(error: BaseException) -> str:
    """The traceback of an error and of those it came from, as Python prints it, each error as `error_text` has it."""
    return "".join(_parts(error, seen=set())).rstrip()


def _parts(error: BaseException, *, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _parts(before, seen=seen)
        yield _CAUSED if error.__cause__ is not None else _DURING
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(error.__traceback__)
    yield f"{error_text(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for number, inner in enumerate(error.exceptions, 1):
            yield f"  +---------------- {number} ----------------\n"
            for part in _parts(inner, seen=seen):
                yield "".join(f"  | {line}\n" for line in part.splitlines())


def _innermost(error: BaseException) -> BaseException:
    """The driver's error, where SQLAlchemy's wraps it."""
    wrapped = getattr(error, "orig", None)
    return (wrapped.__cause__ or wrapped) if isinstance(wrapped, BaseException) else error


def _text(error: BaseException) -> str:
    library = type(error).__module__.partition(".")[0]
    if sqlstate := getattr(error, "sqlstate", None):
        return _of_postgresql(error, str(sqlstate))
    if isinstance(error, UnicodeError):
        return _about_a_character(error)
    if library == "pydantic_core" and hasattr(error, "errors"):
        return ", ".join(sorted({fault["type"] for fault in error.errors(include_input=False)}))
    line = _first_line(error)
    quotes = library != "tocsin" and isinstance(error, (ValueError, LookupError))
    return _QUOTED.sub("'…'", line) if quotes else line


def _of_postgresql(error: BaseException, sqlstate: str) -> str:
    facts = [f"SQLSTATE {sqlstate}"]
    facts += [f"{word} {value}" for name, word in _PLACES if (value := getattr(error, name, None))]
    if argument := _ARGUMENT(_first_line(error)):
        facts.append(f"argument {argument[1]}")
    sentence = f": {_first_line(error)}" if sqlstate.startswith(_SPEAKING) else ""
    return ", ".join(facts) + sentence


def _about_a_character(error: UnicodeError) -> str:
    if isinstance(error, (UnicodeEncodeError, UnicodeDecodeError)):
        return f"{error.encoding}, position {error.start}"
    return ""


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]
