"""Cancelling who waits for threads, servers and children, at every turn."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

import cxxloop
from tests.support.cancelling import WAYS, cancel_everywhere
from tests.support.children import PIPE
from tests.support.loops import run

Loop = asyncio.AbstractEventLoop
pytestmark = pytest.mark.parametrize("way", WAYS)


def test_run_in_executor(any_loop: Loop, way: str) -> None:
    async def job() -> Any:
        release = threading.Event()
        any_loop.call_later(0.001, release.set)
        try:
            return await any_loop.run_in_executor(None, release.wait, 10)
        finally:
            release.set()

    cancel_everywhere(any_loop, job, way)


def test_to_thread_that_fails(any_loop: Loop, way: str) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async def job() -> Any:
        await asyncio.to_thread(fail)

    cancel_everywhere(any_loop, job, way, expected=(ZeroDivisionError,))


def test_shutdown_default_executor(way: str, any_loop: Loop) -> None:
    """The thread that waits for the others ends, and so do they."""
    for turns in range(6):
        loop = type(any_loop)()
        release = threading.Event()

        async def main(release: threading.Event = release, turns: int = turns) -> None:
            loop = asyncio.get_running_loop()
            working = loop.run_in_executor(None, release.wait, 10)
            task = asyncio.ensure_future(loop.shutdown_default_executor())
            for _ in range(turns):
                await asyncio.sleep(0)
            release.set()  # Before 3.12 asyncio waits for the thread in the middle of the turn.
            task.cancel()
            if way == "twice":
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await working

        run(loop, main())
        loop.close()


@pytest.mark.parametrize("method", ["serve_forever", "wait_closed", "start_serving"])
def test_servers(any_loop: Loop, way: str, method: str) -> None:
    async def job() -> None:
        server = await any_loop.create_server(asyncio.Protocol, "127.0.0.1", 0, start_serving=False)
        try:
            async with asyncio.timeout(0.001):
                await getattr(server, method)()
        finally:
            server.close()

    outcomes = cancel_everywhere(any_loop, job, way, expected=(TimeoutError,))
    assert "CancelledError" in outcomes


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(100):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()


async def serve() -> asyncio.Server:
    return await asyncio.start_server(echo, "127.0.0.1", 0, start_serving=False)


async def converse(address: Any) -> None:
    """A whole conversation; who is cancelled in it closes what it has."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        for _ in range(3):
            writer.write(b"line\n")
            assert await reader.readline() == b"line\n"
        writer.write_eof()
        assert await reader.read() == b""
    finally:
        writer.transport.abort()


def test_client_of_a_stream_server(any_loop: Loop, way: str) -> None:
    server = any_loop.run_until_complete(serve())
    any_loop.run_until_complete(server.start_serving())
    address = server.sockets[0].getsockname()
    cancel_everywhere(any_loop, lambda: converse(address), way)
    server.close()
    any_loop.run_until_complete(server.wait_closed())


def test_stream_server_with_its_client(loop: cxxloop.Loop, way: str) -> None:
    """asyncio loses a connection that it has accepted when its server is closed."""

    async def job() -> None:
        server = await serve()
        try:
            await server.start_serving()
            await converse(server.sockets[0].getsockname())
        finally:
            server.close()

    cancel_everywhere(loop, job, way)


@pytest.mark.skipif(sys.version_info < (3, 11, 7), reason="Process reports what nobody awaits")
def test_subprocesses(any_loop: Loop, way: str) -> None:
    async def job() -> None:
        child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        try:
            await child.communicate(bytes(1 << 17))
        finally:
            child._transport.close()  # type: ignore[attr-defined]
            await child.wait()

    cancel_everywhere(any_loop, job, way)
