"""sock_connect(): families, names, failures, cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from typing import Any

import pytest

from tests.support.loops import run

Loop = asyncio.AbstractEventLoop


def unused_port(host: str = "127.0.0.1") -> int:
    with socket.create_server((host, 0), family=family_of(host)) as sock:
        port: int = sock.getsockname()[1]
        return port


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def client(family: int = socket.AF_INET) -> socket.socket:
    sock = socket.socket(family)
    sock.setblocking(False)
    return sock


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", b"127.0.0.1", "127.0.0.9"])
def test_connects_to_a_host(any_loop: Loop, host: Any) -> None:
    with socket.create_server(("", 0)) as listener, client() as sock:
        port = listener.getsockname()[1]
        assert run(any_loop, any_loop.sock_connect(sock, (host, port))) is None
        connection, address = listener.accept()
        with connection:
            assert address == sock.getsockname()
        assert sock.gettimeout() == 0
        assert any_loop.remove_writer(sock) is False


@pytest.mark.parametrize("length", [2, 3, 4])
def test_connects_to_an_ipv6_address_of_any_length(any_loop: Loop, length: int) -> None:
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as listener,
        client(socket.AF_INET6) as sock,
    ):
        address = ("::1", listener.getsockname()[1], 0, 0)[:length]
        run(any_loop, any_loop.sock_connect(sock, address))
        assert sock.getpeername() == listener.getsockname()


def test_connects_to_an_ipv6_address_by_name(any_loop: Loop) -> None:
    async def getaddrinfo(*args: Any, **options: Any) -> Any:
        assert args == ("name", port)
        wanted = {"family": socket.AF_INET6, "type": socket.SOCK_STREAM, "proto": 0, "flags": 0}
        assert options == wanted
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0))]

    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as listener,
        client(socket.AF_INET6) as sock,
    ):
        port = listener.getsockname()[1]
        any_loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign]
        run(any_loop, any_loop.sock_connect(sock, ("name", port)))
        assert sock.getpeername() == listener.getsockname()


@pytest.mark.parametrize("abstract", [True, False])
def test_connects_to_a_unix_socket(any_loop: Loop, tmp_path: Any, abstract: bool) -> None:
    with socket.socket(socket.AF_UNIX) as listener, client(socket.AF_UNIX) as sock:
        listener.bind("" if abstract else str(tmp_path / "socket"))
        listener.listen()
        run(any_loop, any_loop.sock_connect(sock, listener.getsockname()))
        assert sock.getpeername() == listener.getsockname()


def test_connects_to_a_unix_socket_by_a_path_object_as_the_socket_does(
    any_loop: Loop, tmp_path: Any
) -> None:
    with socket.socket(socket.AF_UNIX) as listener, client(socket.AF_UNIX) as sock:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        try:
            with client(socket.AF_UNIX) as direct:
                direct.connect(tmp_path / "socket")  # type: ignore[arg-type]
        except TypeError:
            with pytest.raises(TypeError):
                run(any_loop, any_loop.sock_connect(sock, tmp_path / "socket"))
        else:
            run(any_loop, any_loop.sock_connect(sock, tmp_path / "socket"))


def test_connects_a_datagram_socket(any_loop: Loop) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        run(any_loop, any_loop.sock_connect(sock, ("127.0.0.1", 9)))
        assert sock.getpeername() == ("127.0.0.1", 9)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_refused_connection_is_an_error_with_the_address(any_loop: Loop, host: str) -> None:
    port = unused_port(host)
    family = family_of(host)
    with client(family) as sock:
        with pytest.raises(ConnectionRefusedError) as info:
            run(any_loop, any_loop.sock_connect(sock, (host, port)))
        address = ("::1", port) if family == socket.AF_INET6 else ("127.0.0.1", port)
        assert str(info.value) in {
            f"[Errno {info.value.errno}] Connect call failed {address}",
            f"[Errno {info.value.errno}] Connect call failed {(*address, 0, 0)}",
        }
        assert any_loop.remove_writer(sock) is False


def test_missing_unix_socket_is_not_found(any_loop: Loop, tmp_path: Any) -> None:
    with client(socket.AF_UNIX) as sock:
        with pytest.raises(FileNotFoundError):
            run(any_loop, any_loop.sock_connect(sock, str(tmp_path / "nothing")))


def test_unix_socket_whose_backlog_is_full_would_block(any_loop: Loop) -> None:
    """connect() says EAGAIN, and such a socket is writable: both loops take it for connected."""
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind("")
        listener.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                stack.enter_context(client(socket.AF_UNIX)).connect(listener.getsockname())
        with client(socket.AF_UNIX) as sock:
            run(any_loop, any_loop.sock_connect(sock, listener.getsockname()))
            with pytest.raises(OSError, match="not connected"):
                sock.getpeername()


def test_connected_socket_is_refused(any_loop: Loop) -> None:
    with client() as sock, socket.create_server(("127.0.0.1", 0)) as listener:
        run(any_loop, any_loop.sock_connect(sock, listener.getsockname()))
        sock.connect_ex(listener.getsockname())  # The first after the wait may say that it is.
        with pytest.raises(OSError, match="already connected"):
            run(any_loop, any_loop.sock_connect(sock, listener.getsockname()))


def test_address_of_the_other_family_is_refused_by_the_lookup(any_loop: Loop) -> None:
    for family, host in ((socket.AF_INET, "::1"), (socket.AF_INET6, "127.0.0.1")):
        with client(family) as sock:
            with pytest.raises(socket.gaierror):
                run(any_loop, any_loop.sock_connect(sock, (host, 9)))


@pytest.mark.parametrize("address", ["127.0.0.1", None, 5, (), ("127.0.0.1",)])
def test_address_that_is_none_is_refused(any_loop: Loop, address: Any) -> None:
    with client() as sock, pytest.raises((TypeError, ValueError, OSError)):
        run(any_loop, any_loop.sock_connect(sock, address))


def test_arguments_may_be_keywords(any_loop: Loop) -> None:
    with client() as sock, socket.create_server(("127.0.0.1", 0)) as listener:
        run(any_loop, any_loop.sock_connect(sock=sock, address=listener.getsockname()))


@contextlib.contextmanager
def full_listener() -> Any:
    """A listener that answers no more connections: its backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            sock = stack.enter_context(client())
            with contextlib.suppress(BlockingIOError):
                sock.connect(listener.getsockname())
        yield listener


def test_cancelled_connect_removes_its_writer(any_loop: Loop) -> None:
    async def main() -> None:
        with full_listener() as listener, client() as sock:
            task = asyncio.ensure_future(any_loop.sock_connect(sock, listener.getsockname()))
            for _ in range(3):
                await asyncio.sleep(0)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0)
            assert any_loop.remove_writer(sock) is False

    run(any_loop, main())


def test_socket_closed_during_a_connect_leaves_a_loop_that_works(any_loop: Loop) -> None:
    """uvloop#100"""

    async def main() -> None:
        with full_listener() as listener:
            sock = client()
            task = asyncio.ensure_future(any_loop.sock_connect(sock, listener.getsockname()))
            for _ in range(3):
                await asyncio.sleep(0)
            sock.close()
            for _ in range(3):
                await asyncio.sleep(0)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        with socket.create_server(("127.0.0.1", 0)) as listener, client() as sock:
            await any_loop.sock_connect(sock, listener.getsockname())

    run(any_loop, main())


def test_connects_with_tiny_timeouts_never_wait_for_anothers_descriptor(any_loop: Loop) -> None:
    """uvloop#653"""
    chance = random.Random(653)
    outcomes: dict[str, int] = {"connected": 0, "timeout": 0}

    async def serve(listener: socket.socket) -> None:
        while True:
            connection, _ = await any_loop.sock_accept(listener)
            connection.close()

    async def one(address: Any) -> None:
        with client() as sock:
            try:
                async with asyncio.timeout(chance.choice([0, 0.0001, 0.001, 0.01, 5])):
                    await any_loop.sock_connect(sock, address)
                outcomes["connected"] += 1
                assert sock.getpeername() == address
            except TimeoutError:
                outcomes["timeout"] += 1
            except OSError as exc:
                assert "not connected" in str(exc)  # The server has reset it since.

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            listener.setblocking(False)
            serving = asyncio.ensure_future(serve(listener))
            descriptors = len(os.listdir("/proc/self/fd"))
            for _ in range(15):
                await asyncio.gather(*[one(listener.getsockname()) for _ in range(20)])
            assert len(os.listdir("/proc/self/fd")) <= descriptors + 1
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving

    run(any_loop, main())
    assert outcomes["connected"] > 0
    assert sum(outcomes.values()) >= 300
