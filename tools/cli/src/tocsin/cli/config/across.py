"""What is wrong between settings and the manifests around them, and between the settings of several workloads."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from tocsin.cli.config.environment import ConfigFinding
from tocsin.cli.config.manifests import Manifests
from tocsin.cli.config.processes import TOPICS
from tocsin.cli.config.workloads import CheckedWorkload
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.runtime.bounds import CLOSING

_MEMORY: Final = ("window_bytes", "buffer_bytes")
"""Settings that are memory, besides the bodies of requests."""
_LOOPBACK: Final = ("127.", "localhost", "::1")
Level = Literal["error", "warning"]


def across(manifests: Manifests, workloads: Sequence[CheckedWorkload]) -> Iterator[ConfigFinding]:
    """What no process can see by itself. Workloads whose settings are not valid are passed over."""
    valid = [workload for workload in workloads if workload.settings is not None]
    for workload in valid:
        fewest, most = _replicas(manifests, workload)
        yield from _grace(workload)
        yield from _listening(workload)
        yield from _memory(workload)
        yield from _shards_and_pods(workload, most)
        yield from _instances(workload, fewest, most)
        yield from _scaled_groups(manifests, workload)
    yield from _prefixes(valid)
    yield from _partitions(valid)
    yield from _lanes(valid)


def _grace(workload: CheckedWorkload) -> Iterator[ConfigFinding]:
    shutdown = getattr(workload.settings, "shutdown_timeout", None)
    if shutdown is None:
        return
    before_stop = workload.workload.before_stop
    if before_stop is None:
        yield _finding(
            workload,
            "How long its preStop takes is not known here, so its grace period cannot be checked.",
            f"let it sleep, or keep terminationGracePeriodSeconds above preStop and {workload.settings.wave + shutdown + CLOSING:g} s",
        )
        return
    needed = before_stop + workload.settings.wave + shutdown + CLOSING
    if workload.workload.grace <= needed:
        yield _finding(
            workload,
            f"The grace period of {workload.workload.grace:g} s is no longer than preStop, WAVE_SECONDS, SHUTDOWN_TIMEOUT and {CLOSING:g} s for closing, "
            f"{needed:g} s together: Kubernetes kills the process while it finishes.",
            f"set terminationGracePeriodSeconds to more than {needed:g}",
        )


def _listening(workload: CheckedWorkload) -> Iterator[ConfigFinding]:
    ports = {port.get("name"): port["containerPort"] for port in workload.workload.container.get("ports", ())}
    for group in ("operations", "http"):
        listens = getattr(workload.settings, group, None)
        if listens is None:
            continue
        if listens.host.startswith(_LOOPBACK):
            yield _finding(
                workload,
                f"{group.upper()}_HOST is {listens.host}: nobody outside the Pod reaches it.",
                "leave it out",
            )
        if group in ports and ports[group] != listens.port:
            yield _finding(
                workload,
                f"{group.upper()}_PORT is {listens.port}, and the container's port `{group}` is {ports[group]}.",
                "make them equal",
                level="error",
            )


def _memory(workload: CheckedWorkload) -> Iterator[ConfigFinding]:
    settings = workload.settings
    try:
        limit = workload.workload.memory_limit
    except ValueError as unreadable:
        yield _finding(workload, str(unreadable), "write it as 512Mi or 2Gi", level="error")
        return
    bodies = getattr(getattr(settings, "http", None), "bodies_bytes", 0)
    held = bodies + sum(getattr(settings, name, 0) for name in _MEMORY)
    if limit is not None and held > limit / 2:
        yield _finding(
            workload,
            f"Settings let it hold {held >> 20} MiB of messages and bodies, and its memory limit is {limit >> 20} MiB: under load it is killed.",
            "raise the limit, or lower the settings that end with _BYTES",
        )


def _shards_and_pods(workload: CheckedWorkload, most: int) -> Iterator[ConfigFinding]:
    shards = _shards(workload)
    if shards is not None and most > shards:
        yield _finding(
            workload,
            f"Up to {most} Pods share {shards} shards: {most - shards} of them hold nothing.",
            "bound the scaler, or the replicas, by the shards",
        )


def _instances(workload: CheckedWorkload, fewest: int, most: int) -> Iterator[ConfigFinding]:
    instances = getattr(workload.settings, "instances", None)
    if instances is None:  # it shares nothing: a dispatcher's role `callbacks`, for one
        return
    if workload.process == "ingest" and instances != max(fewest, 1):
        yield _finding(
            workload,
            f"INGEST_INSTANCES is {instances}, and at least {fewest} Pods run: tenants may send {'less' if instances > fewest else 'more'} than their limit.",
            f"set it to {max(fewest, 1)}",
        )
    if workload.process.startswith("dispatch-") and instances < most and workload.has_rates:
        yield _finding(
            workload,
            f"{workload.process.upper().replace('-', '_')}_INSTANCES is {instances}, and up to {most} Pods run: together they send faster than the providers' `rate`.",
            f"set it to {most}",
        )


def _scaled_groups(manifests: Manifests, workload: CheckedWorkload) -> Iterator[ConfigFinding]:
    kafka = getattr(workload.settings, "kafka", None)
    scaler = manifests.scaler_of(workload.workload)
    if kafka is None or scaler is None:
        return
    topics = Topics(kafka.topic_prefix)
    lanes = getattr(workload.settings, "lanes", ())
    served = {topics.group(workload.process, lane) for lane in lanes}
    looked_at = {
        trigger["metadata"]["consumerGroup"]
        for trigger in scaler.get("triggers", ())
        if "consumerGroup" in trigger.get("metadata", {})
    }
    if looked_at and looked_at != served:
        yield _finding(
            workload,
            f"Its scaler looks at {_some(looked_at)}, and it is a member of {_some(served)}: the lag that counts scales nothing.",
            "give the scaler one trigger for each group that the workload is a member of; they begin with KAFKA_TOPIC_PREFIX",
            level="error",
        )


def _prefixes(workloads: Sequence[CheckedWorkload]) -> Iterator[ConfigFinding]:
    by_prefix: dict[str, list[CheckedWorkload]] = defaultdict(list)
    for workload in workloads:
        if (kafka := getattr(workload.settings, "kafka", None)) is not None:
            by_prefix[kafka.topic_prefix].append(workload)
    if len(by_prefix) > 1:
        named = "; ".join(
            f"{prefix!r} in {_some([one.title for one in of])}" for prefix, of in by_prefix.items()
        )
        yield ConfigFinding(
            level="error",
            where=("all",),
            what=f"KAFKA_TOPIC_PREFIX differs: {named}. They do not hear of each other.",
            remedy="give all the same",
        )


def _partitions(workloads: Sequence[CheckedWorkload]) -> Iterator[ConfigFinding]:
    partitions = [one.settings.topics.partitions for one in workloads if one.process == TOPICS]
    for workload in workloads:
        shards = _shards(workload)
        if shards is not None and partitions and shards > partitions[0]:
            yield _finding(
                workload,
                f"It has {shards} shards, and topics have {partitions[0]} partitions (TOPIC_PARTITIONS): some shards hold none.",
                "give it no more shards than partitions",
                level="error",
            )


def _lanes(workloads: Sequence[CheckedWorkload]) -> Iterator[ConfigFinding]:
    """Each lane of each service is served, and by processes that count the same shards."""
    shards: dict[tuple[str, Lane], set[int]] = defaultdict(set)
    served: dict[str, set[Lane]] = defaultdict(set)
    for workload in workloads:
        if hasattr(workload.settings, "lanes") and workload.workload.words != ["api"]:
            served[workload.process] |= set(workload.settings.lanes)
            for lane in workload.settings.lanes:
                if (count := _shards(workload)) is not None:
                    shards[workload.process, lane].add(count)
    for process, lanes in served.items():
        if missing := [lane for lane in Lane if lane not in lanes]:
            yield ConfigFinding(
                level="error",
                where=(process,),
                what=f"No workload of {process} serves {_some(missing)}: those messages wait until they expire.",
                remedy="name them in LANES",
            )
    for (process, lane), counts in shards.items():
        if len(counts) > 1:
            yield ConfigFinding(
                level="error",
                where=(process,),
                what=f"Workloads of {process} count {_some(sorted(counts))} shards in lane {lane}: members refuse each other.",
                remedy="give all the same number",
            )


def _shards(workload: CheckedWorkload) -> int | None:
    """None for what has none: the role `api` of the router reads no lane."""
    shards: int | None = getattr(workload.settings, "shards", None)
    return None if workload.workload.words == ["api"] else shards


def _replicas(manifests: Manifests, workload: CheckedWorkload) -> tuple[int, int]:
    """How many Pods there are at least and at most."""
    scaler = manifests.scaler_of(workload.workload)
    if scaler is None:
        replicas = int(workload.workload.manifest["spec"].get("replicas", 1))
        return replicas, replicas
    fewest = scaler.get("minReplicaCount", scaler.get("minReplicas"))
    most = scaler.get("maxReplicaCount", scaler.get("maxReplicas"))
    return 1 if fewest is None else int(fewest), 100 if most is None else int(most)


def _some(names: Any) -> str:
    return ", ".join(sorted(map(str, names)))


def _finding(workload: CheckedWorkload, what: str, remedy: str, *, level: Level = "warning") -> ConfigFinding:
    return ConfigFinding(level=level, where=(workload.title,), what=what, remedy=remedy)
