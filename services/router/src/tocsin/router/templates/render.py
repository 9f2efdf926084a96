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
from tocsin.router.templates.filters import FILTER_FUNCTIONS, REMOVED_FILTERS, FilterRefused, bounded_range
from tocsin.router.templates.metering import (
    CPU_SECONDS,
    SECOND_CHANCE_SECONDS,
    Exceeded,
    Meter,
    TookTooLong,
    metered,
)

FUEL: Final = 50_000
"""minijinja instructions a part may run: some thousand turns of a small loop."""

_PARTS: Final = tuple(part for spec in CHANNELS.values() for part in spec.parts)
_ONE_LINE: Final = frozenset(part.name for part in _PARTS if part.one_line)
_HTML: Final = frozenset(part.name for part in _PARTS if part.html)
# Filters that may take milliseconds: a part that has one looks at the clock at every print.
_COSTLY: Final = re.compile(
    r"\|\s*(sort|unique|map|select|reject|tojson|join|replace|sum|max|min|list|items|reverse)"
)
# An error points into the metered source, and authors shall read their own. Where it points at the `list` that `metering` put
# before `|sort`, the filter behind it is named; and a path such as `data.order.id` is read back to its beginning.
_SORTS_AFTER: Final = re.compile(rb"\|few\|(\w+)")
_PATH_BEFORE: Final = re.compile(rb"[\w.\[\]'\"]+\Z")


_ENGINE_ERRORS: Final = {
    "UndefinedError": "undefined variable",  # recorded statuses have these words
    "InvalidOperation": "The value has the wrong type",
    "BadSerialization": "The value cannot be turned into a text",
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
    sources: dict[str, bytes]
    """By part: the metered source, to name the variable that an error points at."""
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
        self._engine = _engine(self._meter)
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

    def _install(self, template: TemplateRecord, prepared: Mapping[str, str | RenderFault]) -> None:
        self.forget(template)
        sources: dict[str, bytes] = {}
        names: dict[str, str] = {}
        fault: RenderFault | None = None
        for part, source in prepared.items():
            if isinstance(source, RenderFault):
                fault = source
                break
            self._count += 1
            name = f"{self._count}/{part}"
            try:
                self._engine.add_template(name, source)
            except minijinja.TemplateError as error:
                fault = RenderFault(part, f"Line {error.line}: {error.kind}.")
                break
            names[part] = name
            sources[part] = source.encode()
        costly = {part for part, source in template.parts.items() if _COSTLY.search(source)}
        self._compiled[_key(template)] = _Compiled(template.revision, sources, names, costly, fault)

    def _remove(self, compiled: _Compiled) -> None:
        for name in compiled.names.values():
            self._engine.remove_template(name)

    def _part(self, part: str, compiled: _Compiled, context: Mapping[str, Any]) -> str:
        self._meter.part(costly=part in compiled.costly)
        try:
            text = self._engine.render_template(compiled.names[part], **context)
        except (Exceeded, FilterRefused) as error:
            raise _Failed(RenderFault(part, f"The template was stopped: {error}.")) from error
        except minijinja.TemplateError as error:
            raise _Failed(RenderFault(part, _explained(error, compiled.sources[part]))) from error
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            # raised in a filter of ours by a value it cannot take; its text may hold the value
            raise _Failed(
                RenderFault(
                    part,
                    "A filter cannot take the value it gets. Check its type before, such as `is number` or `is sequence`.",
                )
            ) from error
        if part in _ONE_LINE:
            text = " ".join(text.split())
        if len(text) * 4 > RENDERED_PART_BYTES and len(text.encode()) > RENDERED_PART_BYTES:
            raise _Failed(
                RenderFault(part, f"This part renders to more than {RENDERED_PART_BYTES} bytes; shorten it.")
            )
        return text


def _key(template: TemplateRecord) -> _TemplateKey:
    return template.tenant, template.workflow, template.channel, template.name, template.locale


def _engine(meter: Meter) -> minijinja.Environment:
    engine = minijinja.Environment(
        fuel=FUEL,
        undefined_behavior="strict",
        auto_escape_callback=_escape_html_only,
        finalizer=meter.printed,
        debug=False,
        pycompat=False,
    )
    for name in REMOVED_FILTERS:
        engine.remove_filter(name)
    for name, function in FILTER_FUNCTIONS.items():
        engine.add_filter(name, function)
    for name in ("debug", "dict", "namespace"):
        engine.remove_global(name)
    engine.add_global("range", bounded_range)
    engine.add_global("tick", meter.tick)
    engine.add_global("again", meter.again)
    return engine


def _escape_html_only(name: str) -> bool:
    return name.rpartition("/")[2] in _HTML


def _prepared(template: TemplateRecord) -> dict[str, str | RenderFault]:
    """By part the metered source, or what `check_template` would refuse. Touches nothing but its argument."""
    return {part: _prepare(part, source) for part, source in template.parts.items()}


def _prepare(part: str, source: str) -> str | RenderFault:
    try:
        tree = parse(source)
        forbidden = breaches(tree)
    except jinja2.TemplateSyntaxError as error:
        return RenderFault(part, f"Line {error.lineno}: {error.message}.")
    except RecursionError:
        return RenderFault(part, TOO_DEEP)
    if forbidden:
        return RenderFault(part, f"Line {forbidden[0].line}: {forbidden[0].detail}")
    return metered(source)


def _explained(error: minijinja.TemplateError, source: bytes) -> str:
    """A sentence from the engine's error: kind, line and the expression as the template has it. Never a value."""
    line = f"Line {error.line}: " if error.line is not None else ""
    if error.kind == "OutOfFuel":
        return f"The template was stopped: it runs more than {FUEL} instructions; use shorter lists and fewer loops."
    what = _expression(source, *error.range) if error.range is not None else ""
    where = f" at `{what}`" if what else ""
    return f"{line}{_ENGINE_ERRORS.get(error.kind, error.kind)}{where}."


def _expression(source: bytes, start: int, end: int) -> str:
    """What stands there, with the beginning of its path, which the engine leaves out: `data.order` before `.id`."""
    added = _SORTS_AFTER.match(source, end)
    if added:
        return added[1].decode()
    before = _PATH_BEFORE.search(source[:start])
    return source[before.start() if before else start : end].decode(errors="replace")[:100]


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
