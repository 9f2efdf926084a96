"""The tables of `docs/data.md`, from the registry of topics, the records and the classification. All else on that page is its author's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from tocsin.contracts.dead_letters import DeadLetter
from tocsin.contracts.stops import FORGET_AFTER_MS
from tocsin.contracts.topics import DAY_MS, HOUR_MS, Topic, Topics
from tocsin.router.tables import metadata
from tocsin.specifications.classification import KEPT, STRUCTS, TABLES, Fields, Says

BEGIN, END = "<!-- data -->", "<!-- /data -->"
_SHOWN: Final = {
    Says.PERSON: "of a person, in clear",
    Says.PERSON_ID: "names a person",
    Says.PERSON_HASHED: "hashed",
    Says.PERSON_SIGNED: "signed",
    Says.SEALED: "sealed",
    Says.KEY_HASHED: "hashed",
    Says.TENANT: "the tenant's own",
}


class Unclassified(Exception):
    """A field or column is not in `tocsin.specifications.classification`, or one there is gone. Say there what it says."""


def data_page(path: Path) -> str:
    """The page with today's tables between its markers. Raises `Unclassified`."""
    before, begin, rest = path.read_text().partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not begin or not end:
        raise Unclassified(f"{path} lacks the lines {BEGIN} and {END} for its tables.")
    return f"{before}{BEGIN}\n{''.join(_lines())}{END}\n{after}"


def check_columns(table: str, columns: set[str]) -> None:
    """Raises `Unclassified` unless exactly these columns are classified."""
    _check(table, columns, TABLES.get(table, {}))


def fields_of(record: Any) -> dict[str, Says]:
    """Path of each field of a record, also of the structs inside, → what it says. Raises `Unclassified`."""
    return dict(_walk(record, ""))


def _walk(kind: Any, path: str) -> Iterator[tuple[str, Says]]:
    for struct in _structs_in(kind):
        inner = {name: field for name, field in _fields(struct).items() if list(_structs_in(field))}
        classified = STRUCTS.get(struct.__name__, {})
        _check(struct.__name__, _fields(struct).keys() - inner.keys(), classified)
        yield from ((f"{path}{name}", says) for says, names in classified.items() for name in names.split())
        for name, field in inner.items():
            yield from _walk(field, f"{path}{name}.")


def _structs_in(kind: Any) -> Iterator[Any]:
    if isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or hasattr(kind, "_fields")):
        yield kind
    else:
        for argument in get_args(kind):
            yield from _structs_in(argument)


def _fields(struct: Any) -> dict[str, Any]:
    if issubclass(struct, msgspec.Struct):
        return {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    return dict(struct.__annotations__)


def _check(place: str, names: set[str], classified: Fields) -> None:
    known = [name for given in classified.values() for name in given.split()]
    wrong = sorted(names ^ set(known))
    if wrong or len(known) != len(set(known)):
        raise Unclassified(f"{place}: {', '.join(wrong) or 'a field stands twice'} in classification.py.")


def _lines() -> Iterator[str]:
    yield "**Topics**\n\n| topic | what it holds | how long |\n|---|---|---|\n"
    shown: set[str] = set()
    for topic in Topics().all():
        if topic.family not in shown:
            shown.add(topic.family)
            yield f"| `{_pattern(topic)}` | {_held(topic)} | {_kept(topic)} |\n"
    yield "\n**Tables**\n\n| table | what it holds | how long |\n|---|---|---|\n"
    for table in metadata.sorted_tables:
        check_columns(table.fullname, {column.name for column in table.columns})
    for name, classified in TABLES.items():
        says = {column: says for says, names in classified.items() for column in names.split()}
        yield f"| `{name}` | {_described(says)} | {KEPT[name]} |\n"


def _held(topic: Topic) -> str:
    if topic.family == "dead":
        return f"the record as it was, so all that its topic holds; in headers: {_described(fields_of(DeadLetter))}"
    key = "key: names a person; " if "recipient" in topic.key else ""
    return key + _described(fields_of(topic.record))


def _described(says: dict[str, Says]) -> str:
    parts = []
    for kind, words in dict.fromkeys((kind, _SHOWN[kind]) for kind in _SHOWN):
        names = ", ".join(f"`{name}`" for name, said in says.items() if said is kind)
        if names:
            parts.append(f"{words}: {names}")
    return "; ".join(parts) or "nothing of a person"


def _pattern(topic: Topic) -> str:
    name = topic.name
    if topic.channel is not None:
        name = name.replace(f".{topic.channel}.", ".<channel>.")
    if topic.lane is not None:
        name = name.replace(f".{topic.lane}", ".<lane>")
    return f"{name.rpartition('.')[0]}.<service>" if topic.family == "dead" else name


def _kept(topic: Topic) -> str:
    if topic.family == "stops":
        return f"{FORGET_AFTER_MS // DAY_MS} days after it was raised"
    if topic.retention_ms is None:
        return "until replaced or ended (compacted)"
    if topic.retention_ms < DAY_MS:
        return f"{topic.retention_ms // HOUR_MS} h"
    return f"{topic.retention_ms // DAY_MS} days"
