"""Components made of functions, and work that is done now and then."""

import asyncio

from tocsin.runtime import Component, FunctionComponent, every


async def test_what_is_not_given_does_nothing_until_it_is_stopped() -> None:
    done: list[str] = []

    async def connect() -> None:
        done.append("opened")

    async def disconnect() -> None:
        done.append("closed")

    client: Component = FunctionComponent(name="client", open=connect, close=disconnect)
    stop = asyncio.Event()
    await client.open()
    running = asyncio.ensure_future(client.run(stop))
    await asyncio.sleep(0)
    assert not running.done()
    stop.set()
    await running
    await client.close()
    assert done == ["opened", "closed"]
    idle: Component = FunctionComponent(name="idle")
    await idle.open()
    await idle.close()


async def test_work_is_done_now_and_then_until_stopped() -> None:
    stop = asyncio.Event()
    done = 0

    async def work() -> None:
        nonlocal done
        done += 1
        if done == 3:
            stop.set()

    await every(0.001, work, stop=stop)
    assert done == 3
    await every(0.001, work, stop=stop)
    assert done == 3
