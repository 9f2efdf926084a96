"""Published templates and facts become the content of a message, or a fault that says which variable was missing."""

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, NamedTuple

import jinja2
import msgspec

from tocsin.contracts.actions import ActionParts, has_actions
from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.contents import Content
from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.limits import RENDERED_PART_BYTES
from tocsin.router.templates.bounds import breaches
from tocsin.router.templates.budget import Budget, Exceeded
from tocsin.router.templates.check import TOO_DEEP, parse
from tocsin.router.templates.faults import Stopped
from tocsin.router.templates.program import Program, compiled
from tocsin.router.templates.texts import WrongValue

_PARTS: Final = tuple(part for spec in CHANNELS.values() for part in spec.parts)
_ONE_LINE: Final = frozenset(part.name for part in _PARTS if part.one_line)
_HTML: Final = frozenset(part.name for part in _PARTS if part.html)
_GAPS: Final = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
"""What becomes one space in a line: line breaks, tabs, spaces, control characters. No-break spaces keep what they hold together."""
_NOT_TEXT: Final = (
    "A text has half a surrogate pair (U+D800 to U+DFFF), which no message can hold. Send it without."
)

_NOTHING: Final = nullcontext()

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
    """By part."""
    fault: RenderFault | None


class Renderer:
    """Renders within the budget of a notification, and 512 KiB a part. One per process.

    Templates are compiled once per published revision: by `prepare`, which leaves the event loop to others, or at
    their first `render`.
    """

    def __init__(self) -> None:
        self._compiled: dict[_TemplateKey, _Compiled] = {}
        self._compiler = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compiler")

    def ready(self, template: TemplateRecord) -> bool:
        """Whether this revision is compiled."""
        known = self._compiled.get(_key(template))
        return known is not None and known.revision == template.revision

    async def prepare(self, template: TemplateRecord, under: AbstractContextManager[None] = _NOTHING) -> None:
        """Compile it in a thread, because a long one takes a second. One is compiled at a time: the threads share the interpreter.

        `under` is entered there, so it lasts as long as the work, also when nobody waits for that any more.
        """
        await asyncio.get_running_loop().run_in_executor(self._compiler, self._prepare_under, under, template)

    def _prepare_under(self, under: AbstractContextManager[None], template: TemplateRecord) -> None:
        if not self.ready(template):
            with under:
                self._compiled[_key(template)] = _prepared(template)

    def render(
        self, template: TemplateRecord, context: Mapping[str, Any], budget: Budget
    ) -> Content | RenderFault:
        """The content for the template's channel. `context` holds the roots, of JSON; what is missing in it is undefined.

        All templates of a notification are given the same `budget`.
        """
        known = self._compiled.get(_key(template))
        if known is None or known.revision != template.revision:
            known = self._compiled[_key(template)] = _prepared(template)
        if known.fault is not None:
            return known.fault
        try:
            texts = {part: _part(part, program, context, budget) for part, program in known.programs.items()}
            return _content(template.channel, texts)
        except _Failed as failed:
            return failed.fault

    def forget(self, template: TemplateRecord) -> None:
        """Let go of a template that is published no more."""
        self._compiled.pop(_key(template), None)


def _part(part: str, program: Program, context: Mapping[str, Any], budget: Budget) -> str:
    try:
        text = program(context, budget)
    except UnicodeEncodeError as error:
        raise _Failed(RenderFault(part, _NOT_TEXT)) from error
    except Exceeded as error:
        raise _Failed(RenderFault(part, f"The template was stopped: {error}.")) from error
    except (Stopped, WrongValue) as error:
        raise _Failed(RenderFault(part, str(error))) from error
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


def _prepared(template: TemplateRecord) -> _Compiled:
    """The programs, or what `check_template` would refuse. Touches nothing but its argument."""
    programs: dict[str, Program] = {}
    for part, source in template.parts.items():
        program = _prepare(part, source)
        if isinstance(program, RenderFault):
            return _Compiled(template.revision, {}, program)
        programs[part] = program
    return _Compiled(template.revision, programs, None)


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


def _content(channel: str, texts: dict[str, str]) -> Content:
    spec = CHANNELS[channel]
    for name in sorted(spec.forms.keys() & texts.keys()):
        texts[name] = text = _one_line(texts[name])
        if not text:
            del texts[name]  # which is required has no form
        elif not spec.forms[name].fits(text):
            raise _Failed(RenderFault(name, f"This part must render to {spec.forms[name].rule}."))
    if spec.actions is not None and has_actions(texts):
        _check_actions(spec.actions, texts)
    for name in spec.trimmed_parts:
        texts[name] = texts[name].strip()
        if not texts[name]:
            raise _Failed(RenderFault(name, "This part renders to nothing; it must contain text."))
    if (
        spec.content_bytes is not None
        and sum(len(text.encode()) for text in texts.values()) > spec.content_bytes
    ):
        detail = f"All parts together render to more than {spec.content_bytes} bytes; shorten them."
        largest = max(texts, key=lambda name: len(texts[name]))
        raise _Failed(RenderFault(largest, detail))
    return spec.content_of(texts)


def _check_actions(actions: ActionParts, texts: Mapping[str, str]) -> None:
    if (missing := actions.incomplete(texts)) is not None:
        detail = "This part renders to nothing, and another part of its button does not."
        raise _Failed(RenderFault(missing, detail))
    if (repeated := actions.repeated(texts)) is not None:
        raise _Failed(RenderFault(repeated, "Another button has this name; each needs one of its own."))


def preview(template: TemplateRecord, context: Mapping[str, Any]) -> Content | RenderFault:
    """Render once, without keeping anything: for content that is not published. `context` is JSON."""
    return Renderer().render(template, msgspec.to_builtins(context), Budget())
