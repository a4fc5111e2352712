"""A TLS connection whose records come in any pieces, delayed, cut off or damaged.

What the application gets must be the beginning of what was sent, and all of it where nothing was
damaged; nothing but a report may come of what was.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import cxxloop
from tests.support.kinds import tls_contexts

LOOP = cxxloop.Loop()
REPORTS: list[dict[str, Any]] = []
LOOP.set_exception_handler(lambda _, context: REPORTS.append(context))
CONTEXTS = tls_contexts()


class Lower(asyncio.Transport):
    """A transport that keeps what it is to send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.closing = False

    def write(self, data: Any) -> None:
        self.sent += data

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.sent += data

    def close(self) -> None:
        self.closing = True

    abort = close

    def _force_close(self, exc: BaseException | None) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0


class Application(asyncio.Protocol):
    def __init__(self) -> None:
        self.received = bytearray()
        self.transport: Any = None
        self.lost = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


class BufferedApplication(Application, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint: int) -> bytearray:
        self.buffer = bytearray(97)
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.received += self.buffer[:nbytes]


class Connection:
    """Our side is the server; the client is an SSLObject of the ssl module."""

    def __init__(self, application: Application) -> None:
        for_server, for_client = CONTEXTS
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.application = application
        self.waiter = LOOP.create_future()
        self.protocol = LOOP._make_tls_protocol(
            protocol=application,
            waiter=self.waiter,
            context=for_server,
            ssl_object=for_server.wrap_bio(incoming, outgoing, server_side=True),
            incoming=incoming,
            outgoing=outgoing,
            handshake_timeout=60.0,
            shutdown_timeout=30.0,
            call_connection_made=True,
        )
        self.lower = Lower()
        self.protocol.connection_made(self.lower)
        self.client_in, self.client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = for_client.wrap_bio(self.client_in, self.client_out, server_hostname=None)
        self.on_the_way = bytearray()
        self.sent = bytearray()
        self.damaged = False

    def take(self) -> None:
        self.client_in.write(bytes(self.lower.sent))
        self.lower.sent.clear()
        self.on_the_way += self.client_out.read()

    def feed(self, size: int) -> None:
        part = bytes(self.on_the_way[:size])
        del self.on_the_way[:size]
        while part and not self.lower.closing:
            buffer = self.protocol.get_buffer(-1)
            count = min(len(part), len(buffer))
            buffer[:count] = part[:count]
            self.protocol.buffer_updated(count)
            part = part[count:]

    def shake_hands(self) -> None:
        for _ in range(8):
            try:
                self.client.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                assert self.damaged
            self.take()
            self.feed(1 << 16)

    def end(self) -> None:
        if not self.application.lost:
            self.protocol.connection_lost(None)
        self.waiter.cancel()
        if self.waiter.done() and not self.waiter.cancelled():
            self.waiter.exception()
        LOOP.call_soon(LOOP.stop)
        LOOP.run_forever()


def _act(connection: Connection, action: int, size: int) -> None:
    application = connection.application
    if action == 0:
        try:
            data = bytes(range(256)) * (size + 1)
            sent = connection.client.write(data[: size * 97 + 1])
            connection.sent += data[:sent]
        except ssl.SSLError:
            pass
        connection.take()
    elif action == 1:
        connection.feed(size + 1)
    elif action == 2:
        connection.feed(1 << 20)
    elif action == 3 and connection.on_the_way:
        connection.damaged = True
        connection.on_the_way[size % len(connection.on_the_way)] ^= 1 + size // 2
    elif action == 4 and application.transport is not None:
        application.transport.pause_reading()
    elif action == 5 and application.transport is not None:
        application.transport.resume_reading()
    elif action == 6 and application.transport is not None:
        application.transport.write(bytes(size))
        connection.take()
    elif action == 7:
        LOOP.call_soon(LOOP.stop)
        LOOP.run_forever()


def one_input(data: bytes) -> None:
    if not data:
        return
    REPORTS.clear()
    connection = Connection(BufferedApplication() if data[0] & 1 else Application())
    if data[0] & 2:  # Whatever comes, instead of a handshake.
        connection.damaged = True
        connection.on_the_way += data[1:]
    else:
        connection.shake_hands()
    for at in range(1, len(data) - 1, 2):
        _act(connection, data[at] % 8, data[at + 1])
    application = connection.application
    if application.transport is not None and not connection.damaged:
        application.transport.resume_reading()
        connection.take()
        connection.feed(1 << 24)
        for _ in range(3 * len(connection.sent) // 97 + 20):  # A buffer's worth in each turn.
            if application.received == connection.sent:
                break
            LOOP.call_soon(LOOP.stop)
            LOOP.run_forever()
        assert application.received == connection.sent, REPORTS
    assert connection.sent.startswith(application.received)
    assert connection.damaged or not REPORTS, REPORTS
    connection.end()
