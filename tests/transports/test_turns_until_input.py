"""How soon a loop that is busy with callbacks sees what comes in."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

import pytest

from tests.support.loops import run
from tests.support.protocols import Recorder
from tests.support.stream_pairs import pair

Loop = asyncio.AbstractEventLoop

# asyncio looks at its descriptors in every turn: it needs two or three turns for each of these.
FEW = 6


async def turns_until(condition: Callable[[], bool]) -> int:
    """Counts the turns of a loop that always has a callback to run."""
    for turns in range(1000):
        if condition():
            return turns
        await asyncio.sleep(0)
    raise AssertionError("never")


@pytest.mark.parametrize("method", ["write", "write_eof", "close", "abort"])
def test_what_one_end_of_a_stream_does_is_seen_at_the_other_within_a_few_turns(
    any_loop: Loop, method: str
) -> None:
    async def main() -> None:
        async with pair() as (client, peer):
            reading = asyncio.ensure_future(peer.reader.read(1))
            await turns_until(peer.writer.transport.is_reading)  # type: ignore[attr-defined]
            for _ in range(10):
                await asyncio.sleep(0)
            transport = client.writer.transport
            getattr(transport, method)(*([b"x"] if method == "write" else []))
            assert await turns_until(reading.done) <= FEW
            assert await reading == (b"x" if method == "write" else b"")

    run(any_loop, main())


@pytest.mark.parametrize("what", ["data", "end"])
def test_what_comes_from_outside_is_seen_within_a_few_turns(any_loop: Loop, what: str) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        transport, protocol = await any_loop.create_unix_connection(
            lambda: Recorder(any_loop), sock=ours
        )
        for _ in range(10):
            await asyncio.sleep(0)
        with contextlib.closing(theirs):
            if what == "data":
                theirs.send(b"x")
            else:
                theirs.shutdown(socket.SHUT_WR)
            seen = "data_received" if what == "data" else "eof_received"
            assert await turns_until(lambda: seen in protocol.calls) <= FEW
        transport.close()
        await protocol.lost

    run(any_loop, main())


def test_reader_is_called_within_a_few_turns(any_loop: Loop) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ready: list[None] = []
            any_loop.add_reader(ours, lambda: ready.append(None))
            for _ in range(10):
                await asyncio.sleep(0)
            theirs.send(b"x")
            assert await turns_until(lambda: bool(ready)) <= FEW
            any_loop.remove_reader(ours)

    run(any_loop, main())
