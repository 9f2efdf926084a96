"""A batch is decided by a directory that holds what was in force when it had been fetched."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tocsin.contracts.directory import WorkflowRecord
from tocsin.contracts.vocabulary import Channel
from tocsin.testing.late_copy import LateCopy


@pytest.fixture
def copy() -> LateCopy:
    return LateCopy()


@pytest.fixture
def behind(make_worker: Callable[..., Any], copy: LateCopy) -> Any:
    """A worker over that copy."""
    return make_worker(catch_up=copy.catch_up)


def late() -> float:
    return REGISTRY.get_sample_value("tocsin_directory_late_total", {"component": "router"}) or 0.0


async def test_a_workflow_that_arrives_meanwhile_is_known(
    behind: Any, copy: LateCopy, workflow: Callable[..., WorkflowRecord], templates: Callable[..., Any]
) -> None:
    copy.arrive = lambda: behind.publish(workflow(key="new", event_types=["com.shop.new"]), *templates("new"))
    written = await behind.route(behind.event(type="com.shop.new"))
    for channel in (Channel.EMAIL, Channel.SMS, Channel.PUSH):
        assert [job.workflow for job in written.jobs(channel)] == ["new"]


async def test_an_event_that_is_parsed_again_is_no_duplicate_of_itself(
    behind: Any, copy: LateCopy, workflow: Callable[..., WorkflowRecord]
) -> None:
    copy.arrive = lambda: behind.publish(workflow(revision=2))
    written = await behind.route(behind.event(), behind.event(id="e2"))
    assert len(written.jobs(Channel.EMAIL)) == 2
    assert (await behind.route(behind.event(id="e2"))).jobs(Channel.EMAIL) == []


async def test_one_look_serves_a_batch(behind: Any, copy: LateCopy) -> None:
    await behind.route(*(behind.event(id=f"e{number}") for number in range(50)))
    assert copy.waits == 1


async def test_a_copy_that_is_late_is_counted_and_used(behind: Any, copy: LateCopy) -> None:
    copy.in_time = False
    before = late()
    assert len((await behind.route(behind.event())).jobs(Channel.EMAIL)) == 1
    assert late() == before + 1
