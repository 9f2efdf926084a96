"""The fields of a record as paths, such as `channels[].targets[].3`: where they stand in a message, and their types in its schema."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def paths_of(message: Any, schema: Schema, root: Schema | None = None) -> Iterator[str]:
    """Every field that the message has and its schema names, the innermost."""
    root = root or schema
    parts = list(_parts(message, _resolved(schema, root, message), root))
    if not parts:
        yield ""
    for step, value, own in parts:
        for rest in paths_of(value, own, root):
            yield f"{step}.{rest}".replace(".[]", "[]") if rest else step


def _parts(message: Any, own: Schema, root: Schema) -> Iterator[tuple[str, Any, Schema]]:
    """What stands directly in a struct or in a list of structs: its step, its value, its schema."""
    if isinstance(message, dict) and "properties" in own:
        for name in message.keys() & own["properties"].keys():
            yield name, message[name], own["properties"][name]
    elif isinstance(message, list) and "prefixItems" in own:
        for place, item in enumerate(message):
            yield str(place), item, own["prefixItems"][place]
    elif isinstance(message, list) and _is_struct(_resolved(own.get("items", {}), root, {})):
        for item in message:
            yield "[]", item, own["items"]


def type_at(path: str, message: Any, schema: Schema) -> str | None:
    """The type that the schema gives the field; None if it has no such field. `message` says which of a union is meant."""
    own, place = _resolved(schema, schema, message), message
    for step in path.replace("[]", ".[]").split("."):
        if step == "[]":
            own, place = own.get("items", {}), place[0] if isinstance(place, list) and place else None
        elif step.isdecimal() and len(own.get("prefixItems", ())) > int(step):
            own, place = own["prefixItems"][int(step)], None
        elif step in own.get("properties", {}):
            own, place = own["properties"][step], place.get(step) if isinstance(place, dict) else None
        else:
            return None
        types = _types(own, schema)
        own = _resolved(own, schema, place)
    return "|".join(types)


def only(message: Any, paths: Collection[str]) -> Any:
    """The message with these fields and no other. In an array that is a struct, others are null."""
    return _filtered(message, "", lambda path: any(_covers(path, kept) for kept in paths))


def without(message: Any, path: str) -> Any:
    """The message with all but this field."""
    return _filtered(message, "", lambda other: not (other == path or other.startswith(f"{path}.")))


def _covers(path: str, kept: str) -> bool:
    """Whether a field must stay so that `kept` stays: it, what it stands in, and what stands in it."""
    return path == kept or any(
        long.startswith((f"{short}.", f"{short}[")) for long, short in ((path, kept), (kept, path))
    )


def _filtered(value: Any, path: str, keeps: Any) -> Any:
    if isinstance(value, dict):
        named = {name: f"{path}.{name}" if path else name for name in value}
        return {name: _filtered(value[name], full, keeps) for name, full in named.items() if keeps(full)}
    if isinstance(value, list) and value and not isinstance(value[0], dict | list) and path.endswith("[]"):
        return [item if keeps(f"{path}.{place}") else None for place, item in enumerate(value)]
    if isinstance(value, list):
        return [
            _filtered(item, f"{path}[]", keeps) if isinstance(item, dict | list) else item for item in value
        ]
    return value


def _resolved(schema: Schema, root: Schema, value: Any) -> Schema:
    """The schema itself behind references and unions: of several structs the one of the value's kind."""
    while True:
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
        elif alternatives := schema.get("oneOf") or schema.get("anyOf"):
            structs = [
                own
                for own in (_resolved(each, root, value) for each in alternatives)
                if own.get("type") != "null"
            ]
            fitting = [own for own in structs if _is_of(own, value)]
            return (fitting or structs)[0]
        else:
            return schema


def _is_struct(schema: Schema) -> bool:
    return "properties" in schema or "prefixItems" in schema


def _is_of(schema: Schema, value: Any) -> bool:
    kind = schema.get("properties", {}).get("kind", {}).get("const")
    if isinstance(value, dict):
        return "properties" in schema and kind == value.get("kind")
    return not _is_struct(schema) or isinstance(value, list)


def _types(schema: Schema, root: Schema) -> list[str]:
    if "$ref" in schema:
        return _types(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    alternatives = schema.get("oneOf") or schema.get("anyOf")
    if alternatives:
        return list(dict.fromkeys(name for each in alternatives for name in _types(each, root)))
    named = schema.get("type", "string" if "const" in schema else "any")
    return [f"{named}:{schema['format']}" if "format" in schema else named]
