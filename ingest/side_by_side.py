"""Many questions under way at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

AT_ONCE = 16

Item = TypeVar("Item")


async def side_by_side(
    work: Callable[[Item], Awaitable[None]], items: Iterable[Item], at_once: int = AT_ONCE
) -> None:
    """work(item) of each item, so many at once; the first error ends all of it."""
    waiting = iter(items)

    async def some() -> None:
        for item in waiting:
            await work(item)

    tasks = [asyncio.create_task(some()) for _ in range(at_once)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
