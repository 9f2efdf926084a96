"""How long a delivery's stages take: numbers for each, spans for those of sampled events."""

from tocsin.channel.delivery import Delivery
from tocsin.channel.lane_context import LaneContext
from tocsin.observability import record_span, recording


def observe_begin(context: LaneContext, delivery: Delivery) -> None:
    """The delivery begins now."""
    delivery.begun_at = context.clock.monotonic()
    observe_stage(context, "wait", delivery, delivery.begun_at - delivery.taken_at)


def observe_end(context: LaneContext, delivery: Delivery) -> float:
    """The delivery ends now; returns when that is. Its calls have spans of their own, so the stage has none."""
    now = context.clock.monotonic()
    context.stage_seconds["send"].observe(now - delivery.begun_at)
    return now


def observe_stage(context: LaneContext, stage: str, delivery: Delivery, seconds: float) -> None:
    """A stage of the delivery took so long."""
    job = delivery.job
    context.stage_seconds[stage].observe(seconds)
    if recording(job.traceparent):
        record_span(stage, job.traceparent, seconds=seconds, delivery_id=job.delivery_id, lane=job.lane.value)
