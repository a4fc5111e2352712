"""create_connection(): arguments, failures, cancellation."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
from typing import Any

import pytest

from tests.support.loops import run
from tests.support.protocols import Echo, Recorder, serving

Loop = asyncio.AbstractEventLoop


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "host and port was not specified and no sock specified"),
        ({"host": "h", "sock": socket.SOCK_STREAM}, "host/port and sock can not be specified"),
        ({"sock": socket.SOCK_DGRAM}, "A Stream Socket was expected"),
        ({"host": "h", "server_hostname": "h"}, "server_hostname is only meaningful with ssl"),
        ({"host": "h", "ssl_handshake_timeout": 1}, "ssl_handshake_timeout is only meaningful"),
        ({"host": "h", "ssl_shutdown_timeout": 1}, "ssl_shutdown_timeout is only meaningful"),
        ({"ssl": True, "sock": socket.SOCK_STREAM}, "You must set server_hostname when using ssl"),
    ],
)
def test_wrong_arguments_are_refused(any_loop: Loop, options: dict[str, Any], message: str) -> None:
    with socket.socket(type=options.get("sock", socket.SOCK_STREAM)) as sock:
        if "sock" in options:
            options = {**options, "sock": sock}
        with pytest.raises(ValueError, match=message):
            run(any_loop, any_loop.create_connection(asyncio.Protocol, **options))


def test_refused_connection_says_to_which_address(any_loop: Loop) -> None:
    port = unused_port()
    with pytest.raises(ConnectionRefusedError) as info:
        run(any_loop, any_loop.create_connection(asyncio.Protocol, "127.0.0.1", port))
    assert str(info.value) == (
        f"[Errno {info.value.errno}] Connect call failed ('127.0.0.1', {port})"
    )


def test_failures_of_several_addresses_are_told_together(any_loop: Loop) -> None:
    port = unused_port()

    async def main() -> None:
        async def getaddrinfo(*args: Any, **options: Any) -> Any:
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port)),
            ]

        any_loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign]
        with pytest.raises(OSError, match="^Multiple exceptions: "):
            await any_loop.create_connection(asyncio.Protocol, "name", port)
        if sys.version_info >= (3, 12):
            with pytest.raises(ExceptionGroup, match="create_connection failed") as info:
                await any_loop.create_connection(asyncio.Protocol, "name", port, all_errors=True)
            assert len(info.value.exceptions) == 2

    run(any_loop, main())


def test_local_address_is_bound(any_loop: Loop) -> None:
    async def main() -> None:
        async with serving(lambda: Echo(any_loop)) as (_, address):
            transport, client = await any_loop.create_connection(
                lambda: Recorder(any_loop), *address, local_addr=("127.0.0.9", 0)
            )
            assert transport.get_extra_info("sockname")[0] == "127.0.0.9"
            transport.close()
            await client.lost
            with pytest.raises(OSError):
                await any_loop.create_connection(
                    asyncio.Protocol, *address, local_addr=("1.2.3.4", 0)
                )

    run(any_loop, main())


def test_connected_socket_is_taken_over(any_loop: Loop) -> None:
    async def main() -> None:
        async with serving(lambda: Echo(any_loop)) as (_, address):
            sock = socket.create_connection(address)
            transport, client = await any_loop.create_connection(
                lambda: Recorder(any_loop), sock=sock
            )
            transport.write(b"x")
            await client.until(lambda c: c.received)
            transport.close()
            await client.lost
            assert sock.fileno() == -1

    run(any_loop, main())


def test_descriptor_of_a_transport_is_refused_to_others(any_loop: Loop) -> None:
    """asyncio#372, nats-io/nats.py#150"""

    async def main() -> None:
        async with serving(lambda: Echo(any_loop)) as (_, address):
            transport, client = await any_loop.create_connection(
                lambda: Recorder(any_loop), *address
            )
            fd = transport.get_extra_info("socket").fileno()
            for method in (any_loop.add_reader, any_loop.add_writer):
                with pytest.raises(
                    RuntimeError, match=f"File descriptor {fd} is used by transport"
                ):
                    method(fd, print)
            for remove in (any_loop.remove_reader, any_loop.remove_writer):
                with pytest.raises(RuntimeError, match="is used by transport"):
                    remove(fd)
            transport.write(b"works")
            await client.until(lambda c: c.received == b"works")
            transport.close()
            await client.lost

    run(any_loop, main())


def test_cancelled_connection_closes_its_socket_once(any_loop: Loop) -> None:
    """uvloop#738, aio-libs/aiohttp#10362"""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        before = set(os.listdir("/proc/self/fd"))
        task = asyncio.ensure_future(any_loop.create_connection(asyncio.Protocol, sock=ours))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        first, second = socket.socketpair()  # May get the number that was just freed.
        for _ in range(3):
            await asyncio.sleep(0)
        assert ours.fileno() == -1
        del ours
        gc.collect()
        first.send(b"x")
        assert second.recv(1) == b"x"
        for sock in (theirs, first, second):
            sock.close()
        assert len(set(os.listdir("/proc/self/fd"))) <= len(before)

    run(any_loop, main())


def test_failing_factory_closes_the_socket(any_loop: Loop) -> None:
    """zuvloop#80"""
    if sys.version_info < (3, 14):
        pytest.skip("before 3.14 it stays its owner's: hostile/test_wrong_protocols.py")

    def factory() -> asyncio.Protocol:
        raise ZeroDivisionError

    async def main() -> None:
        ours, theirs = socket.socketpair()
        with pytest.raises(ZeroDivisionError):
            await any_loop.create_connection(factory, sock=ours)
        assert ours.fileno() == -1
        assert theirs.recv(1) == b""
        theirs.close()

    run(any_loop, main())


def test_thousands_of_connects_with_tiny_timeouts_only_time_out(any_loop: Loop) -> None:
    """uvloop#653"""

    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        address = listener.getsockname()
        outcomes: set[type] = set()

        async def one(number: int) -> None:
            with socket.socket() as sock:
                sock.setblocking(False)
                try:
                    async with asyncio.timeout(number % 7 * 0.0005):
                        await any_loop.sock_connect(sock, address)
                except TimeoutError:
                    outcomes.add(TimeoutError)

        for start in range(0, 1000, 50):
            await asyncio.gather(*[one(start + number) for number in range(50)])
        listener.close()
        assert outcomes <= {TimeoutError}

    run(any_loop, main())


def test_happy_eyeballs_takes_the_address_that_answers(any_loop: Loop) -> None:
    """uvloop#406"""

    async def main() -> None:
        async with serving(lambda: Echo(any_loop)) as (_, address):

            async def getaddrinfo(*args: Any, **options: Any) -> Any:
                return [
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", unused_port())),
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", address),
                ]

            any_loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign]
            transport, client = await any_loop.create_connection(
                lambda: Recorder(any_loop), "name", 1, happy_eyeballs_delay=0.05
            )
            assert transport.get_extra_info("peername") == address
            transport.close()
            await client.lost

    run(any_loop, main())
