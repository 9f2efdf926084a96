"""What messages wait from accept to hand-over while something goes on elsewhere, and in control turns between."""

from collections.abc import Sequence

from checker import percentile
from load import Sent
from scenario import Run
from tocsin.testing.until import until

TURNS = 5
"""With what is looked at, and as many without, by turns."""
TURN_SECONDS = 12.0
_TIMES, _SECONDS_MORE = 1.2, 0.010
"""So much longer may the 99th percentile be, whichever is more."""
_TAKEN_WITHIN = 60.0


async def waits_of(run: Run, sent: Sequence[Sent]) -> list[float]:
    """Seconds from accept to the first hand-over of each, once all are handed over."""
    await until(lambda: _all_taken(run, sent), seconds=_TAKEN_WITHIN, every=0.2)
    at = {(taking.way, taking.sequence): taking.at for taking in reversed(run.taken)}
    return [at[message.way, message.sequence] - message.at for message in sent]


def expect_no_slower(run: Run, control: list[float], beside: list[float], *, while_: str) -> None:
    """Late unless the 99th percentile is about the same."""
    usual, then = percentile(control, 0.99), percentile(beside, 0.99)
    allowed = max(usual * _TIMES, usual + _SECONDS_MORE)
    middle = [percentile(waits, 0.5) for waits in (control, beside)]
    run.notes.append(
        f"p99 from accept to hand-over: {usual * 1000:.0f} ms, while {while_} {then * 1000:.0f} ms; {allowed * 1000:.0f} ms are allowed "
        f"(p50: {middle[0] * 1000:.0f} and {middle[1] * 1000:.0f} ms)"
    )
    run.expect_in_time(then <= allowed, f"The 99th percentile was longer while {while_}.")


async def _all_taken(run: Run, sent: Sequence[Sent]) -> bool:
    taken = {(taking.way, taking.sequence) for taking in run.taken}
    return all((message.way, message.sequence) in taken for message in sent)
