"""Public operations, each from its beginning to its end, to be disturbed at any point.

Each checks what it transferred, and gives back all it took, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

Loop = asyncio.AbstractEventLoop

DATA = os.urandom(120_000)
CERTIFICATES = "CXXLOOP_TEST_CERTIFICATES"
"""The variable that names a directory with certificates."""


class ReportedError(Exception):
    """Something went wrong that only the other side was told."""


@contextlib.asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


_answering: set[asyncio.Task[Any]] = set()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    task = asyncio.current_task()
    assert task is not None
    _answering.add(task)
    task.add_done_callback(_answering.discard)
    async with closing(writer):
        with contextlib.suppress(OSError):  # The client sees that the connection is gone.
            while data := await reader.read(50_000):
                writer.write(data)
                await writer.drain()
            writer.close()
            await writer.wait_closed()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async with closing(writer):
        writer.write(b"first")
        writer.writelines([DATA[5:100], DATA[100:60_000], DATA[60_000:]])
        received = bytearray()
        while len(received) < len(DATA):
            data = await reader.read(1 << 16)
            if not data:
                raise ReportedError("the other side has ended the connection")
            received += data
            await writer.drain()
        assert received == b"first" + DATA[5:]
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def _serving(server: asyncio.Server) -> AsyncIterator[asyncio.Server]:
    try:
        yield server
        server.close()
        await server.wait_closed()
    finally:
        server.close()
        for task in _answering:
            task.cancel()


def _address_of(server: asyncio.Server) -> Any:
    if not server.sockets:  # None could be made, which asyncio only warns of in debug mode.
        raise ReportedError("the server has no socket")
    return server.sockets[0].getsockname()


async def tcp() -> None:
    async with _serving(await asyncio.start_server(_answer, "127.0.0.1", 0)) as server:
        await _exchange(*await asyncio.open_connection(*_address_of(server)))


@contextlib.contextmanager
def _socket_path() -> Iterator[str]:
    # Not a TemporaryDirectory: interrupted, it may close a descriptor twice.
    directory = tempfile.mkdtemp()
    path = f"{directory}/socket"
    try:
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        os.rmdir(directory)


async def unix() -> None:
    with _socket_path() as path:
        async with _serving(await asyncio.start_unix_server(_answer, path)):
            await _exchange(*await asyncio.open_unix_connection(path))


def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    directory = Path(os.environ[CERTIFICATES])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(directory / "server.pem")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(directory / "authority.pem")
    return server, client


async def tls() -> None:
    for_server, for_client = _contexts()
    serving = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=for_server)
    async with _serving(serving) as server:
        address = _address_of(server)
        await _exchange(
            *await asyncio.open_connection(*address, ssl=for_client, server_hostname="localhost")
        )


async def datagrams() -> None:
    loop = asyncio.get_running_loop()
    answers: asyncio.Queue[bytes | Exception] = asyncio.Queue()

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.transport.sendto(data, addr)

        def error_received(self, exc: Exception) -> None:
            answers.put_nowait(exc)

        def connection_lost(self, exc: Exception | None) -> None:
            if exc is not None:
                answers.put_nowait(exc)

    class Client(Server):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            answers.put_nowait(data)

    async with contextlib.AsyncExitStack() as stack:
        server, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
        stack.callback(server.abort)
        address = server.get_extra_info("sockname")
        if address is None:
            raise ReportedError("the address is not known")
        client, _ = await loop.create_datagram_endpoint(Client, remote_addr=address)
        stack.callback(client.abort)
        for group in range(4):
            expected = [b"%d/%d" % (group, number) for number in range(10)]
            for data in expected:
                client.sendto(data)
            for data in expected:
                answer = await answers.get()
                if isinstance(answer, Exception):
                    raise answer
                if answer != data:
                    raise ReportedError("a datagram was lost")


def _abort(transport: asyncio.WriteTransport) -> None:
    with contextlib.suppress(AttributeError):  # What asyncio raises after the end.
        transport.abort()


async def pipes() -> None:
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        reading, writing = os.pipe()
        read_file = stack.enter_context(os.fdopen(reading, "rb", buffering=0))
        write_file = stack.enter_context(os.fdopen(writing, "wb", buffering=0))
        reader = asyncio.StreamReader()
        read_transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), read_file
        )
        stack.callback(read_transport.close)
        write_transport, _ = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, write_file
        )
        stack.callback(_abort, write_transport)
        write_transport.write(DATA)
        write_transport.close()
        if await reader.read() != DATA:
            raise ReportedError("the writer has ended early")


async def subprocess() -> None:
    child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    try:
        output, _ = await child.communicate(DATA)
    finally:
        child._transport.close()  # type: ignore[attr-defined]
        await child.wait()
    if (output, child.returncode) != (DATA, 0):
        raise ReportedError("the pipe has broken")


async def socket_operations() -> None:
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setblocking(False)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = stack.enter_context(socket.socket())
        client.setblocking(False)
        await loop.sock_connect(client, listener.getsockname())
        server, _ = await loop.sock_accept(listener)
        stack.enter_context(server)
        sending = asyncio.ensure_future(loop.sock_sendall(client, DATA))
        stack.callback(sending.cancel)
        received = bytearray()
        sending.add_done_callback(
            lambda _: client.close() if sending.cancelled() or sending.exception() else None
        )
        while len(received) < len(DATA):
            data = await loop.sock_recv(server, 100_000)
            if not data:
                break
            received += data
        assert received == DATA or (sending.done() and sending.exception())
        await sending
        await loop.sock_sendall(server, b"end")
        buffer = bytearray(3)
        filled = 0
        while filled < len(buffer):
            count = await loop.sock_recv_into(client, memoryview(buffer)[filled:])
            assert count
            filled += count
        assert buffer == b"end"


async def sendfile() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(DATA)
        file.seek(0)
        await _send_file(file)


async def _send_file(file: Any) -> None:
    loop = asyncio.get_running_loop()
    received = bytearray()
    ended = loop.create_future()

    class Receiver(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            received.extend(data)

        def connection_lost(self, exc: Exception | None) -> None:
            if not ended.done():
                ended.set_result(exc)

    async with contextlib.AsyncExitStack() as stack:
        server = await loop.create_server(Receiver, "127.0.0.1", 0)
        await stack.enter_async_context(_serving(server))
        address = _address_of(server)
        transport, _ = await loop.create_connection(asyncio.Protocol, *address)
        stack.callback(transport.abort)
        transport.write(b"head")
        assert await loop.sendfile(transport, file) == len(DATA)
        transport.close()
        error = await ended
        if error is not None:
            raise error
        if received != b"head" + DATA:
            raise ReportedError("the connection has ended early")


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def watchers() -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        readable, writable = loop.create_future(), loop.create_future()
        loop.add_writer(ours, _settle, writable)
        try:
            await writable
            loop.add_reader(ours, _settle, readable)
            theirs.send(b"x")
            await readable
        finally:
            loop.remove_writer(ours)
            loop.remove_reader(ours)


async def threads() -> None:
    loop = asyncio.get_running_loop()
    called = loop.create_future()
    await loop.run_in_executor(None, loop.call_soon_threadsafe, called.set_result, None)
    await called
    await loop.getaddrinfo("127.0.0.1", 80)


OPERATIONS: dict[str, Callable[[], Awaitable[None]]] = {
    operation.__name__: operation
    for operation in (
        *(tcp, unix, tls, datagrams, pipes, subprocess),
        *(socket_operations, sendfile, watchers, threads),
    )
}
