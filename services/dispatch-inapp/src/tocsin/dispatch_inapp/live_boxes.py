"""Who shows a box now, and is told when it moves, over topic `inbox`, by this process or any other."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_box_moved
from tocsin.contracts.inbox import MOST_CHANGED, BoxMoved
from tocsin.kafka import ConsumerRecord, KafkaFault, KafkaSettings, LogReader
from tocsin.observability import get_logger, metrics
from tocsin.runtime import Check, retry_until_available

log = get_logger(__name__)

POLL_SECONDS: Final = 0.2
MOST_STREAMS: Final = 20
"""Of one recipient in one process: whoever has a token cannot take the connections of all."""
Box = tuple[str, str]
"""Tenant and recipient."""


class Watcher:
    """One stream of one box. What happens while it is busy is kept for its next look: that something did, and the last items changed."""

    def __init__(self) -> None:
        self._moved = asyncio.Event()
        self._changed: deque[str] = deque(maxlen=MOST_CHANGED)
        self.ended = False

    def move(self, changed: Iterable[str]) -> None:
        """The box has moved."""
        self._changed.extend(changed)
        self._moved.set()

    def end(self) -> None:
        """The process stops: the stream is to end."""
        self.ended = True
        self._moved.set()

    async def until_moved(self, *, seconds: float) -> bool:
        """Whether the box has moved, or the stream is to end, within so many seconds."""
        try:
            await asyncio.wait_for(self._moved.wait(), seconds)
        except TimeoutError:
            return False
        self._moved.clear()
        return True

    def changed(self) -> list[str]:
        """The ids of items changed since it was asked last, each once."""
        ids = list(dict.fromkeys(self._changed))
        self._changed.clear()
        return ids


class Watchers:
    """All streams of this process, by their boxes."""

    def __init__(self) -> None:
        self._of_box: dict[Box, dict[Watcher, None]] = {}
        self._count = 0
        self._ended = False
        metrics.inbox_streams.set_function(lambda: self._count)

    @property
    def count(self) -> int:
        """Streams that are open now."""
        return self._count

    def watch(self, tenant: str, recipient: str) -> Watcher:
        """A stream begins; the oldest of the box ends where it has `MOST_STREAMS` already. Call `leave` when it ends."""
        watcher = Watcher()
        if self._ended:
            watcher.end()
        of_box = self._of_box.setdefault((tenant, recipient), {})
        open_ones = [each for each in of_box if not each.ended]
        if len(open_ones) >= MOST_STREAMS:
            open_ones[0].end()
        of_box[watcher] = None
        self._count += 1
        return watcher

    def leave(self, tenant: str, recipient: str, watcher: Watcher) -> None:
        """The stream has ended."""
        watchers = self._of_box[tenant, recipient]
        watchers.pop(watcher, None)
        self._count -= 1
        if not watchers:
            del self._of_box[tenant, recipient]

    def tell(self, moved: BoxMoved) -> None:
        """Tell those who watch this box."""
        for watcher in self._of_box.get((moved.tenant, moved.recipient), ()):
            watcher.move(moved.changed)

    def end(self) -> None:
        """The process stops: all streams are to end, also those that begin from now on."""
        self._ended = True
        for watchers in self._of_box.values():
            for watcher in watchers:
                watcher.end()


class LiveBoxes:
    """A component. It reads `inbox` from its end: whoever watches has read the tables after that.

    A record that cannot be read is passed over: it only says where to look.
    """

    name: Final = "live boxes"

    def __init__(self, *, watchers: Watchers, settings: KafkaSettings, topic: str, check: Check) -> None:
        self._watchers = watchers
        self._settings = settings
        self._topic = topic
        self._check = check
        self._reader: LogReader | None = None

    async def open(self) -> None:
        """Wait for the brokers, and begin at the topic's end."""
        self._reader = await retry_until_available(
            "Kafka", self._at_the_end, retry_on=(KafkaFault,), check=self._check, describe=str
        )
        self._check.set_ready()

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped; then all streams end."""
        reader = self._reader
        if reader is None:
            raise RuntimeError(f"{self.name} is not open")
        try:
            while not stop.is_set():
                for records in await reader.read(seconds=POLL_SECONDS):
                    self._tell(records)
        finally:
            self._watchers.end()

    async def close(self) -> None:
        """Disconnect."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    def _tell(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            try:
                self._watchers.tell(decode_box_moved(record.value or b""))
            except UNREADABLE_ERRORS:
                log.warning("a record of inbox cannot be read", record=record.ref)

    async def _at_the_end(self) -> LogReader:
        looking = LogReader(settings=self._settings, topic=self._topic)
        await looking.open()
        try:
            ends = await looking.ends()
        finally:
            await looking.close()
        start = {place.partition: offset for place, offset in ends.items()}
        reader = LogReader(settings=self._settings, topic=self._topic, start=start)
        await reader.open()
        return reader
