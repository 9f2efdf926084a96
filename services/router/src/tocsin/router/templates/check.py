"""What is said about a template before it is saved."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import jinja2
from jinja2 import nodes

from tocsin.contracts.channels import CHANNELS, OVERRIDES, ChannelSpec
from tocsin.contracts.part_forms import PartForm
from tocsin.contracts.values.nearest import did_you_mean
from tocsin.contracts.values.text import TEXT_RULE, is_text
from tocsin.contracts.vocabulary import Channel
from tocsin.router.templates.bounds import breaches
from tocsin.router.templates.language import SOURCE_CHARS, TEMPLATE_CHARS, parser
from tocsin.router.templates.variables import unknown_variables

TOO_DEEP: Final = "Tags or brackets are nested too deep: use fewer levels."
_NO_NUMBER: Final = "This number cannot be read. Write it with digits from 0 to 9, and at most 39 of them"


class TemplateFault(NamedTuple):
    """One thing wrong: `pointer` into the template (`/parts/html`), a stable `code`, a sentence with line and remedy."""

    pointer: str
    code: str
    detail: str


def check_template(
    parts: Mapping[str, str], channel: Channel, data_schema: Mapping[str, Any] | None
) -> list[TemplateFault]:
    """Everything wrong with a template for `channel`; empty when it may be saved.

    `docs/problems/README.md` lists the codes.
    `data_schema` is the workflow's; None says nothing about `data`.
    """
    faults = list(_check_names(set(parts), channel))
    lengths = [len(source) for source in parts.values()]
    if sum(lengths) > TEMPLATE_CHARS and max(lengths) <= SOURCE_CHARS:
        detail = f"All parts together have {sum(lengths)} characters; at most {TEMPLATE_CHARS} are possible. Shorten them."
        return [*faults, TemplateFault("/parts", "template_too_long", detail)]
    forms = CHANNELS[channel].forms
    for name, source in parts.items():
        faults.extend(_check_part(f"/parts/{_escaped(name)}", source, data_schema, forms.get(name)))
    return faults


def parse(source: str) -> nodes.Template:
    """The syntax tree. Raises jinja2.TemplateSyntaxError, also for what nests too deep to be read, and for what no UTF-8 can hold."""
    if not is_text(source):
        raise jinja2.TemplateSyntaxError(TEXT_RULE, 1)
    try:
        return parser.parse(source)
    except RecursionError as error:
        raise jinja2.TemplateSyntaxError(TOO_DEEP.removesuffix("."), 1) from error
    except (ValueError, SyntaxError) as error:  # of the functions of Python that read numbers
        raise jinja2.TemplateSyntaxError(_NO_NUMBER, _line_of_number(source)) from error


def _line_of_number(source: str) -> int:
    """The line of the first number that cannot be read."""
    for token in parser.lexer.tokeniter(source, None):
        try:
            list(parser.lexer.wrap([token]))
        except (ValueError, SyntaxError):
            return token[0]
    return 1


def _check_names(names: set[str], channel: Channel) -> Iterator[TemplateFault]:
    spec = CHANNELS[channel]
    for part in spec.parts:
        if part.required and part.name not in names:
            yield TemplateFault(
                "/parts", "part_missing", f"A template for {channel} needs the part `{part.name}`."
            )
    if spec.one_of and not names.intersection(spec.one_of):
        either = " or ".join(f"`{name}`" for name in spec.one_of)
        yield TemplateFault(
            "/parts", "part_missing", f"A template for {channel} needs {either}. Write both if you can."
        )
    if spec.actions is not None and (missing := spec.actions.incomplete(names)) is not None:
        yield TemplateFault(
            "/parts",
            "part_missing",
            f"A button needs {spec.actions.needed}. Write the part `{missing}`, too.",
        )
    known = list(spec.part_names)
    prefix = f"{spec.named_parts}." if spec.named_parts is not None else None
    for name in sorted(names.difference(known, spec.forms)):
        if spec.overrides and name.startswith(OVERRIDES):
            yield TemplateFault(f"/parts/{_escaped(name)}", "part_unknown", _unknown_override(name, spec))
            continue
        if prefix is not None and name.startswith(prefix) and name != prefix:
            holder = spec.holder_of(name.removeprefix(prefix))
            if holder is not None:
                detail = (
                    f"{holder} keeps the name `{name.removeprefix(prefix)}` for itself. Choose another name."
                )
                yield TemplateFault(f"/parts/{_escaped(name)}", "part_reserved", detail)
            continue
        more = [f"{prefix}<name>"] if prefix is not None else []
        more += [f"{OVERRIDES}<kind>.<name>"] if spec.overrides else []
        more += spec.actions.shown if spec.actions is not None else []
        listed = ", ".join(known + more)
        detail = f"A template for {channel} has no part `{name}`. Its parts are: {listed}."
        yield TemplateFault(f"/parts/{_escaped(name)}", "part_unknown", detail)


def _unknown_override(name: str, spec: ChannelSpec) -> str:
    kind, _, override = name.removeprefix(OVERRIDES).partition(".")
    known = spec.overrides.get(kind)
    if known is None:
        kinds = ", ".join(f"`{OVERRIDES}{kind}.<name>`" for kind in spec.overrides)
        return f"No provider of this kind has overrides. There are: {kinds}."
    return f"`{kind}` has no such override. {did_you_mean(override, known)}"


def _check_part(
    pointer: str, source: str, data_schema: Mapping[str, Any] | None, form: PartForm | None
) -> Iterator[TemplateFault]:
    if len(source) > SOURCE_CHARS:
        yield TemplateFault(
            pointer,
            "part_too_long",
            f"This part has {len(source)} characters; at most {SOURCE_CHARS} are possible. Shorten it.",
        )
        return
    try:
        tree = parse(source)
    except jinja2.TemplateSyntaxError as error:
        yield TemplateFault(pointer, "template_syntax", f"Line {error.lineno}: {error.message}.")
        return
    written = _written(tree)
    if form is not None and written is not None and written.strip() and not form.fits(written.strip()):
        yield TemplateFault(pointer, "part_invalid", f"This part must be {form.rule}.")
        return
    try:
        forbidden, missing = breaches(tree), unknown_variables(tree, data_schema)
    except RecursionError:
        yield TemplateFault(pointer, "template_forbidden", TOO_DEEP)
        return
    for breach in forbidden:
        yield TemplateFault(pointer, "template_forbidden", f"Line {breach.line}: {breach.detail}")
    for unknown in missing:
        yield TemplateFault(
            pointer,
            "variable_unknown",
            f"Line {unknown.line}: Unknown variable `{unknown.path}`. {unknown.instead}",
        )


def _written(tree: nodes.Template) -> str | None:
    """The text that the part is whatever the data; None: it depends on the data."""
    texts: list[str] = []
    for node in tree.body:
        if not isinstance(node, nodes.Output):
            return None
        for printed in node.nodes:
            if not isinstance(printed, nodes.TemplateData):
                return None
            texts.append(printed.data)
    return "".join(texts)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
