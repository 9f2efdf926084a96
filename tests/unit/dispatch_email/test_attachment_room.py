"""Memory for attachments is given out in turn, and never more than there is."""

import asyncio
from collections import Counter
from random import Random

import pytest

from tocsin.dispatch_email.attachment_cache import AttachmentCache
from tocsin.dispatch_email.attachment_room import Claim, Room


async def begun(room: Room, size: int, **parts: int) -> "asyncio.Task[Claim]":
    """A claim that has been made, and has room already or waits for it."""
    task = asyncio.create_task(room.claim(size, parts))
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_who_comes_when_it_is_full_waits_until_something_is_free() -> None:
    room = Room(10)
    first, second = await begun(room, 6), await begun(room, 6)
    assert (first.done(), second.done(), room.taken) == (True, False, 6)
    first.result().release()
    first.result().release()
    await second
    assert room.taken == 6


async def test_a_large_one_is_not_passed_by_small_ones_for_ever() -> None:
    room = Room(10)
    small = await begun(room, 3)
    large, later = await begun(room, 10), await begun(room, 1, host=10)
    assert not large.done()
    assert not later.done()
    small.result().release()
    await large
    assert not later.done()


async def test_what_is_larger_than_the_room_has_it_alone() -> None:
    room = Room(10)
    huge = await begun(room, 50)
    other = await begun(room, 1)
    assert (huge.done(), other.done()) == (True, False)
    huge.result().release()
    await other


async def test_a_host_that_drips_has_its_share_and_no_more() -> None:
    room = Room(100)
    dripping = [await begun(room, 10, slow=20) for _ in range(50)]
    assert [task.done() for task in dripping] == [True] * 2 + [False] * 48
    others = [await begun(room, 10, **{f"host{number}": 20}) for number in range(8)]
    assert all(task.done() for task in others)
    dripping[0].result().leave("slow")
    assert room.taken == 100, "it is held, and its host may not have more: there is no room"
    others[0].result().release()
    await asyncio.wait([dripping[2]])


async def test_who_is_cancelled_while_waiting_takes_nothing() -> None:
    room = Room(10)
    first, second, third = [await begun(room, 10) for _ in range(3)]
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    first.result().release()
    await third
    third.result().release()
    assert room.taken == 0


async def test_who_is_cancelled_just_as_it_is_given_gives_it_back() -> None:
    room = Room(10)
    first, second = await begun(room, 10), await begun(room, 10)
    first.result().release()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert room.taken == 0


async def test_when_all_are_cancelled_at_once_nothing_stays_taken() -> None:
    room = Room(10)
    tasks = [await begun(room, 10) for _ in range(5)]

    async def hold(claim: Claim) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            claim.release()

    holder = asyncio.create_task(hold(tasks[0].result()))
    await asyncio.sleep(0)
    for task in (holder, *tasks[1:]):
        task.cancel()
    await asyncio.gather(holder, *tasks[1:], return_exceptions=True)
    assert room.taken == 0
    assert (await begun(room, 10)).done()


@pytest.mark.parametrize("seed", range(20))
async def test_it_never_gives_out_more_than_there_is_and_everybody_has_a_turn(seed: int) -> None:
    random, room, most, of_host = Random(seed), Room(100), 0, Counter[str]()

    async def message() -> None:
        nonlocal most
        size, host = random.randint(1, 60), random.choice("abc")
        claim = await room.claim(size, {host: 60})
        of_host[host] += size
        most = max(most, room.taken)
        assert of_host[host] <= 60
        await asyncio.sleep(0)
        of_host[host] -= size
        claim.release()

    await asyncio.gather(*(message() for _ in range(200)))
    assert most <= 100
    assert room.taken == 0
    assert not room._of_part
    assert not room._lines


def test_what_nobody_holds_is_bounded_and_the_last_used_stays() -> None:
    cache = AttachmentCache(idle_bytes=10)
    keys = [("acme", str(number), 4) for number in range(4)]
    for key in keys[:3]:
        cache.put(key, b"1234")
    assert [key in cache for key in keys] == [False, True, True, False]
    assert cache.hold(keys[1])
    assert cache.hold(keys[1])
    cache.put(keys[3], b"1234")
    assert cache.taken == 8
    cache.release(keys[1])
    assert cache.lines(keys[1]) == b"1234"
    cache.release(keys[1])
    assert [key in cache for key in keys] == [False, True, False, True]
    assert not cache.hold(keys[0])
