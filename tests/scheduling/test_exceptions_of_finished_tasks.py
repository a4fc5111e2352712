"""What a task leaves when nobody looks at its end reaches the exception handler."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys

import pytest

from tests.support.loops import run

Loop = asyncio.AbstractEventLoop

VARIABLE: contextvars.ContextVar[int] = contextvars.ContextVar("VARIABLE")


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_exception_that_nobody_retrieves_reaches_a_custom_handler(
    any_loop: Loop, turns: int
) -> None:
    """It runs in the context of the task, since Python 3.12."""
    reported: list[tuple[str, int]] = []
    any_loop.set_exception_handler(
        lambda _, context: reported.append((context["message"], VARIABLE.get(-1)))
    )

    async def fail(number: int) -> None:
        VARIABLE.set(number)
        for _ in range(turns):
            await asyncio.sleep(0)
        raise ZeroDivisionError

    async def main() -> None:
        tasks = [asyncio.create_task(fail(number)) for number in range(3)]
        tasks.clear()
        for _ in range(turns + 2):
            await asyncio.sleep(0)

    run(any_loop, main())
    assert [message for message, _ in reported] == ["Task exception was never retrieved"] * 3
    if sys.version_info >= (3, 12):
        assert [number for _, number in reported] == [0, 1, 2]


def test_handler_that_raises_runtime_error_is_called_once(any_loop: Loop) -> None:
    calls: list[str] = []

    def handler(_: Loop, context: dict[str, object]) -> None:
        calls.append(str(context["message"]))
        raise RuntimeError("of the handler")

    async def fail() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        any_loop.set_exception_handler(handler)
        asyncio.create_task(fail())  # noqa: RUF006
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    logging.disable()
    try:
        run(any_loop, main())
    finally:
        logging.disable(logging.NOTSET)
    assert calls == ["Task exception was never retrieved"]
