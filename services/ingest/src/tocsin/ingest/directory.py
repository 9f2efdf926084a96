"""What ingest holds of the directory: the API keys that work, the workflows that are published, and what tenants have set."""

from datetime import date
from typing import Final

from tocsin.contracts.codec import decode_directory
from tocsin.contracts.directory import (
    ApiKeyRecord,
    DirectoryRecord,
    TenantLimits,
    TenantRecord,
    WorkflowRecord,
)
from tocsin.ingest.compiled_workflow import CompiledWorkflow
from tocsin.kafka import ConsumerRecord
from tocsin.observability import metrics
from tocsin.programs import CrashNote
from tocsin.web import KeyTable

_KEY, _WORKFLOW, _TENANT = "api_key", "workflow", "tenant"


class Directory:
    """Fed by `apply` with every record of `directory`, oldest first; answers from memory."""

    def __init__(self, *, keys: KeyTable | None = None, note: CrashNote | None = None) -> None:
        self.changes = 0
        """Counts the records that were applied: what was refused under another count may be taken now."""
        self.keys: Final = KeyTable() if keys is None else keys
        self._note = note or CrashNote()
        self._workflows: dict[tuple[str, str], CompiledWorkflow] = {}
        self._subscribers: dict[tuple[str, str], tuple[CompiledWorkflow, ...]] = {}
        self._address_like_ids: set[str] = set()
        self._limits: dict[str, TenantLimits] = {}
        self._quota_reached_on: dict[str, date] = {}

    def workflow(self, tenant: str, key: str) -> CompiledWorkflow | None:
        """The tenant's published workflow of this key."""
        return self._workflows.get((tenant, key))

    def subscribers(self, tenant: str, event_type: str) -> tuple[CompiledWorkflow, ...]:
        """The tenant's published workflows that this type of event triggers."""
        return self._subscribers.get((tenant, event_type), ())

    def address_like_ids(self, tenant: str) -> bool:
        """Whether the tenant's ids of recipients may look like addresses."""
        return tenant in self._address_like_ids

    def limits(self, tenant: str) -> TenantLimits | None:
        """How much the tenant may send; None where nobody has said so."""
        return self._limits.get(tenant)

    def quota_reached_on(self, tenant: str) -> date | None:
        """The last day on which the tenant sent as many notifications as it may."""
        return self._quota_reached_on.get(tenant)

    def apply(self, record: ConsumerRecord) -> None:
        """Take one record; kinds that ingest does not need are passed over. Raises what the codec raises (`UNREADABLE_ERRORS`)."""
        kind, tenant, name = _named(record)
        if kind not in (_KEY, _WORKFLOW, _TENANT):
            return
        self.changes += 1
        if record.value is None:
            self._forget(kind, tenant, name)
        else:
            self._remember(decode_directory(record.value))
        metrics.directory_entities.labels("ingest", _KEY).set(len(self.keys))
        metrics.directory_entities.labels("ingest", _WORKFLOW).set(len(self._workflows))

    def _remember(self, entity: DirectoryRecord) -> None:
        match entity:
            case ApiKeyRecord():
                self.keys.put(entity)
            case TenantRecord():
                self._forget(_TENANT, entity.tenant, "")
                if entity.address_like_ids:
                    self._address_like_ids.add(entity.tenant)
                if entity.limits is not None:
                    self._limits[entity.tenant] = entity.limits
                if entity.quota_reached_on is not None:
                    self._quota_reached_on[entity.tenant] = entity.quota_reached_on
            case WorkflowRecord():
                self._unsubscribe(entity.tenant, entity.key)
                workflow = self._workflows[entity.tenant, entity.key] = CompiledWorkflow(entity, self._note)
                for event_type in set(workflow.event_types):
                    others = self.subscribers(entity.tenant, event_type)
                    self._subscribers[entity.tenant, event_type] = (*others, workflow)

    def _forget(self, kind: str, tenant: str, name: str) -> None:
        if kind == _KEY:
            self.keys.remove(name)
            return
        if kind == _TENANT:
            self._address_like_ids.discard(tenant)
            self._limits.pop(tenant, None)
            self._quota_reached_on.pop(tenant, None)
            return
        self._unsubscribe(tenant, name)
        self._workflows.pop((tenant, name), None)

    def _unsubscribe(self, tenant: str, key: str) -> None:
        former = self._workflows.get((tenant, key))
        if former is None:
            return
        for event_type in set(former.event_types):
            left = tuple(
                workflow for workflow in self._subscribers[tenant, event_type] if workflow is not former
            )
            if left:
                self._subscribers[tenant, event_type] = left
            else:
                del self._subscribers[tenant, event_type]


def _named(record: ConsumerRecord) -> tuple[str, str, str]:
    """Kind, tenant and name from the record's key `kind/tenant/name`; the name may hold slashes."""
    parts = (record.key or b"").decode(errors="replace").split("/", 2)
    kind, tenant, name = (*parts, "", "")[:3]
    return kind, tenant, name
