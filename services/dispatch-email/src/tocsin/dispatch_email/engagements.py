"""What people and machines do with tracked mails, until it is told on `status` or counted.

A click is held for a second. Another link of the same mail that is followed within this second says that a machine follows all of them.
What comes again is told once, for as long as the process remembers it; after that its status has the same id. A process that is killed
loses what it holds; whoever clicked has got their page long before.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final, Protocol

import msgspec

from tocsin.channel.receipt_records import receipt_record
from tocsin.channel.receipts import ProviderEvent, hashed
from tocsin.channel.ref import Ref
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, StatusName
from tocsin.dispatch_email.link_tokens import AnyMail, LinkKind, OpenedLink
from tocsin.kafka import KafkaFault, ProducerRecord, RecordMetadata
from tocsin.observability import OftenSeen, get_logger, metrics
from tocsin.observability.tally import Tally
from tocsin.runtime import Clock, every

log = get_logger(__name__)

HELD_SECONDS: Final = 1.0
FROM_SENT_SECONDS: Final = 2.0
"""A click so soon after the mail was sent is a scanner's."""
MOST_HELD: Final = 20_000
"""What is told of while Kafka is away; more is lost, and counted."""
REMEMBERED: Final = 50_000
AT_ONCE: Final = 500
LOOK_SECONDS: Final = 0.25
PUBLISH_SECONDS: Final = 5.0
STATUSES: Final = {
    LinkKind.OPENED: StatusName.OPENED,
    LinkKind.CLICKED: StatusName.CLICKED,
    LinkKind.PRESSED: StatusName.CLICKED,
}
_ENGAGED: Final = sorted(set(STATUSES.values()))
_WHO: Final = ("yes", "no")
_Key = tuple[str, str, bool]
"""What falls together: the mail, the link, and whether a machine followed it."""


class StatusPublisher(Protocol):
    """What of `tocsin.kafka.Publisher` is used here."""

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109 - as Publisher has it
        """Return once all are acknowledged; raises NotStored or Overloaded."""
        ...


class _Held(msgspec.Struct):
    link: OpenedLink
    mail: str
    at: datetime
    until: float
    automated: bool


class Engagements:
    """A component. `note` never waits and never fails: what it takes is written behind the answer."""

    name: Final = "engagements"

    def __init__(self, *, channel: Channel, publisher: StatusPublisher, topics: Topics, clock: Clock) -> None:
        self._channel = channel
        self._publisher = publisher
        self._topics = topics
        self._clock = clock
        self._held: deque[_Held] = deque()
        self._of_mail: dict[str, dict[_Key, _Held]] = {}
        """The same by their mails, under the keys that they had when they came."""
        self._told: OrderedDict[bytes, None] = OrderedDict()
        self._messages = OftenSeen(after=1, forget=self._forget)
        self._lines: Tally[str] = Tally(_say_waiting)
        metrics.engagements_waiting.labels(channel).set_function(lambda: len(self._held))
        metrics.begin_at_zero(metrics.engagements, [channel], _ENGAGED, _WHO)
        metrics.begin_at_zero(metrics.engagements_lost, [channel])

    def note(self, link: OpenedLink, *, automated: bool) -> None:
        """It was opened or followed."""
        follows = link.kind is not LinkKind.OPENED
        if follows and self._clock.time_ms() / 1000 < link.sent + FROM_SENT_SECONDS:
            automated = True
        until = self._clock.monotonic() + HELD_SECONDS
        held = _Held(link, _mail(link.about), self._clock.now(), until, automated)
        key, beside = _key(held), self._of_mail.get(held.mail, {})
        if _digest(key) in self._told or key in beside:
            return
        if len(self._held) >= MOST_HELD:
            metrics.engagements_lost.labels(self._channel).inc()
            return
        if follows:
            _judge(held, beside.values())
        self._held.append(held)
        self._of_mail.setdefault(held.mail, beside)[key] = held

    async def open(self) -> None:
        """Nothing to do."""

    async def run(self, stop: asyncio.Event) -> None:
        """Tell what is due until `stop`."""
        await every(LOOK_SECONDS, self.tell, stop=stop)

    async def close(self) -> None:
        """Tell the rest, as far as Kafka takes it."""
        await self.tell(all_of_it=True)
        self._lines.close()

    async def tell(self, *, all_of_it: bool = False) -> None:
        """Tell what has been held long enough. While Kafka is away it waits."""
        now = self._clock.monotonic()
        while self._held and (all_of_it or self._held[0].until <= now):
            due = [held for held in list(self._held)[:AT_ONCE] if all_of_it or held.until <= now]
            try:
                await self._tell(due)
            except KafkaFault as error:
                self._lines.note(type(error).__name__, len(self._held))
                return

    async def _tell(self, due: list[_Held]) -> None:
        """Write these, the first of those held, and forget them."""
        new = {key: held for held in due if _digest(key := _key(held)) not in self._told}
        records = [
            self._record(held, about) for held in new.values() if isinstance(about := held.link.about, Ref)
        ]
        if records:
            await self._publisher.publish(records, timeout=PUBLISH_SECONDS)
        for held in due:
            self._held.popleft()
            self._let_go(held)
        for key, held in new.items():
            self._remember(key)
            self._count(held)

    def _let_go(self, held: _Held) -> None:
        of_mail = self._of_mail[held.mail]
        for key in [key for key, other in of_mail.items() if other is held]:
            del of_mail[key]
        if not of_mail:
            del self._of_mail[held.mail]

    def _remember(self, key: _Key) -> None:
        self._told[_digest(key)] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    def _count(self, held: _Held) -> None:
        about = held.link.about
        status, who = STATUSES[held.link.kind], "yes" if held.automated else "no"
        if isinstance(about, Ref):
            metrics.engagements.labels(self._channel, status, who).inc()
        elif not about.test:
            message = f"{about.workflow} {about.category} {about.template}"
            shown = self._messages.label_of(message)
            workflow, category, template = shown.split(" ") if shown == message else (shown,) * 3
            metrics.engagements_of_messages.labels(
                self._channel, workflow, category, template, status, who
            ).inc()

    def _forget(self, message: str) -> None:
        for status in _ENGAGED:
            for who in _WHO:
                metrics.engagements_of_messages.remove(self._channel, *message.split(" "), status, who)

    def _record(self, held: _Held, ref: Ref) -> ProducerRecord:
        status = STATUSES[held.link.kind]
        event = ProviderEvent(
            ref=None,
            status=status,
            id=hashed(*map(str, _key(held))),
            at=held.at,
            automated=held.automated,
            action=held.link.action,
        )
        now = self._clock.now()
        return receipt_record(
            status, event, ref, channel=self._channel, provider=None, topics=self._topics, now=now
        )


def _judge(held: _Held, beside: Iterable[_Held]) -> None:
    """Nobody follows two links of a mail within a second: then a machine has followed both."""
    for other in beside:
        if (
            other.link.kind is LinkKind.OPENED
            or _key(other)[1] == _key(held)[1]
            or other.until < held.until - HELD_SECONDS
        ):
            continue
        other.automated = held.automated = True


def _mail(about: Ref | AnyMail) -> str:
    return about.mail.hex() if isinstance(about, AnyMail) else about.delivery_id


def _digest(key: _Key) -> bytes:
    """What is remembered of it: a URL may have 2,000 characters."""
    return blake2b("\0".join(map(str, key)).encode(), digest_size=16).digest()


def _key(held: _Held) -> _Key:
    return held.mail, f"{held.link.kind} {held.link.action or held.link.url or ''}", held.automated


def _say_waiting(reason: str | None, waiting: object, times: int, seconds: float) -> None:
    log.warning(
        "what was opened and clicked is told later",
        reason=reason,
        waiting=waiting,
        times=times,
        seconds=seconds,
    )
