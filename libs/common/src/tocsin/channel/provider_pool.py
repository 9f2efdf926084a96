"""The provider instances of one dispatcher: which of them a job goes to, and how they change while the process runs.

A change of the providers file, or of a secret's file that it names, takes effect within `poll_seconds`: what waits goes to
the new instances, calls under way end with what they began with. A file that has become invalid is reported, and the former
configuration stays. Other files that it names, such as certificates, are read when an instance is made.
"""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from tocsin.channel.answers import ANSWER_NAMES, Accepted, Answer
from tocsin.channel.breaker import POLICY, BreakerPolicy
from tocsin.channel.breakers import SENTENCES
from tocsin.channel.choice import next_candidate
from tocsin.channel.delivery import Carrier, Delivery
from tocsin.channel.file_changes import read_again
from tocsin.channel.hand_off_metrics import begin_ends_at_zero
from tocsin.channel.lane_limit import LaneLimit
from tocsin.channel.preparation import CarriesFiles, FilesOf, no_files
from tocsin.channel.provider_config import (
    FileStates,
    InstanceConfig,
    ProviderKind,
    ProvidersFile,
    read_providers,
)
from tocsin.channel.provider_instance import ProviderInstance
from tocsin.channel.ref import CarriesRef, RefKey, Refs
from tocsin.channel.retry_policy import Finish, Try
from tocsin.channel.sandbox import Sandbox
from tocsin.channel.trouble_lines import TroubleLines
from tocsin.contracts.jobs import Job
from tocsin.contracts.provider_order import weighted_order
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.observability import get_logger, metrics
from tocsin.observability.unlocked_metrics import Counter, Histogram
from tocsin.runtime import Clock, Health, SystemClock, every
from tocsin.runtime.certificates import hide_certificate, show_certificate

log = get_logger(__name__)

SANDBOX_PLACES = 1_000
PAUSED: Final = "paused: no provider works, so nothing more is read; the oldest messages are the probes"
NONE_WORKS: Final = "no provider works: nothing more is read but probes"
ONE_WORKS: Final = "a provider works again: messages are read again"
AT_ONCE = 200
"""Deliveries: few enough that choosing for them holds the event loop for under 5 ms."""
_NEVER_OPENS = BreakerPolicy(share=2.0, in_a_row=2**62)
"""Some addresses of the sandbox fail on purpose."""


class ProviderPool:
    """A `tocsin.runtime.Component`. Reads the file when it is made: raises ProvidersInvalid.

    `max_unrecorded` is the limit of each of `lanes` (see LaneLimit); so many `processes` share each provider's rates. Without `ref_keys`
    messages carry no refs.
    """

    name = "providers"

    def __init__(
        self,
        *,
        channel: Channel,
        path: Path,
        kinds: Mapping[str, ProviderKind[Any]],
        lanes: Sequence[Lane],
        max_unrecorded: int,
        health: Health,
        ref_keys: Sequence[RefKey] = (),
        files_of: FilesOf = no_files,
        processes: int = 1,
        clock: Clock | None = None,
        poll_seconds: float = 5.0,
    ) -> None:
        self._channel = channel
        self._path = path
        self._kinds = kinds
        self._ref_keys = ref_keys
        self._files_of = files_of
        self._processes = processes
        self._clock = clock or SystemClock()
        self._poll_seconds = poll_seconds
        self.lane_limits = {lane: LaneLimit(max_unrecorded, on_room=self._wake) for lane in lanes}
        self._file_states: FileStates = {}
        self._file = read_providers(path, kinds, self._file_states)
        self._instances: dict[str, ProviderInstance] = {}
        self._ordered: list[ProviderInstance] = []
        self._sandbox = ProviderInstance(
            Sandbox(channel=channel),
            places=SANDBOX_PLACES,
            lanes=self.lane_limits,
            channel=channel,
            clock=self._clock,
            policy=_NEVER_OPENS,
        )
        self._check = health.check("providers")
        self._shown_paused = metrics.paused.labels(channel.dispatcher)
        self._shown_none_works = metrics.no_provider_works.labels(channel.dispatcher)
        self.lines = TroubleLines()
        self._said_out_of_order = False
        self._look_again = asyncio.Event()
        self._choosing_again: asyncio.Task[None] | None = None
        self._turned = False
        self._retired: dict[ProviderInstance, asyncio.Task[None]] = {}
        """Those replaced, each with the task that closes it once its calls have ended."""
        self._sends: dict[tuple[Lane, str, type[Answer]], Counter] = {}
        self._seconds: dict[tuple[Lane, str], Histogram] = {}

    # Choosing

    def choose(self, job: Job, tries: Sequence[Try] = (), *, attempt: int = 1) -> ProviderInstance | None:
        """Where the job goes: test jobs to the sandbox, others to the first provider that serves their target and was not tried in
        this attempt. It is one of those they name and that exist here, or without names one of the file's `order` or `weights`.
        Once an answer was ambiguous, only the same provider may be asked again, unless the job allows more. None: to nobody."""
        if job.test:
            candidates = [self._sandbox]
        else:
            candidates = []
            for instance in self._named(job):
                if instance.serves(job):
                    if not tries and not instance.troubled and not candidates:
                        return instance
                    candidates.append(instance)
            if not (job.providers or self._file.order or self._file.weights):
                candidates = candidates[:1]
        return next_candidate(candidates, job, tries, attempt=attempt)

    def _named(self, job: Job) -> Iterable[ProviderInstance]:
        if job.providers:
            return [self._instances[name] for name in job.providers if name in self._instances]
        if self._file.weights:
            names = weighted_order(self._file.weights, job.delivery_id)
            return [self._instances[name] for name in names]
        return self._ordered

    def why_nobody(self, job: Job) -> Finish:
        """How a job ends for which `choose` knows no provider before it was tried anywhere."""
        if any(self._named(job)):
            detail = "No provider instance of this dispatcher serves the device's kind."
            return Finish(
                status=StatusName.FAILED, reason=Reason.TARGET_UNSERVED, detail=detail, retryable=False
            )
        return Finish(status=StatusName.FAILED, reason=Reason.PROVIDER_UNKNOWN, retryable=False)

    def note_resend(self, provider: str, lane: Lane) -> None:
        """The instance of this name is asked again for a message that it may have."""
        if (instance := self._instances.get(provider)) is not None:
            metrics.resends.labels(self._channel, lane, provider, instance.idempotency).inc()

    def report(self, provider: str, lane: Lane, answer: Answer, *, seconds: float) -> None:
        """A call to the instance named `provider` took so long and was answered so: for the metrics. Its breaker hears of it from its runner."""
        kind = type(answer)
        sends, took = self._sends.get((lane, provider, kind)), self._seconds.get((lane, provider))
        if sends is None or took is None:
            sends = metrics.sends.labels(self._channel, lane, provider, ANSWER_NAMES[kind])
            took = metrics.send_seconds.labels(self._channel, lane, provider)
            self._sends[lane, provider, kind], self._seconds[lane, provider] = sends, took
        sends.inc()
        took.observe(seconds)
        if kind is not Accepted:
            self.lines.not_taken(provider, answer)

    def _choose_again(self) -> None:
        """A provider works again, or no longer, or may be probed: let what waits at those that do not work choose anew."""
        self._turned = True
        self._look_again.set()
        self._say_whether_any_works()
        self._show_pause()
        if self._choosing_again is None:
            self._choosing_again = asyncio.create_task(self._move_on(), name="choose providers again")
            self._choosing_again.add_done_callback(self._moved_on)

    def _moved_on(self, _: asyncio.Task[None]) -> None:
        self._choosing_again = None

    async def _move_on(self) -> None:
        """A portion at a time; what has no better choice comes back to the end of its queue, so that the order stays."""
        while self._turned:
            self._turned = False
            for instance in [instance for instance in self._instances.values() if instance.troubled]:
                waiting = list(instance.waiting())
                for begin in range(0, len(waiting), AT_ONCE):
                    portion = waiting[begin : begin + AT_ONCE]
                    # All of them first: the next to be the probe must not wait behind those of its portion.
                    for delivery in [delivery for delivery in portion if instance.remove(delivery)]:
                        delivery.carrier.enqueue(delivery)
                    await asyncio.sleep(0)

    # Pausing

    @property
    def paused(self) -> bool:
        """Whether nothing that could be read now can be sent: no instance works, and messages for the probes are here."""
        return self.out_of_order and any(
            True for instance in self._instances.values() for _ in instance.waiting()
        )

    @property
    def out_of_order(self) -> bool:
        """Whether no instance works."""
        return bool(self._instances) and all(instance.out_of_order for instance in self._instances.values())

    async def until_reading_helps(self) -> None:
        """Return when a provider works, or nothing waits any more and the next message read is the probe."""
        while self.paused:
            self._show_pause()
            self._look_again.clear()
            await self._look_again.wait()

    def _say_whether_any_works(self) -> None:
        self._shown_none_works.set(none_works := self.out_of_order)
        if none_works is not self._said_out_of_order:
            self._said_out_of_order = none_works
            log.warning(NONE_WORKS if none_works else ONE_WORKS, channel=self._channel.value)

    def _show_pause(self) -> None:
        paused = self.paused
        self._shown_paused.set(paused)
        self._check.set_ready(PAUSED if paused else None)

    async def _end_expired(self) -> None:
        """What waits at a provider that does not work, and may not be sent any more, ends now."""
        now = self._clock.now()
        for instance in self._all:
            if instance.troubled:
                for delivery in instance.take_out(lambda waiting: waiting.job.expires_at <= now):
                    delivery.carrier.enqueue(delivery)
        self._look_again.set()
        self._show_pause()

    async def _make_room(self) -> None:
        """What waits for a provider makes room for messages of another one that has nothing to do; what waits for a dead far end, for
        messages of the others."""
        room = any(instance.has_room for instance in self._instances.values())
        for instance in list(self._instances.values()):
            instance.set_aside(another_has_room=room)

    def views(self) -> list[dict[str, Any]]:
        """Every instance and each of its far ends that is known, as `/internal/providers` shows them."""
        return [view for instance in self._instances.values() for view in instance.views()]

    # What a carrier takes back

    def remove(self, delivery: Delivery) -> bool:
        """Take this one out of its queue. Whether it was in one."""
        return any(instance.remove(delivery) for instance in self._all)

    def drop(self, carrier: Carrier) -> list[Delivery]:
        """Take the carrier's deliveries out of all queues."""
        return [delivery for instance in self._all for delivery in instance.drop(carrier)]

    def cancel(self, carrier: Carrier) -> list[asyncio.Task[None]]:
        """Cancel the carrier's calls under way; the tasks returned end soon."""
        return [call for instance in [*self._all, *self._retired] for call in instance.cancel(carrier)]

    # The component

    async def open(self) -> None:
        """Open every instance."""
        await self._sandbox.open()
        await self._use(self._file)

    async def run(self, stop: asyncio.Event) -> None:
        """Look at the files every `poll_seconds`, and for what has expired every second, until stopped."""
        await asyncio.gather(
            every(self._poll_seconds, self.reload, stop=stop),
            every(1.0, self._end_expired, stop=stop),
            every(1.0, self._make_room, stop=stop),
        )

    async def close(self) -> None:
        """Close every instance once its calls have ended."""
        instances, self._instances = self._all, {}
        if self._choosing_again is not None:
            self._choosing_again.cancel()
        await asyncio.gather(*(instance.close() for instance in instances), *self._retired.values())
        self.lines.close()

    async def reload(self) -> None:
        """Read the files again if one has changed. Faults are logged, once a change; what was in use stays."""
        file, self._file_states = await read_again(
            partial(read_providers, self._path, self._kinds), self._file_states
        )
        if file is None:
            return
        await self._use(file)
        log.info("providers reloaded", providers=list(self._instances))

    @property
    def _all(self) -> list[ProviderInstance]:
        return [*self._instances.values(), self._sandbox]

    def _wake(self) -> None:
        for instance in self._all:
            instance.wake()

    async def _use(self, file: ProvidersFile) -> None:
        """Instances whose configuration is the same, secrets included, keep their connections."""
        former, instances = self._instances, await self._opened(file.configs)
        self._begin_counts_at_zero(instances)
        for name, instance in instances.items():
            metrics.begin_at_zero(
                metrics.resends, [self._channel], self.lane_limits, [name], [instance.idempotency]
            )
        self._instances, self._file = instances, file
        self._show_limits(former.keys() - instances.keys())
        self._ordered = [instances[name] for name in file.order or instances]
        self._look_again.set()
        self._say_whether_any_works()
        self._show_pause()
        for name, instance in former.items():
            if instances.get(name) is not instance:
                self._replace(instance, instances.get(name))

    def _show_limits(self, gone: Iterable[str]) -> None:
        for name, instance in self._instances.items():
            metrics.provider_places.labels(self._channel, name).set(instance.places)
            metrics.provider_calls.labels(self._channel, name).set_function(
                partial(getattr, instance, "calls")
            )
        for name, config in self._file.configs.items():
            if config.certificate is not None:
                show_certificate(f"provider_{name}", config.certificate)
            else:
                hide_certificate(f"provider_{name}")
        for name in gone:
            hide_certificate(f"provider_{name}")
            metrics.provider_places.remove(self._channel, name)
            metrics.provider_calls.remove(self._channel, name)

    def _begin_counts_at_zero(self, providers: Collection[str]) -> None:
        channel, lanes = [self._channel], list(self.lane_limits)
        metrics.begin_at_zero(metrics.sends, channel, lanes, providers, ANSWER_NAMES.values())
        metrics.begin_at_zero(metrics.send_retries, channel, lanes, providers)
        metrics.begin_at_zero(metrics.failovers, channel, lanes, providers, ("yes", "no"))
        metrics.begin_at_zero(metrics.breaker_openings, channel, providers, SENTENCES)
        begin_ends_at_zero(self._channel, lanes, providers)

    async def _opened(self, configs: Mapping[str, InstanceConfig]) -> dict[str, ProviderInstance]:
        """All of them; when one fails to open, those opened before it are closed and the former ones stay."""
        instances: dict[str, ProviderInstance] = {}
        async with contextlib.AsyncExitStack() as opened:
            for name, config in configs.items():
                predecessor = self._instances.get(name)
                if predecessor is not None and self._file.configs[name] == config:
                    instances[name] = predecessor
                    continue
                kind = self._kinds[config.kind]
                provider = kind.create(config, self._clock)
                if self._ref_keys and isinstance(provider, CarriesRef):
                    provider.seal_ref = Refs(self._ref_keys, channel=self._channel, instance=name).seal
                if isinstance(provider, CarriesFiles):
                    provider.files_of = self._files_of
                instances[name] = ProviderInstance(
                    provider,
                    places=config.max_in_flight,
                    lanes=self.lane_limits,
                    channel=self._channel,
                    clock=self._clock,
                    targets=kind.served_by(config),
                    on_turn=self._choose_again,
                    policy=POLICY,
                    rates=config.rates(self._processes),
                    idempotency=kind.idempotency,
                    predecessor=predecessor,
                )
                opened.push_async_callback(instances[name].close)
                await instances[name].open()
            opened.pop_all()
        return instances

    def _replace(self, instance: ProviderInstance, successor: ProviderInstance | None) -> None:
        waiting = instance.retire(successor)
        self._retired[instance] = asyncio.create_task(instance.close())
        self._retired[instance].add_done_callback(lambda _: self._retired.pop(instance, None))
        for delivery in waiting:
            delivery.carrier.enqueue(delivery)
