"""One intent, decided: the records that follow from it. Pure but for the facts it is given."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from time import perf_counter, thread_time
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import Category, Template
from tocsin.contracts.ids import delivery_id, recipient_key
from tocsin.contracts.intents import DeliveryRef, Intent
from tocsin.contracts.jobs import Content, Job
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane, Reason, Rule, StatusName
from tocsin.kafka import Outgoing
from tocsin.observability import current_traceparent, metrics, record_span, recording, span
from tocsin.router.policy import Case, Ended, Facts, Send, Skip, Verdict, decide
from tocsin.router.policy.people import UNKNOWN, Person, actor_of
from tocsin.router.templates import Renderer, RenderFault
from tocsin.router.templates.metering import CPU_SECONDS
from tocsin.router.tokens import UnsubscribeTokens, Unsubscription, unsubscribe_url
from tocsin.router.worker.breathing import Breath
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.lookups import Who
from tocsin.router.worker.statuses import StatusWriter

_MARGIN: Final = 1024
_decode = msgspec.json.decode


class Links:
    """Unsubscribe links; none where no public address is set."""

    def __init__(self, *, public_url: str | None, tokens: UnsubscribeTokens) -> None:
        self._public_url = public_url
        self._tokens = tokens
        self._last: tuple[Unsubscription, str] | None = None

    def unsubscribe(self, intent: Intent, category: Category, channel: Channel) -> str | None:
        """Where this recipient ends this category on this channel; None for what cannot be ended."""
        if self._public_url is None or category.default == "required":
            return None
        what = Unsubscription(
            tenant=intent.tenant, recipient=intent.recipient, category=category.key, channel=channel
        )
        if self._last is None or self._last[0] != what:  # the template and the job ask for the same one
            self._last = what, unsubscribe_url(self._public_url, self._tokens.sign(what))
        return self._last[1]


class Undecided(NamedTuple):
    """An intent to decide: what the duplicate rule saw, and its data where somebody decoded it before."""

    intent: Intent
    claim: str
    data: Any = msgspec.UNSET


class Decider:
    """Decides the intents of one lane."""

    def __init__(
        self, *, directory: PublishedDirectory, renderer: Renderer, topics: Topics, lane: Lane, links: Links
    ) -> None:
        self._directory = directory
        self._renderer = renderer
        self._lane = lane
        self._links = links
        self._jobs = {channel: topics.jobs(channel, lane) for channel in Channel}
        largest = {topic.name: topic.max_message_bytes for topic in topics.all()}
        self._largest = {channel: largest[name] - _MARGIN for channel, name in self._jobs.items()}
        self._decided: Counter[tuple[str, str]] = Counter()
        self._seconds = {channel: metrics.render_seconds.labels(channel) for channel in Channel}

    async def decide(
        self,
        undecided: Undecided,
        facts: Mapping[Who, Facts],
        *,
        writer: StatusWriter,
        cause: str,
        now: datetime,
        breath: Breath,
    ) -> list[Outgoing]:
        """Jobs and statuses, in the order in which they follow from the record `cause`."""
        intent = undecided.intent
        with span("decide", intent.traceparent, lane=self._lane.value):
            intent.traceparent = current_traceparent()
            known = facts.get((intent.tenant, intent.recipient), UNKNOWN)
            published = self._directory.workflow(intent.tenant, intent.workflow)
            workflow = published.workflow if published else None
            case = Case(
                intent=intent,
                now=now,
                facts=known,
                tenant=self._directory.tenant(intent.tenant),
                workflow=workflow,
                category=self._directory.category(intent.tenant, workflow.category) if workflow else None,
                templates=lambda channel: self._directory.templates(intent.tenant, intent.workflow, channel),
                render=_Rendering(self, self._renderer, undecided, facts, breath),
                claim=undecided.claim,
            )
            verdict = await decide(case)
            return await self._written(case, verdict, writer=writer, cause=cause, breath=breath)

    def render(
        self,
        intent: Intent,
        data: Any,
        facts: Mapping[Who, Facts],
        *,
        template: Template,
        category: Category,
        person: Person,
        seconds: float,
    ) -> Content | RenderFault:
        """The template's content for this person, within so many seconds of a CPU."""
        began = perf_counter()
        tenant = self._directory.tenant(intent.tenant)
        context: dict[str, Any] = {
            "recipient": person.variables(),
            "tenant": {"id": intent.tenant, "name": tenant.name, "attributes": tenant.attributes}
            if tenant
            else {},
            "data": data,
            "links": {"unsubscribe": self._link(intent, category, template)},
        }
        if intent.actor is not None:
            actor = intent.actor if isinstance(intent.actor, str) else intent.actor.id
            stored = facts.get((intent.tenant, actor), UNKNOWN)
            context["actor"] = actor_of(intent.actor, stored).variables()
        content = self._renderer.render(template, context, seconds=seconds)
        took = perf_counter() - began
        self._seconds[template.channel].observe(took)
        if recording(current_traceparent()):
            record_span("render", current_traceparent(), seconds=took, channel=template.channel.value)
        return content

    def _link(self, intent: Intent, category: Category, template: Template) -> str:
        if not any("links" in source for source in template.parts.values()):
            return ""
        return self._links.unsubscribe(intent, category, template.channel) or ""

    async def _written(
        self, case: Case, verdict: Verdict, *, writer: StatusWriter, cause: str, breath: Breath
    ) -> list[Outgoing]:
        intent = case.intent
        key = recipient_key(intent.tenant, intent.recipient)
        category = case.category.key if case.category else None
        out: list[Outgoing] = []
        if intent.delivery is None:
            out.append(
                writer.of_notification(
                    StatusName.ACCEPTED, intent, key=key, at=intent.event_time, category=category
                )
            )
        if verdict.ended is not None:
            out.append(self._ended(intent, verdict.ended, writer=writer, key=key, category=category))
        for one in verdict.deliveries:
            if breath.due:
                await breath.take()
            if isinstance(one, Skip):
                out.append(self._skipped(intent, one, writer=writer, key=key, category=category))
            else:
                out += self._sent(case, one, verdict.expires_at, writer=writer, key=key, cause=cause)
        return out

    def _ended(
        self, intent: Intent, ended: Ended, *, writer: StatusWriter, key: bytes, category: str | None
    ) -> Outgoing:
        self._count(ended.status, ended.rule)
        named = _named(intent, intent.delivery) if intent.delivery else {}
        return writer.of_notification(
            ended.status,
            intent,
            key=key,
            category=category,
            rule=ended.rule,
            reason=ended.reason,
            decision=ended.trail.decision(),
            **named,
        )

    def _skipped(
        self, intent: Intent, skip: Skip, *, writer: StatusWriter, key: bytes, category: str | None
    ) -> Outgoing:
        self._count(StatusName.SKIPPED, skip.rule)
        return writer.of_notification(
            StatusName.SKIPPED,
            intent,
            key=key,
            category=category,
            rule=skip.rule,
            reason=skip.reason,
            detail=skip.detail,
            locale=skip.template.locale if skip.template else None,
            template_version=skip.template.revision if skip.template else None,
            decision=skip.trail.decision(),
            **_named(intent, skip.ref),
        )

    def _sent(
        self, case: Case, send: Send, expires_at: datetime, *, writer: StatusWriter, key: bytes, cause: str
    ) -> list[Outgoing]:
        intent, channel = case.intent, send.ref.channel
        named = _named(intent, send.ref)
        job = Job(
            delivery_id=named["delivery_id"],
            notification_id=intent.notification_id,
            tenant=intent.tenant,
            recipient=intent.recipient,
            recipient_version=case.facts.version,
            workflow=intent.workflow,
            category=send.category.key,
            channel=channel,
            lane=self._lane,
            step=send.ref.step,
            address_key=send.ref.address_key,
            address=send.address,
            content=send.content,
            sender=case.tenant.senders.get(channel) if case.tenant else None,
            unsubscribe_url=self._links.unsubscribe(intent, send.category, channel)
            if channel is Channel.EMAIL
            else None,
            providers=case.tenant.providers.get(channel, []) if case.tenant else [],
            locale=send.template.locale,
            template_version=send.template.revision,
            test=intent.test,
            event_time=intent.event_time,
            expires_at=expires_at,
            intent=_for_one(intent, send.ref),
            origin=intent.origin,
            cause=cause,
            traceparent=intent.traceparent,
        )
        outgoing = Outgoing(self._jobs[channel], key, encode(job))
        fields: dict[str, Any] = {
            "category": send.category.key,
            "locale": send.template.locale,
            "template_version": send.template.revision,
            **named,
        }
        size, largest = outgoing.size, self._largest[channel]
        if size > largest:
            self._count(StatusName.FAILED, Rule.SIZE)
            trail = send.trail.and_then(Rule.SIZE, Reason.TOO_LARGE, {"bytes": size, "largest": largest})
            detail = f"The job would take {size} bytes; {largest} fit."
            return [
                writer.of_notification(
                    StatusName.FAILED, intent, key=key, rule=Rule.SIZE, reason=Reason.TOO_LARGE, detail=detail,
                    retryable=False, decision=trail.decision(), **fields,
                )
            ]  # fmt: skip
        self._count(StatusName.ROUTED, None)
        trail = send.trail.and_then(Rule.SIZE, "fits", {"bytes": size})
        routed = writer.of_notification(
            StatusName.ROUTED, intent, key=key, decision=trail.decision(), **fields
        )
        return [outgoing, routed]

    def count(self) -> None:
        """Add what was decided since the last call to the metrics: once a batch, as a labelled counter costs a microsecond."""
        for (status, rule), times in self._decided.items():
            metrics.decisions.labels(self._lane, status, rule).inc(times)
        self._decided.clear()

    def _count(self, status: StatusName, rule: Rule | None) -> None:
        self._decided[status, rule or ""] += 1


class _Rendering:
    """What `Case.render` is: decodes the data at its first use, and once; its channels share one bound of CPU time."""

    __slots__ = ("_breath", "_data", "_decider", "_facts", "_left", "_renderer", "_undecided")

    def __init__(
        self,
        decider: Decider,
        renderer: Renderer,
        undecided: Undecided,
        facts: Mapping[Who, Facts],
        breath: Breath,
    ) -> None:
        self._decider = decider
        self._renderer = renderer
        self._undecided = undecided
        self._facts = facts
        self._breath = breath
        self._data = undecided.data
        self._left = CPU_SECONDS

    async def __call__(self, template: Template, category: Category, person: Person) -> Content | RenderFault:
        if self._breath.due:
            await self._breath.take()
        if not self._renderer.ready(template):
            await self._renderer.prepare(template)
        if self._data is msgspec.UNSET:
            self._data = _decode(self._undecided.intent.data)
        began = thread_time()
        content = self._decider.render(
            self._undecided.intent,
            self._data,
            self._facts,
            template=template,
            category=category,
            person=person,
            seconds=self._left,
        )
        self._left -= thread_time() - began
        return content


def people_of(intent: Intent) -> list[Who]:
    """Whom the decision needs facts of."""
    people = [(intent.tenant, intent.recipient)]
    if intent.actor is not None:
        people.append((intent.tenant, intent.actor if isinstance(intent.actor, str) else intent.actor.id))
    return people


def _for_one(intent: Intent, ref: DeliveryRef) -> Intent:
    """The intent as the delivery's job carries it: of the devices given inline, the one it goes to."""
    inline = intent.inline
    if ref.channel is not Channel.PUSH or inline is None or inline.devices is None:
        return intent
    one = [device for device in inline.devices if device.id == ref.address_key]
    return replace(intent, inline=replace(inline, devices=one))


def _named(intent: Intent, ref: DeliveryRef) -> dict[str, Any]:
    """The fields of a status that name one delivery."""
    return {
        "delivery_id": delivery_id(
            notification=intent.notification_id,
            channel=ref.channel,
            step=ref.step,
            address_key=ref.address_key,
        ),
        "channel": ref.channel,
        "step": ref.step,
        "address_key": ref.address_key or None,
    }
