"""create_connection() with several addresses: order, delays, errors."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from tests.support.loops import run
from tests.support.protocols import Recorder

Loop = asyncio.AbstractEventLoop
Address = tuple[Any, ...]


def unused_port(host: str = "127.0.0.1") -> int:
    with socket.create_server((host, 0), family=family_of(host)) as sock:
        port: int = sock.getsockname()[1]
        return port


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def resolve_to(loop: Any, addresses: Sequence[Address]) -> None:
    """Makes the loop find these addresses for every name."""

    async def getaddrinfo(*args: Any, **options: Any) -> Any:
        return [(family_of(a[0]), socket.SOCK_STREAM, 6, "", a) for a in addresses]

    loop.getaddrinfo = getaddrinfo


class Attempts:
    """Stands in for sock_connect(): notes the addresses, and lets black holes wait."""

    def __init__(self, loop: Any, black_holes: Sequence[Address] = ()) -> None:
        self.order: list[Address] = []
        self.times: list[float] = []
        self.socks: list[socket.socket] = []
        self._real = loop.sock_connect
        self._black_holes = set(black_holes)
        loop.sock_connect = self._connect

    async def _connect(self, sock: socket.socket, address: Address) -> None:
        self.order.append(address)
        self.times.append(time.monotonic())
        self.socks.append(sock)
        if address in self._black_holes:
            await asyncio.get_running_loop().create_future()
        await self._real(sock, address)


@contextlib.asynccontextmanager
async def listeners(loop: Loop, *hosts: str) -> AsyncIterator[list[Address]]:
    socks = [socket.create_server((host, 0), family=family_of(host)) for host in hosts]
    try:
        yield [sock.getsockname() for sock in socks]
    finally:
        for sock in socks:
            sock.close()


async def connect(loop: Loop, **options: Any) -> Address:
    """Connects to the name, closes; the address that answered."""
    transport, client = await loop.create_connection(lambda: Recorder(loop), "name", 1, **options)
    address: Address = transport.get_extra_info("peername")
    transport.abort()
    await client.lost
    return address


delays = pytest.mark.parametrize("delay", [None, 0, 0.01, 10])


@delays
@pytest.mark.parametrize("second", ["127.0.0.2", "::1"])
def test_second_address_is_taken_when_the_first_refuses(
    any_loop: Loop, delay: float | None, second: str
) -> None:
    async def main() -> None:
        async with listeners(any_loop, second) as [good]:
            bad = ("127.0.0.1", unused_port())
            resolve_to(any_loop, [bad, good])
            attempts = Attempts(any_loop)
            started = time.monotonic()
            assert await connect(any_loop, happy_eyeballs_delay=delay) == good
            assert attempts.order == [bad, good]
            assert time.monotonic() - started < 5  # A failure does not wait for the delay.
            assert attempts.socks[0].fileno() == -1

    run(any_loop, main())


@delays
def test_first_address_is_taken_when_it_answers(any_loop: Loop, delay: float | None) -> None:
    async def main() -> None:
        async with listeners(any_loop, "127.0.0.1", "127.0.0.2") as addresses:
            resolve_to(any_loop, addresses)
            assert await connect(any_loop, happy_eyeballs_delay=delay) in addresses
            if delay != 0:
                attempts = Attempts(any_loop)
                assert await connect(any_loop, happy_eyeballs_delay=delay) == addresses[0]
                assert attempts.order[0] == addresses[0]
            if delay in (None, 10):
                assert attempts.order == addresses[:1]

    run(any_loop, main())


def test_second_address_starts_after_the_delay_beside_a_black_hole(any_loop: Loop) -> None:
    """uvloop#406"""

    async def main() -> None:
        async with listeners(any_loop, "127.0.0.1", "127.0.0.2") as [hole, good]:
            resolve_to(any_loop, [hole, good])
            attempts = Attempts(any_loop, [hole])
            assert await connect(any_loop, happy_eyeballs_delay=0.05) == good
            assert attempts.order == [hole, good]
            assert 0.045 < attempts.times[1] - attempts.times[0] < 5
            assert attempts.socks[0].fileno() == -1

    run(any_loop, main())


def test_several_black_holes_are_passed(any_loop: Loop) -> None:
    async def main() -> None:
        hosts = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1")
        async with listeners(any_loop, *hosts) as [*holes, good]:
            resolve_to(any_loop, [*holes, good])
            attempts = Attempts(any_loop, holes)
            assert await connect(any_loop, happy_eyeballs_delay=0.01, interleave=0) == good
            assert attempts.order == [*holes, good]
            assert all(sock.fileno() == -1 for sock in attempts.socks[:-1])

    run(any_loop, main())


def test_listener_whose_backlog_is_full_is_passed(any_loop: Loop) -> None:
    async def main() -> None:
        with contextlib.ExitStack() as stack:
            full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(8):
                sock = stack.enter_context(socket.socket())
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sock.connect(full.getsockname())
            async with listeners(any_loop, "127.0.0.2") as [good]:
                resolve_to(any_loop, [full.getsockname(), good])
                assert await connect(any_loop, happy_eyeballs_delay=0.05) == good

    run(any_loop, main())


def test_without_a_delay_the_first_address_is_waited_for(any_loop: Loop) -> None:
    async def main() -> None:
        async with listeners(any_loop, "127.0.0.1", "127.0.0.2") as addresses:
            resolve_to(any_loop, addresses)
            attempts = Attempts(any_loop, addresses[:1])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await connect(any_loop)
            assert attempts.order == addresses[:1]
            assert attempts.socks[0].fileno() == -1

    run(any_loop, main())


FOUR = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"]
SIX = ["::1", "::2", "::3"]


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({}, [*FOUR, *SIX]),
        ({"interleave": 0}, [*FOUR, *SIX]),
        ({"interleave": 1}, [FOUR[0], SIX[0], FOUR[1], SIX[1], FOUR[2], SIX[2], FOUR[3]]),
        ({"interleave": 2}, [*FOUR[:2], SIX[0], FOUR[2], SIX[1], FOUR[3], SIX[2]]),
        ({"interleave": 9}, [*FOUR, *SIX]),
        ({"happy_eyeballs_delay": 5}, [FOUR[0], SIX[0], FOUR[1], SIX[1], FOUR[2], SIX[2], FOUR[3]]),
        ({"happy_eyeballs_delay": 5, "interleave": 0}, [*FOUR, *SIX]),
    ],
)
def test_families_are_interleaved(
    any_loop: Loop, options: dict[str, Any], order: list[str]
) -> None:
    tried: list[str] = []

    async def fail(sock: socket.socket, address: Address) -> None:
        tried.append(address[0])
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address}")

    async def main() -> None:
        resolve_to(any_loop, [(host, 1) for host in (*FOUR, *SIX)])
        any_loop.sock_connect = fail  # type: ignore[method-assign]
        with pytest.raises(OSError):
            await connect(any_loop, **options)
        assert tried == order

    run(any_loop, main())


@delays
def test_single_failure_is_raised_as_it_is(any_loop: Loop, delay: float | None) -> None:
    async def main() -> None:
        bad = ("127.0.0.1", unused_port())
        resolve_to(any_loop, [bad])
        with pytest.raises(ConnectionRefusedError) as info:
            await connect(any_loop, happy_eyeballs_delay=delay)
        assert str(info.value) == f"[Errno {info.value.errno}] Connect call failed {bad}"

    run(any_loop, main())


async def refused(loop: Loop, count: int, **options: Any) -> tuple[BaseException, list[str]]:
    """The exception of a connection to `count` addresses that refuse, and their own texts."""
    addresses = [(f"127.0.0.{number + 1}", unused_port()) for number in range(count)]
    resolve_to(loop, addresses)
    with pytest.raises((OSError, ExceptionGroup)) as info:
        await connect(loop, **options)
    return info.value, [
        f"[Errno {errno.ECONNREFUSED}] Connect call failed {address}" for address in addresses
    ]


@delays
def test_different_failures_are_listed(any_loop: Loop, delay: float | None) -> None:
    async def main() -> None:
        error, texts = await refused(any_loop, 3, happy_eyeballs_delay=delay)
        assert type(error) is OSError
        assert str(error) == "Multiple exceptions: " + ", ".join(texts)

    run(any_loop, main())


def test_equal_failures_are_raised_once(any_loop: Loop) -> None:
    async def main() -> None:
        bad = ("127.0.0.1", unused_port())
        resolve_to(any_loop, [bad, bad, bad])
        with pytest.raises(ConnectionRefusedError) as info:
            await connect(any_loop)
        assert str(info.value) == f"[Errno {errno.ECONNREFUSED}] Connect call failed {bad}"

    run(any_loop, main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="all_errors is of 3.12")
@delays
@pytest.mark.parametrize("count", [1, 3])
def test_all_errors_come_in_a_group(any_loop: Loop, delay: float | None, count: int) -> None:
    async def main() -> None:
        error, texts = await refused(any_loop, count, all_errors=True, happy_eyeballs_delay=delay)
        assert type(error) is ExceptionGroup
        assert error.message == "create_connection failed"
        assert [str(one) for one in error.exceptions] == texts
        assert {type(one) for one in error.exceptions} == {ConnectionRefusedError}

    run(any_loop, main())


@delays
def test_name_without_addresses_is_an_error(any_loop: Loop, delay: float | None) -> None:
    async def main() -> None:
        resolve_to(any_loop, [])
        with pytest.raises(OSError, match="^getaddrinfo\\(\\) returned empty list$"):
            await connect(any_loop, happy_eyeballs_delay=delay)

    run(any_loop, main())


@pytest.mark.parametrize("delay", [None, 0, 0.001])
def test_cancelling_closes_every_socket(any_loop: Loop, delay: float | None) -> None:
    async def main() -> None:
        async with listeners(any_loop, "127.0.0.1", "127.0.0.2", "127.0.0.3") as holes:
            resolve_to(any_loop, holes)
            attempts = Attempts(any_loop, holes)
            before = len(os.listdir("/proc/self/fd"))
            task = asyncio.ensure_future(connect(any_loop, happy_eyeballs_delay=delay))
            while len(attempts.order) < (1 if delay is None else 3):
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert all(sock.fileno() == -1 for sock in attempts.socks)
            assert len(os.listdir("/proc/self/fd")) == before
            while asyncio.all_tasks() - {asyncio.current_task()}:  # They end in turns of their own.
                await asyncio.sleep(0)

    run(any_loop, main())


def test_exception_that_is_no_oserror_closes_the_socket_and_comes_through(any_loop: Loop) -> None:
    socks: list[socket.socket] = []

    async def fail(sock: socket.socket, address: Address) -> None:
        socks.append(sock)
        raise ZeroDivisionError

    async def main() -> None:
        resolve_to(any_loop, [("127.0.0.1", 1), ("127.0.0.2", 1)])
        any_loop.sock_connect = fail  # type: ignore[method-assign]
        with pytest.raises(ZeroDivisionError):
            await connect(any_loop)
        assert [sock.fileno() for sock in socks] == [-1]

    run(any_loop, main())


def test_local_address_of_one_family_is_used_for_it_alone(any_loop: Loop) -> None:
    async def main() -> None:
        async with listeners(any_loop, "::1", "127.0.0.1") as [six, four]:

            async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
                addresses = [("127.0.0.5", 0)] if host == "local" else [six, four]
                return [(family_of(a[0]), socket.SOCK_STREAM, 6, "", a) for a in addresses]

            any_loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign]
            transport, client = await any_loop.create_connection(
                lambda: Recorder(any_loop), "name", 1, local_addr=("local", 0)
            )
            assert transport.get_extra_info("peername") == four
            assert transport.get_extra_info("sockname")[0] == "127.0.0.5"
            transport.abort()
            await client.lost

    run(any_loop, main())


@pytest.mark.skipif(sys.version_info < (3, 14), reason="staggered_race() holds what it raises")
@pytest.mark.parametrize("count", [1, 3])
def test_nothing_but_its_catcher_holds_a_failure_of_a_race(any_loop: Loop, count: int) -> None:
    async def main() -> None:
        resolve_to(any_loop, [(f"127.0.0.{n + 1}", unused_port()) for n in range(count)])
        caught = None
        try:
            await connect(any_loop, happy_eyeballs_delay=0.1)
        except OSError as exc:
            caught = exc
        assert gc.get_referrers(caught) == [task.get_coro()]

    task = any_loop.create_task(main())
    any_loop.run_until_complete(task)
