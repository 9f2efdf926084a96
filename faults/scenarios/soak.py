"""Half an hour at half load, with deaths."""

import asyncio
import os
import random
import time

import psutil

from reached import SERVICES
from scenario import Run, scenario
from scenarios.deaths import RATE, kill

_SECONDS = float(os.environ.get("SOAK_SECONDS", "1800"))
_KILL_EVERY = 45.0
_SETTLED = 60.0
"""Seconds of a process's life before its memory is looked at."""
_SLOPE = 20.0  # MB an hour


@scenario(two=SERVICES, nightly=True, patience=300)
async def soak(run: Run) -> None:
    """Half an hour at half load, somebody killed every 45 s: memory stays flat, nothing is lost."""
    chance = random.Random(30)
    seen: dict[int, list[tuple[float, float]]] = {}
    names: dict[int, str] = {}
    spared = {instance.name for instance in run.ground.instances.values() if instance.number == 1}
    async with run.load.flowing(RATE / 2):
        ends, next_kill = time.monotonic() + _SECONDS, time.monotonic() + _KILL_EVERY
        while time.monotonic() < ends:
            await asyncio.sleep(5)
            for instance in run.ground.instances.values():
                if (
                    instance.process is not None
                    and instance.name in spared
                    and time.time() - instance.launched > _SETTLED
                ):
                    pid = instance.process.pid
                    names[pid] = instance.name
                    seen.setdefault(pid, []).append(
                        (time.time(), psutil.Process(pid).memory_info().rss / 1e6)
                    )
            if time.monotonic() > next_kill:
                next_kill += _KILL_EVERY
                victims = [
                    instance
                    for instance in run.ground.instances.values()
                    if instance.name not in spared and instance.alive
                ]
                await kill(run, chance.choice(victims))
    for pid, points in seen.items():
        if points[-1][0] - points[0][0] > _SECONDS / 2:
            slope = _slope(points) * 3600
            run.notes.append(f"{names[pid]}: {points[-1][1]:.0f} MB, {slope:+.1f} MB an hour")
            run.expect(slope < _SLOPE, f"{names[pid]} grows by {slope:.1f} MB an hour.")


def _slope(points: list[tuple[float, float]]) -> float:
    """Of the line through the points that fits best (least squares), a second."""
    times, values = zip(*points, strict=True)
    middle, level = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in times)
    return sum((at - middle) * (value - level) for at, value in points) / spread if spread else 0.0
