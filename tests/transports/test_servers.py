"""create_server(), create_unix_server() and Server."""

from __future__ import annotations

import asyncio
import os
import pathlib
import resource
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.loops import Failures, run
from tests.support.protocols import Echo, Recorder, drain_peer, serving

Loop = asyncio.AbstractEventLoop


def test_server_tells_of_itself(any_loop: Loop) -> None:
    async def main() -> None:
        server = await any_loop.create_server(asyncio.Protocol, "127.0.0.1", 0, start_serving=False)
        assert isinstance(server, asyncio.AbstractServer)
        assert not server.is_serving()
        assert server.get_loop() is any_loop
        assert type(server.sockets) is tuple
        (sock,) = server.sockets
        assert isinstance(sock, asyncio.trsock.TransportSocket)
        assert repr(server).startswith("<Server sockets=(<asyncio.TransportSocket fd=")
        await server.start_serving()
        await server.start_serving()
        assert server.is_serving()
        server.close()
        server.close()
        assert not server.is_serving()
        assert server.sockets == ()
        await server.wait_closed()

    run(any_loop, main())


def test_async_with_closes_the_server(any_loop: Loop) -> None:
    async def main() -> None:
        async with await any_loop.create_server(asyncio.Protocol, "127.0.0.1", 0) as server:
            assert server.is_serving()
        assert server.sockets == ()

    run(any_loop, main())


def test_repeated_hosts_are_bound_once(any_loop: Loop) -> None:
    async def main() -> None:
        hosts = ["127.0.0.1", "127.0.0.1", "localhost"]
        server = await any_loop.create_server(asyncio.Protocol, hosts, 0, family=socket.AF_INET)
        assert len(server.sockets) == 1
        server.close()

    run(any_loop, main())


def test_address_in_use_is_named(any_loop: Loop) -> None:
    async def main() -> None:
        async with serving(asyncio.Protocol) as (_, address):
            with pytest.raises(OSError, match="error while attempting to bind on address") as info:
                await any_loop.create_server(asyncio.Protocol, *address)
            assert repr(address) in str(info.value)

    run(any_loop, main())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "Neither host/port nor sock were specified"),
        ({"host": "h", "sock": "listener"}, ValueError, "can not be specified at the same time"),
        ({"sock": "datagram"}, ValueError, "A Stream Socket was expected"),
        ({"host": "h", "ssl": True}, TypeError, "ssl argument must be an SSLContext or None"),
        ({"host": "h", "ssl_handshake_timeout": 1}, ValueError, "only meaningful with ssl"),
        ({"host": "h", "ssl_shutdown_timeout": 1}, ValueError, "only meaningful with ssl"),
    ],
)
def test_wrong_arguments_are_refused(
    any_loop: Loop, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    kinds = {"listener": socket.SOCK_STREAM, "datagram": socket.SOCK_DGRAM}
    with socket.socket(type=kinds.get(options.get("sock", ""), socket.SOCK_STREAM)) as sock:
        if "sock" in options:
            options = {**options, "sock": sock}
        with pytest.raises(error, match=message):
            run(any_loop, any_loop.create_server(asyncio.Protocol, **options))


def test_connections_stay_open_when_the_server_closes(any_loop: Loop) -> None:
    async def main() -> None:
        async with serving(lambda: Echo(any_loop)) as (server, address):
            transport, client = await any_loop.create_connection(
                lambda: Recorder(any_loop), *address
            )
            transport.write(b"1")
            await client.until(lambda c: c.received)
            server.close()
            transport.write(b"2")
            await client.until(lambda c: c.received == b"12")
            waiting = asyncio.ensure_future(server.wait_closed())
            for _ in range(5):
                await asyncio.sleep(0)
            assert waiting.done() == (sys.version_info < (3, 12))
            transport.close()
            await client.lost
            await waiting

    run(any_loop, main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in 3.13")
@pytest.mark.parametrize("method", ["close_clients", "abort_clients"])
def test_clients_can_be_closed(any_loop: Loop, method: str) -> None:
    async def main() -> None:
        async with serving(lambda: Echo(any_loop)) as (server, address):
            clients = []
            for _ in range(3):
                transport, client = await any_loop.create_connection(
                    lambda: Recorder(any_loop), *address
                )
                transport.write(b"x")
                await client.until(lambda c: c.received)
                clients.append(client)
            server.close()
            getattr(server, method)()
            for client in clients:
                await client.lost
            await server.wait_closed()

    run(any_loop, main())


def test_serve_forever_ends_when_cancelled_or_closed(any_loop: Loop) -> None:
    async def main() -> None:
        server = await any_loop.create_server(asyncio.Protocol, "127.0.0.1", 0, start_serving=False)
        task = asyncio.ensure_future(server.serve_forever())
        while not server.is_serving():
            await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match=r"already being awaited on serve_forever\(\)"):
            await server.serve_forever()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not server.is_serving()
        with pytest.raises(RuntimeError, match="is closed"):
            await server.serve_forever()

    run(any_loop, main())


def test_closing_in_the_turn_of_a_connection_leaves_alone_who_gets_the_descriptor(
    any_loop: Loop,
) -> None:
    """The event waits in the queue when the server is closed and its descriptor is used again."""
    failures = Failures(any_loop)
    called: list[asyncio.BaseProtocol] = []

    def factory() -> asyncio.Protocol:
        called.append(asyncio.Protocol())
        return asyncio.Protocol()

    async def main() -> None:
        server = await any_loop.create_server(factory, "127.0.0.1", 0)
        (sock,) = server.sockets
        fd = sock.fileno()
        with socket.create_connection(sock.getsockname()):

            def replace() -> socket.socket:
                server.close()
                other = socket.create_server(("127.0.0.1", 0))
                assert other.fileno() == fd
                return other

            replaced = any_loop.create_future()
            any_loop.call_soon(lambda: replaced.set_result(replace()))
            with await replaced as other, socket.create_connection(other.getsockname()):
                for _ in range(3):
                    await asyncio.sleep(0)
                other.settimeout(5)
                other.accept()[0].close()

    run(any_loop, main())
    assert called == []
    assert failures.contexts == []


def test_closed_server_does_not_start_to_serve(any_loop: Loop) -> None:
    async def main() -> None:
        server = await any_loop.create_server(asyncio.Protocol, "127.0.0.1", 0, start_serving=False)
        server.close()
        with pytest.raises(TypeError, match="^'NoneType' object is not iterable$"):
            await server.start_serving()

    run(any_loop, main())


def test_existing_listener_is_served_and_closed_with_the_server(any_loop: Loop) -> None:
    """benoitc/gunicorn#1877"""

    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        server = await any_loop.create_server(lambda: Echo(any_loop), sock=listener)
        assert server.sockets[0].fileno() == listener.fileno()
        transport, client = await any_loop.create_connection(
            lambda: Recorder(any_loop), *listener.getsockname()
        )
        transport.write(b"x")
        await client.until(lambda c: c.received)
        server.close()
        assert listener.fileno() == -1
        listener.close()
        transport.close()
        await client.lost

    run(any_loop, main())


def test_failing_protocol_factory_closes_the_connection(loop: Loop) -> None:
    """uvloop#740; asyncio leaves the socket to the collector."""

    def factory() -> asyncio.Protocol:
        raise ZeroDivisionError

    async def main() -> None:
        async with serving(factory) as (_, address):
            with socket.create_connection(address) as client:
                client.setblocking(False)
                try:
                    assert await loop.sock_recv(client, 1) == b""
                except ConnectionResetError:
                    pass

    run(loop, main())


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 12, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_running_out_of_descriptors_is_reported_and_survived(
    any_loop: Loop, few_descriptors: None
) -> None:
    """joyent/libuv#690"""
    failures = Failures(any_loop)

    async def main() -> None:
        async with serving(lambda: Echo(any_loop)) as (_, address):
            hoard = [os.dup(0)]
            clients = [socket.socket() for _ in range(3)]
            for client in clients:
                client.setblocking(False)
            try:
                while True:
                    hoard.append(os.dup(0))
            except OSError:
                pass
            for client in clients:
                await any_loop.sock_connect(client, address)
            while not failures.contexts:
                await asyncio.sleep(0.01)
            for fd in hoard:
                os.close(fd)
            for client in clients:
                await any_loop.sock_sendall(client, b"x")
                assert await any_loop.sock_recv(client, 1) == b"x"
                client.close()

    run(any_loop, main())
    messages = failures.messages
    if type(any_loop).__module__.startswith("cxxloop"):
        assert len(messages) <= 3  # asyncio says it once for each place in the backlog.
    else:  # After a second it tries again, also with a server that is closed by then.
        messages = [message for message in messages if "._start_serving(" not in message]
    assert messages == ["socket.accept() out of system resource"] * len(messages)


# Unix sockets


def test_unix_server_and_client(any_loop: Loop, tmp_path: pathlib.Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        server = await any_loop.create_unix_server(lambda: Echo(any_loop), path)
        assert path.is_socket()
        transport, client = await any_loop.create_unix_connection(
            lambda: Recorder(any_loop), os.fsencode(path)
        )
        transport.write(b"hello")
        await client.until(lambda c: c.received == b"hello")
        assert transport.get_extra_info("peername") == str(path)
        assert transport.get_extra_info("sockname") == ""
        transport.close()
        await client.lost
        server.close()
        await server.wait_closed()
        assert path.exists() == (sys.version_info < (3, 13))

    run(any_loop, main())


@pytest.mark.parametrize("name", ["\0cxxloop-test-text", b"\0cxxloop-test-bytes"])
def test_abstract_names_are_connected_to(any_loop: Loop, name: Any) -> None:
    """uvloop#528"""

    async def main() -> None:
        server = await any_loop.create_unix_server(lambda: Echo(any_loop), name)
        transport, client = await any_loop.create_unix_connection(lambda: Recorder(any_loop), name)
        expected = name if isinstance(name, bytes) else name.encode()
        assert transport.get_extra_info("peername") == expected
        transport.close()
        await client.lost
        server.close()

    run(any_loop, main())


def test_stale_socket_file_is_replaced_and_others_are_not(
    any_loop: Loop, tmp_path: pathlib.Path
) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        server = await any_loop.create_unix_server(asyncio.Protocol, path)
        server.close()
        file = tmp_path / "file"
        file.write_text("precious")
        with pytest.raises(OSError, match="is already in use"):
            await any_loop.create_unix_server(asyncio.Protocol, str(file))
        assert file.read_text() == "precious"

    run(any_loop, main())


def test_closing_leaves_the_socket_file_of_somebody_else(
    any_loop: Loop, tmp_path: pathlib.Path
) -> None:
    """cpython#133354"""

    async def main() -> None:
        path = str(tmp_path / "socket")
        server = await any_loop.create_unix_server(asyncio.Protocol, path)
        os.unlink(path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            server.close()
            assert os.path.exists(path)

    run(any_loop, main())


# connect_accepted_socket


def test_accepted_socket_is_served(any_loop: Loop) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        transport, protocol = await any_loop.connect_accepted_socket(
            lambda: Recorder(any_loop), ours
        )
        transport.write(b"hello")
        transport.close()
        assert await drain_peer(any_loop, theirs) == b"hello"
        await protocol.lost
        theirs.close()
        assert ours.fileno() == -1

    run(any_loop, main())
