"""The fifth step: what is to be delivered gets its words. Of the steps that an intent goes through alone, only this one waits.

It waits for a template that is compiled in a thread, and lets the event loop go between two templates. All channels of a
notification share one budget.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from time import perf_counter
from typing import Any

import msgspec
from prometheus_client import Histogram

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.intents import Intent
from tocsin.contracts.jobs import Content
from tocsin.contracts.vocabulary import Channel, Reason, Rule
from tocsin.observability import metrics
from tocsin.programs import ENDED_A_PROCESS, CrashNote, Noted
from tocsin.router.policy import (
    UNKNOWN,
    ChannelOutcome,
    DecisionInput,
    Deliver,
    Withhold,
    actor_of,
    looked_at,
)
from tocsin.router.templates import Budget, Renderer, RenderFault
from tocsin.router.tokens import UnsubscribeTokens, Unsubscription, unsubscribe_url
from tocsin.runtime import LoopSlice

_decode = msgspec.json.decode


class Rendered(msgspec.Struct, frozen=True):
    """A `Deliver` with its words."""

    deliver: Deliver
    content: Content
    unsubscribe_url: str | None
    noted: Noted
    """Its template. What holds its words is made and encoded under this note, too."""


class DeliveryRenderer:
    """Renders what was decided. Without `public_url` messages have no unsubscribe links.

    Templates are compiled in a thread while others are rendered, so the thread has a note of its own.
    """

    def __init__(
        self,
        *,
        renderer: Renderer,
        public_url: str | None,
        tokens: UnsubscribeTokens,
        note: CrashNote | None = None,
        compiler_note: CrashNote | None = None,
    ) -> None:
        self._renderer = renderer
        # Making one takes a microsecond of each message.
        self._noted = lru_cache(maxsize=1024)(partial(_noted, note or CrashNote()))
        self._compiler_note = compiler_note or CrashNote()
        self._public_url = public_url
        self._tokens = tokens
        self._seconds: dict[str, Histogram] = {
            channel: metrics.render_seconds.labels(channel) for channel in Channel
        }

    async def render(
        self, question: DecisionInput, channels: Sequence[ChannelOutcome], loop_slice: LoopSlice
    ) -> list[Rendered | Withhold]:
        """The same channels, each `Deliver` rendered, or withheld if its template fails."""
        results: list[Rendered | Withhold] = []
        variables: dict[str, Any] | None = None
        budget = Budget()
        for outcome in channels:
            if not isinstance(outcome, Deliver):
                results.append(outcome)
                continue
            if loop_slice.due:
                await loop_slice.let_go()
            template = outcome.template
            noted = self._noted(_place(template), template.revision)
            if noted.refused or self._compiler_note.refuses(noted.program):
                results.append(_unusable(outcome))
                continue
            if not self._renderer.ready(template):
                await self._renderer.prepare(template, Noted(self._compiler_note, noted.program))
            if variables is None:
                variables = _variables(question, outcome)
            link = self._unsubscribe_url(question.intent, outcome)
            variables["links"] = {"unsubscribe": link or ""}
            began = perf_counter()
            with noted:
                content = self._renderer.render(template, variables, budget)
            self._seconds[outcome.ref.channel].observe(perf_counter() - began)
            if isinstance(content, RenderFault):
                failed, rules = Reason.TEMPLATE_FAILED, outcome.rules
                rules.append(looked_at(Rule.RENDER, failed, {"part": content.part}))
                detail = f"{content.part}: {content.detail}"[:300]
                results.append(Withhold(outcome.ref, Rule.RENDER, failed, rules, detail, template))
            else:
                outcome.rules.append(looked_at(Rule.RENDER, "rendered"))
                results.append(Rendered(outcome, content, link, noted))
        return results

    def _unsubscribe_url(self, intent: Intent, deliver: Deliver) -> str | None:
        """Where this recipient ends this category on this channel. None for what cannot be ended, and where nobody asks: on
        some channels every job carries the link, on the others only a template may print it."""
        spec, category = CHANNELS[deliver.ref.channel], deliver.category
        if self._public_url is None or category.default == "required":
            return None
        if not spec.has_unsubscribe_url and not any(
            "links" in source for source in deliver.template.parts.values()
        ):
            return None
        what = Unsubscription(
            tenant=intent.tenant, recipient=intent.recipient, category=category.key, channel=spec.channel
        )
        return unsubscribe_url(self._public_url, self._tokens.sign(what))


def _place(template: TemplateRecord) -> tuple[str, ...]:
    return template.tenant, template.workflow, template.channel, template.name, template.locale


def _noted(note: CrashNote, place: tuple[str, ...], revision: int) -> Noted:
    """The template as the crash note names it."""
    tenant, workflow, *part = place
    return note.noted(tenant, workflow, revision, part="/".join(part))


def _unusable(deliver: Deliver) -> Withhold:
    """A process ended while it rendered this revision of the template."""
    reason = Reason.WORKFLOW_UNUSABLE
    deliver.rules.append(looked_at(Rule.RENDER, reason))
    return Withhold(deliver.ref, Rule.RENDER, reason, deliver.rules, ENDED_A_PROCESS, deliver.template)


def _variables(question: DecisionInput, deliver: Deliver) -> dict[str, Any]:
    """What the templates of all channels see, but for the links."""
    intent, tenant = question.intent, question.tenant
    variables: dict[str, Any] = {
        "recipient": deliver.recipient.variables(),
        "tenant": {"id": intent.tenant, "name": tenant.name, "attributes": tenant.attributes}
        if tenant
        else {},
        "data": _decode(intent.private.data)
        if question.decoded_data is msgspec.UNSET
        else question.decoded_data,
    }
    if intent.private.link is not None:
        variables["link"] = intent.private.link
    if intent.private.actor is not None:
        variables["actor"] = actor_of(intent.private.actor, question.stored_actor or UNKNOWN).variables()
    return variables
