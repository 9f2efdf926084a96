"""A connection of aiokafka that counts: connects and failures, connections lost by cause, and the seconds of each request.

aiokafka shows none of this. It makes its connections by a global name of its module, which `aiokafka_internals` sets to the class here.
What is added takes 0.3 µs a request and two calls of methods.
"""

from time import monotonic
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, CloseReason

from tocsin.observability import metrics
from tocsin.observability.unlocked_metrics import Histogram

_REQUESTS: Final = {
    0: "produce",
    1: "fetch",
    2: "list_offsets",
    3: "metadata",
    8: "offset_commit",
    9: "offset_fetch",
    10: "find_coordinator",
    11: "join_group",
    12: "heartbeat",
    13: "leave_group",
    14: "sync_group",
    18: "api_versions",
    22: "init_producer_id",
    24: "add_partitions_to_txn",
    25: "add_offsets_to_txn",
    26: "end_txn",
    28: "txn_offset_commit",
}
"""By Kafka's number. Those of administration, and of a login, are `other`."""
_LOST: Final = {
    CloseReason.CONNECTION_BROKEN: "broken",
    CloseReason.CONNECTION_TIMEOUT: "no_answer",
    CloseReason.OUT_OF_SYNC: "out_of_sync",
    CloseReason.AUTH_FAILURE: "login_refused",
}
"""What is closed for another reason is closed by us."""
_seconds: Final[dict[int, Histogram]] = {}


def begin_at_zero() -> None:
    """Show what can be counted."""
    metrics.begin_at_zero(metrics.kafka_connects, ["connected", "failed"])
    metrics.begin_at_zero(metrics.kafka_connections_lost, _LOST.values())


class CountedConnection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka has no types there
    """One connection to one broker."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sent: dict[int, float] = {}
        """When each request was sent that has no answer yet, by its number on this connection."""

    async def connect(self) -> Any:
        """As aiokafka's."""
        try:
            made = await super().connect()
        except Exception:
            metrics.kafka_connects.labels("failed").inc()
            raise
        metrics.kafka_connects.labels("connected").inc()
        return made

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """As aiokafka's."""
        answer = super().send(request, expect_response)
        if expect_response:
            self._sent[self._correlation_id] = monotonic()
        return answer

    def _handle_frame(self, resp: bytes) -> None:
        if self._requests:
            number, request, _ = self._requests[0]
            if (sent := self._sent.pop(number, None)) is not None:
                _of(request.API_KEY).observe(monotonic() - sent)
        super()._handle_frame(resp)

    def close(self, reason: CloseReason | None = None, exc: BaseException | None = None) -> Any:
        """As aiokafka's."""
        if self._reader is not None and reason in _LOST:
            metrics.kafka_connections_lost.labels(_LOST[reason]).inc()
        return super().close(reason, exc)


def _of(api_key: int) -> Histogram:
    seconds = _seconds.get(api_key)
    if seconds is None:
        seconds = metrics.kafka_request_seconds.labels(_REQUESTS.get(api_key, "other"))
        _seconds[api_key] = seconds
    return seconds
