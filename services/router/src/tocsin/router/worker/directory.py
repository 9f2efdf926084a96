"""What the worker holds of the directory: everything published, read from the topic, compiled once per revision."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, Final

from tocsin.contracts.address_kinds import Destination
from tocsin.contracts.codec import decode_directory
from tocsin.contracts.directory import (
    ApiKeyRecord,
    CategoryRecord,
    DirectoryRecord,
    InboxKeysRecord,
    TemplateRecord,
    TenantRecord,
    WebhookEndpointRecord,
    WorkflowRecord,
)
from tocsin.contracts.vocabulary import Reason
from tocsin.kafka import ConsumerRecord
from tocsin.observability import get_logger, metrics
from tocsin.programs import ENDED_A_PROCESS, TOO_COMPLEX, CrashNote, DataSchema, SchemaRefused
from tocsin.router.expressions import Expression, ExpressionRefused, compile_expression
from tocsin.router.templates import Renderer
from tocsin.router.worker.workflow_rates import WorkflowRates

log = get_logger(__name__)

_TELLS_NAMES: Final = frozenset({"additionalProperties", "unevaluatedProperties", "propertyNames"})
"""Faults whose text repeats the names of properties, which are the producer's words."""
_UNSOUND: Final = "The workflow cannot be used. Publish it again."
NamedTemplates = Mapping[tuple[str, str], Mapping[str, TemplateRecord]]
"""By channel and the template's name, then by locale."""
_NO_TEMPLATES: Final[NamedTemplates] = MappingProxyType({})


class PublishedWorkflow:
    """One revision of a workflow: its schema and its recipients expression are compiled here, once, and run under the crash note."""

    def __init__(self, workflow: WorkflowRecord, note: CrashNote) -> None:
        self.workflow: Final = workflow
        self._noted = note.noted(workflow.tenant, workflow.key, workflow.revision)
        self._schema: DataSchema | None = None
        self._expression: Expression | None = None
        self._names = frozenset(_names(workflow.data_schema))
        self._compiled = False
        self._sound = True
        # What is refused is known before the first workflow is: nothing is added to it while the process lives.
        self._usable = False
        self._usable = self.unusable is None

    @property
    def unusable(self) -> str | None:
        """Why the workflow cannot be used now; None where it can."""
        if self._usable:
            return None
        if self._noted.refused:
            return ENDED_A_PROCESS
        if not self._compiled:  # the first time, or once the hour is over
            self._compile()
        return None if self._sound else _UNSOUND

    def search(self, view: dict[str, Any]) -> Any:
        """What the recipients expression finds in the event. Raises what `Expression.search` raises."""
        assert self._expression is not None  # noqa: S101 - the caller asks `workflow.recipients` first
        with self._noted:
            return self._expression.search(view)

    def _compile(self) -> None:
        self._compiled = True
        workflow = self.workflow
        try:
            with self._noted:
                self._schema, self._expression = _compiled(workflow)
        except (SchemaRefused, ExpressionRefused):  # the API refuses both; the text repeats the tenant's own
            self._sound = False
            log.error(  # noqa: TRY400 - see above
                "workflow cannot be used",
                tenant=workflow.tenant,
                workflow=workflow.key,
                revision=workflow.revision,
            )

    def fault(self, decoded_data: Any, size: int) -> tuple[Reason, str] | None:
        """Why the data, of `size` bytes, cannot be taken: where, as far as the schema has names for it, and no value. None when
        it can."""
        if self._schema is None:
            return None
        with self._noted:
            accepted = self._schema.accepts(decoded_data, size)
        return None if accepted else self._refusal(self._schema, decoded_data, size)

    def _refusal(self, schema: DataSchema, decoded_data: Any, size: int) -> tuple[Reason, str]:
        if schema.too_complex(decoded_data, size):
            return Reason.DATA_TOO_COMPLEX, f"/data: {TOO_COMPLEX}."
        with self._noted:
            error = schema.errors(decoded_data, size)[0]
        path = (str(step) if type(step) is int or step in self._names else "*" for step in error.path)
        told = error.keyword in _TELLS_NAMES
        message = "The name of a property is not allowed" if told else error.message
        return Reason.DATA_INVALID, f"{'/'.join(('/data', *path))}: {message}."


def _compiled(workflow: WorkflowRecord) -> tuple[DataSchema | None, Expression | None]:
    schema = None if workflow.data_schema is None else DataSchema(workflow.data_schema)
    return schema, None if workflow.recipients is None else compile_expression(workflow.recipients)


def _names(schema: Any) -> Iterator[str]:
    """Every name that stands in the schema."""
    if isinstance(schema, dict):
        yield from schema
    if isinstance(schema, dict | list):
        for inner in schema.values() if isinstance(schema, dict) else schema:
            yield from _names(inner)


class PublishedDirectory:
    """Fed by `apply` with every record of `directory`, oldest first; answers from memory."""

    def __init__(self, *, renderer: Renderer, note: CrashNote | None = None) -> None:
        self.changes = 0
        """Counts what was applied: what was looked up under another count may have changed since."""
        self._renderer = renderer
        self._note = note or CrashNote()
        self._entities: dict[bytes, DirectoryRecord] = {}
        self._counts: Counter[str] = Counter()
        self.rates: Final = WorkflowRates()
        self._tenants: dict[str, TenantRecord] = {}
        self._categories: dict[tuple[str, str], CategoryRecord] = {}
        self._workflows: dict[tuple[str, str], PublishedWorkflow] = {}
        self._subscribers: dict[tuple[str, str], list[PublishedWorkflow]] = {}
        self._templates: dict[tuple[str, str], dict[tuple[str, str], dict[str, TemplateRecord]]] = {}
        self._endpoints: dict[str, dict[str, WebhookEndpointRecord]] = {}
        self._told: dict[str, dict[str, WebhookEndpointRecord]] = {}

    def tenant(self, tenant: str) -> TenantRecord | None:
        """The tenant; None when there is none."""
        return self._tenants.get(tenant)

    def quota_reached_on(self, tenant: str) -> date | None:
        """The last day on which the tenant's quota was reached, as the directory has it."""
        known = self._tenants.get(tenant)
        return known.quota_reached_on if known else None

    def address_like_ids(self, tenant: str) -> bool:
        """Whether the tenant's ids of recipients may look like addresses."""
        known = self._tenants.get(tenant)
        return known is not None and known.address_like_ids

    def category(self, tenant: str, key: str) -> CategoryRecord | None:
        """The tenant's category of this key."""
        return self._categories.get((tenant, key))

    def workflow(self, tenant: str, key: str) -> PublishedWorkflow | None:
        """The tenant's published workflow of this key."""
        return self._workflows.get((tenant, key))

    def subscribers(self, tenant: str, event_type: str) -> list[PublishedWorkflow]:
        """The published workflows that this type of event triggers, by key."""
        return self._subscribers.get((tenant, event_type), [])

    def templates(self, tenant: str, workflow: str) -> NamedTemplates:
        """The workflow's published templates."""
        return self._templates.get((tenant, workflow), _NO_TEMPLATES)

    def endpoints(self, tenant: str, event_type: str) -> list[Destination]:
        """The tenant's endpoints that take messages about this type of event, by key. One that is disabled is among them: what it misses is
        recorded at its dispatcher, and can be sent again."""
        endpoints = self._endpoints.get(tenant)
        if not endpoints:
            return []
        wanting = sorted(key for key, endpoint in endpoints.items() if endpoint.wants(event_type))
        return [Destination(key, key, None) for key in wanting]

    @property
    def told(self) -> Mapping[str, Mapping[str, WebhookEndpointRecord]]:
        """By tenant and key: the endpoints that any status is told to. Tenants without one are left out."""
        return self._told

    def apply(self, record: ConsumerRecord) -> None:
        """Take one record: an entity as it now stands, or its end. Raises what the codec raises (`UNREADABLE_ERRORS`)."""
        self.changes += 1
        key = record.key or b""
        before = self._entities.pop(key, None)
        if before is not None:
            self._forget(before)
        if record.value is None:
            return
        entity: DirectoryRecord = decode_directory(record.value)
        if isinstance(entity, ApiKeyRecord | InboxKeysRecord):
            return
        self._entities[key] = entity
        self._remember(entity)

    def _remember(self, entity: DirectoryRecord) -> None:
        self._count(entity, 1)
        match entity:
            case TenantRecord():
                self._tenants[entity.tenant] = entity
            case CategoryRecord():
                self._categories[entity.tenant, entity.key] = entity
            case WorkflowRecord():
                self._publish(PublishedWorkflow(entity, self._note))
            case TemplateRecord():
                named = self._templates.setdefault((entity.tenant, entity.workflow), {})
                named.setdefault((entity.channel, entity.name), {})[entity.locale] = entity
            case WebhookEndpointRecord():
                self._endpoints.setdefault(entity.tenant, {})[entity.key] = entity
                if entity.statuses:
                    self._told.setdefault(entity.tenant, {})[entity.key] = entity

    def _publish(self, published: PublishedWorkflow) -> None:
        workflow = published.workflow
        self._workflows[workflow.tenant, workflow.key] = published
        self.rates.published(workflow.key)
        for event_type in set(workflow.event_types):
            subscribers = self._subscribers.setdefault((workflow.tenant, event_type), [])
            subscribers.append(published)
            subscribers.sort(key=lambda subscriber: subscriber.workflow.key)

    def _forget(self, entity: DirectoryRecord) -> None:
        self._count(entity, -1)
        match entity:
            case TenantRecord():
                self._tenants.pop(entity.tenant, None)
            case CategoryRecord():
                self._categories.pop((entity.tenant, entity.key), None)
            case WorkflowRecord():
                self._unpublish(entity)
            case TemplateRecord():
                self._renderer.forget(entity)
                named = self._templates[entity.tenant, entity.workflow]
                named[entity.channel, entity.name].pop(entity.locale, None)
            case WebhookEndpointRecord():
                del self._endpoints[entity.tenant][entity.key]
                if entity.statuses:
                    del self._told[entity.tenant][entity.key]
                    if not self._told[entity.tenant]:
                        del self._told[entity.tenant]

    def _unpublish(self, workflow: WorkflowRecord) -> None:
        former = self._workflows.pop((workflow.tenant, workflow.key))
        self.rates.unpublished(workflow.key)
        for event_type in set(workflow.event_types):
            self._subscribers[workflow.tenant, event_type].remove(former)

    def _count(self, entity: DirectoryRecord, change: int) -> None:
        kind = type(entity).__name__.lower()
        self._counts[kind] += change
        metrics.directory_entities.labels("router", kind).set(self._counts[kind])
