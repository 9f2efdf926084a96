"""Published templates and facts become the content of a message, or a fault that says which variable was missing."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jinja2
import minijinja
import msgspec

from tocsin.contracts.channels import CHANNELS, Content
from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.limits import RENDERED_PART_BYTES
from tocsin.router.templates.bounds import breaches
from tocsin.router.templates.check import TOO_DEEP, parse
from tocsin.router.templates.compiling import compiled
from tocsin.router.templates.filters import IN_HTML, IN_TEXT
from tocsin.router.templates.list_filters import bounded_range
from tocsin.router.templates.metering import (
    CPU_SECONDS,
    SECOND_CHANCE_SECONDS,
    Exceeded,
    Meter,
    TookTooLong,
)
from tocsin.router.templates.number_filters import divisible_by
from tocsin.router.templates.program import Program
from tocsin.router.templates.texts import WrongValue

FUEL: Final = 50_000
"""minijinja instructions a part may run: some thousand turns of a small loop."""

_PARTS: Final = tuple(part for spec in CHANNELS.values() for part in spec.parts)
_ONE_LINE: Final = frozenset(part.name for part in _PARTS if part.one_line)
_HTML: Final = frozenset(part.name for part in _PARTS if part.html)
# Filters that may take milliseconds: a part that has one looks at the clock at every print.
_COSTLY: Final = re.compile(
    r"\|\s*(sort|unique|map|select|reject|tojson|join|replace|sum|max|min|list|items|reverse)"
)
_GAPS: Final = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
"""What becomes one space in a line: line breaks, tabs, spaces, control characters. No-break spaces keep what they hold together."""
_ENGINE_FILTERS: Final = (
    "attr", "batch", "chain", "dictsort", "format", "groupby", "indent", "last", "lines", "max", "min", "pprint", "slice",
    "split", "zip",
)  # fmt: skip
"""What minijinja has, and the language or its functions have not."""
_ENGINE_ERRORS: Final = {
    "UndefinedError": "undefined variable",  # recorded statuses have these words
    "InvalidOperation": "The value has the wrong type",
    "CannotUnpack": "The value is no list with as many items as there are variables",
}
"""What minijinja's kinds of errors mean to authors; the others are said as they are."""


_TemplateKey = tuple[str, str, str, str, str]
"""Tenant, workflow, channel, name, locale."""


class RenderFault(NamedTuple):
    """Why a template could not be rendered: the part, and a sentence that names the variable, never its value."""

    part: str
    detail: str


class _Failed(Exception):
    def __init__(self, fault: RenderFault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


class _Compiled(NamedTuple):
    revision: int
    programs: dict[str, Program]
    """By part: what the engine compiled, to name the variable that an error points at."""
    names: dict[str, str]
    costly: set[str]
    """Parts with filters that may take milliseconds."""
    fault: RenderFault | None


class Renderer:
    """Renders within bounds: fuel, CPU time, what is printed, and 512 KiB a part. One per process and thread.

    Templates are compiled once per published revision: by `prepare`, which leaves the event loop to others, or at
    their first `render`.
    """

    def __init__(self) -> None:
        self._meter = Meter()
        self._compiled: dict[_TemplateKey, _Compiled] = {}
        self._count = 0
        self._in_text, self._in_html = _engine(self._meter, html=False), _engine(self._meter, html=True)
        self._compiling = asyncio.Lock()
        self._slow: set[tuple[_TemplateKey, int]] = set()
        """Revisions that took too long twice: they are not rendered a second time any more."""

    def ready(self, template: TemplateRecord) -> bool:
        """Whether this revision is compiled."""
        known = self._compiled.get(_key(template))
        return known is not None and known.revision == template.revision

    async def prepare(self, template: TemplateRecord) -> None:
        """Compile it in a thread, because a long one takes a second. One is compiled at a time: the threads share the interpreter."""
        async with self._compiling:
            if not self.ready(template):
                self._install(template, await asyncio.to_thread(_prepared, template))

    def render(
        self, template: TemplateRecord, context: Mapping[str, Any], *, seconds: float = CPU_SECONDS
    ) -> Content | RenderFault:
        """The content for the template's channel. `context` holds the roots; what is missing in it is undefined.

        `seconds` of a CPU are left to it. A template that takes longer is rendered once more with time of its own, because
        the interpreter may have paused and no message may be lost to that. A revision that takes too long then as well is
        never rendered twice again.
        """
        compiled = self._ready(template)
        if compiled.fault is not None:
            return compiled.fault
        revision = (_key(template), template.revision)
        try:
            return self._rendered(template, compiled, context, seconds)
        except _Failed as failed:
            if not isinstance(failed.__cause__, TookTooLong) or revision in self._slow:
                return failed.fault
        try:
            return self._rendered(template, compiled, context, SECOND_CHANCE_SECONDS)
        except _Failed as failed:
            if isinstance(failed.__cause__, TookTooLong):
                self._slow.add(revision)
            return failed.fault

    def _rendered(
        self, template: TemplateRecord, compiled: _Compiled, context: Mapping[str, Any], seconds: float
    ) -> Content:
        self._meter.start(seconds)
        parts = {part: self._part(part, compiled, context) for part in template.parts}
        return _content(template.channel, parts)

    def forget(self, template: TemplateRecord) -> None:
        """Let go of a template that is published no more."""
        known = self._compiled.pop(_key(template), None)
        if known is not None:
            self._remove(known)
            self._slow.discard((_key(template), known.revision))

    def _ready(self, template: TemplateRecord) -> _Compiled:
        if not self.ready(template):
            self._install(template, _prepared(template))
        return self._compiled[_key(template)]

    def _install(self, template: TemplateRecord, prepared: Mapping[str, Program | RenderFault]) -> None:
        self.forget(template)
        programs: dict[str, Program] = {}
        names: dict[str, str] = {}
        fault: RenderFault | None = None
        for part, program in prepared.items():
            if isinstance(program, RenderFault):
                fault = program
                break
            self._count += 1
            name = f"{self._count}/{part}"
            try:
                self._engine(part).add_template(name, program.source)
            except minijinja.TemplateError as error:
                fault = RenderFault(part, f"Line {error.line}: {error.kind}.")
                break
            names[part] = name
            programs[part] = program
        costly = {part for part, source in template.parts.items() if _COSTLY.search(source)}
        self._compiled[_key(template)] = _Compiled(template.revision, programs, names, costly, fault)

    def _remove(self, compiled: _Compiled) -> None:
        for part, name in compiled.names.items():
            self._engine(part).remove_template(name)

    def _engine(self, part: str) -> minijinja.Environment:
        return self._in_html if part in _HTML else self._in_text

    def _part(self, part: str, compiled: _Compiled, context: Mapping[str, Any]) -> str:
        self._meter.part(costly=part in compiled.costly)
        try:
            text = self._engine(part).render_template(compiled.names[part], **context)
        except Exceeded as error:
            raise _Failed(RenderFault(part, f"The template was stopped: {error}.")) from error
        except WrongValue as error:
            raise _Failed(RenderFault(part, str(error))) from error
        except minijinja.TemplateError as error:
            raise _Failed(RenderFault(part, _explained(error, compiled.programs[part]))) from error
        except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
            # raised in a filter of ours by a value it cannot take; its text may hold the value
            raise _Failed(
                RenderFault(
                    part,
                    "A filter cannot take the value it gets. Check its type before, such as `is number` or `is sequence`.",
                )
            ) from error
        if part in _ONE_LINE:
            text = _one_line(text)
        if len(text) * 4 > RENDERED_PART_BYTES and len(text.encode()) > RENDERED_PART_BYTES:
            raise _Failed(
                RenderFault(part, f"This part renders to more than {RENDERED_PART_BYTES} bytes; shorten it.")
            )
        return text


def _key(template: TemplateRecord) -> _TemplateKey:
    return template.tenant, template.workflow, template.channel, template.name, template.locale


def _engine(meter: Meter, *, html: bool) -> minijinja.Environment:
    engine = minijinja.Environment(
        fuel=FUEL,
        undefined_behavior="strict",
        auto_escape_callback=_never,  # the meter escapes what is printed in HTML
        finalizer=meter.printed_in_html if html else meter.printed,
        debug=False,
        pycompat=False,
        keep_trailing_newline=True,  # Jinja2 has taken the one that goes
    )
    for name in _ENGINE_FILTERS:
        engine.remove_filter(name)
    for name, function in (IN_HTML if html else IN_TEXT).items():
        engine.add_filter(name, function)
    engine.add_test("divisibleby", divisible_by)
    for name in ("debug", "dict", "namespace"):
        engine.remove_global(name)
    engine.add_global("range", bounded_range)
    engine.add_global("__tick", meter.tick)
    engine.add_global("__again", meter.again)
    return engine


def _never(_name: str) -> bool:
    return False


def _prepared(template: TemplateRecord) -> dict[str, Program | RenderFault]:
    """By part the metered source, or what `check_template` would refuse. Touches nothing but its argument."""
    return {part: _prepare(part, source) for part, source in template.parts.items()}


def _prepare(part: str, source: str) -> Program | RenderFault:
    try:
        tree = parse(source)
        forbidden = breaches(tree)
        if not forbidden:
            return compiled(tree, html=part in _HTML)
    except jinja2.TemplateSyntaxError as error:
        return RenderFault(part, f"Line {error.lineno}: {error.message}.")
    except RecursionError:
        return RenderFault(part, TOO_DEEP)
    return RenderFault(part, f"Line {forbidden[0].line}: {forbidden[0].detail}")


def _one_line(text: str) -> str:
    if (
        text.isprintable() and "  " not in text
    ):  # most are one line already, and looking is a tenth of the work
        return text.strip()
    return _GAPS.sub(" ", text).strip()


def _explained(error: minijinja.TemplateError, program: Program) -> str:
    """A sentence from the engine's error: kind, line and the expression as the template has it. Never a value."""
    line = f"Line {error.line}: " if error.line is not None else ""
    if error.kind == "OutOfFuel":
        return f"The template was stopped: it runs more than {FUEL} instructions; use shorter lists and fewer loops."
    what = program.expression(*error.range) if error.range is not None else ""
    where = f" at `{what}`" if what else ""
    return f"{line}{_ENGINE_ERRORS.get(error.kind, error.kind)}{where}."


def _content(channel: str, texts: dict[str, str]) -> Content:
    spec = CHANNELS[channel]
    for name in spec.trimmed_parts:
        texts[name] = texts[name].strip()
        if not texts[name]:
            raise _Failed(RenderFault(name, "This part renders to nothing; it must contain text."))
    if (
        spec.content_bytes is not None
        and sum(len(text.encode()) for text in texts.values()) > spec.content_bytes
    ):
        detail = f"All parts together render to more than {spec.content_bytes} bytes; shorten them."
        raise _Failed(RenderFault("body", detail))
    return spec.content_of(texts)


def preview(template: TemplateRecord, context: Mapping[str, Any]) -> Content | RenderFault:
    """Render once, without keeping anything: for content that is not published. `context` is JSON."""
    return Renderer().render(template, msgspec.to_builtins(context))
