"""How long a delivery's stages take. Those of sampled events have spans besides (`delivery_trace`), which begin here."""

from msgspec.structs import replace

from tocsin.channel.delivery import Delivery
from tocsin.channel.delivery_trace import DeliveryTrace
from tocsin.channel.lane_context import LaneContext
from tocsin.kafka import RecordMetadata
from tocsin.observability import admitted, recording


def observe_begin(context: LaneContext, delivery: Delivery) -> None:
    """The delivery begins now."""
    delivery.begun_at = context.clock.monotonic()
    waited = delivery.begun_at - delivery.taken_at
    context.stage_seconds["wait"].observe(waited)
    job = delivery.job
    if recording(job.traceparent):
        job = delivery.job = replace(job, traceparent=admitted(job.traceparent))
        delivery.trace = DeliveryTrace.begun(job, delivery.record, group=context.group, ago=waited)


def observe_end(context: LaneContext, delivery: Delivery) -> float:
    """The delivery ends now; returns when that is."""
    now = context.clock.monotonic()
    context.stage_seconds["send"].observe(now - delivery.begun_at)
    return now


def observe_record(
    context: LaneContext, delivery: Delivery, ended_at: float, stored: RecordMetadata | None = None
) -> None:
    """What came of the delivery is stored now, at the place that is known for an outcome."""
    context.stage_seconds["record"].observe(context.clock.monotonic() - ended_at)
    if delivery.trace is not None:
        delivery.trace.stored(stored)
