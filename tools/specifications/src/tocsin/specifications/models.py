"""The public truth of each record as a pydantic model, derived from the struct that reads and writes it.

One definition serves both: msgspec reads and writes the bytes on hot paths, pydantic validates, explains and publishes JSON
Schemas. `tests/contract` proves on every golden message that both read and write the same.
"""

import ast
import inspect
import itertools
import textwrap
import types
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model


class RecordModel(BaseModel):
    """What every derived model is: unknown fields are ignored, so that a reader may be older than a writer."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


@cache
def model_of(struct: type[msgspec.Struct]) -> type[RecordModel]:
    """The pydantic model with the struct's fields, defaults, tag, docstring and field descriptions."""
    descriptions = _descriptions(struct)
    fields: dict[str, Any] = {}
    info = struct.__struct_config__
    if info.tag is not None and info.tag_field is not None:
        fields[info.tag_field] = (Literal[info.tag], Field(default=info.tag))
    for field in msgspec.structs.fields(struct):
        default: dict[str, Any]
        if field.default is not msgspec.NODEFAULT:
            default = {"default": None if isinstance(field.default, msgspec.Raw) else field.default}
        elif field.default_factory is not msgspec.NODEFAULT:
            default = {"default_factory": field.default_factory}
        else:
            default = {"default": ...}
        fields[field.encode_name] = (
            _annotation(field.type),
            Field(description=descriptions.get(field.name), **default),
        )
    model: type[RecordModel] = create_model(
        struct.__name__, __base__=RecordModel, __doc__=struct.__doc__, **fields
    )
    return model


def annotation_of(record: Any) -> Any:
    """What pydantic's `TypeAdapter` takes for a record: a struct, or a union of structs."""
    return _annotation(record)


def _annotation(kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _array_of(kind) if kind.__struct_config__.array_like else model_of(kind)
    if kind is msgspec.Raw:
        return Any
    arguments = get_args(kind)
    if not arguments or get_origin(kind) is Literal:
        return kind
    if get_origin(kind) is Annotated:
        return _open_string(*arguments)
    mapped = tuple(_annotation(argument) for argument in arguments)
    if isinstance(kind, types.UnionType) or get_origin(kind) is Union:
        return _union(arguments, mapped)
    return get_origin(kind)[mapped if len(mapped) > 1 else mapped[0]]


def _open_string(kind: Any, meta: msgspec.Meta) -> Any:
    """A string whose known values the schema lists; any other is valid."""
    return Annotated[kind, Field(json_schema_extra=meta.extra_json_schema)]


def _array_of(struct: type[msgspec.Struct]) -> Any:
    """A struct that is an array on the wire. Items that a later version appends are ignored."""
    fields, descriptions = msgspec.structs.fields(struct), _descriptions(struct)
    items = tuple(
        Annotated[_annotation(field.type), Field(title=field.name, description=descriptions.get(field.name))]
        for field in fields
    )

    def reads_on(schema: dict[str, Any]) -> None:
        del schema["maxItems"]
        schema |= {"title": struct.__name__, "description": struct.__doc__}

    return Annotated[
        tuple.__class_getitem__(items),
        BeforeValidator(lambda values: values[: len(items)]),
        Field(json_schema_extra=reads_on),
    ]


def _union(structs: tuple[Any, ...], mapped: tuple[Any, ...]) -> Any:
    tagged = [
        s
        for s in structs
        if isinstance(s, type) and issubclass(s, msgspec.Struct) and s.__struct_config__.tag
    ]
    union = Union.__getitem__(mapped)
    if len(tagged) == len(structs):
        return Annotated[union, Field(discriminator=tagged[0].__struct_config__.tag_field)]
    return union


def _descriptions(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The docstrings that stand below fields, also those of base structs."""
    descriptions: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if base is msgspec.Struct or not issubclass(base, msgspec.Struct):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for field, text in itertools.pairwise(statements):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                descriptions[field.target.id] = inspect.cleandoc(str(text.value.value)).replace("\n", " ")
    return descriptions
