"""Everything else that a loop does, at the same time, each piece with a token of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import tempfile
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from tests.soak.tally import Tally
from tests.soak.tokens import TokenStream, some_size


class Datagrams(asyncio.DatagramProtocol):
    """Sends tokens with its port and takes what comes back; some are lost, none is another's.

    A socket may get what was sent to the one that had its port before.
    """

    def __init__(self, tally: Tally, count: int) -> None:
        self.tally = tally
        self.count = count
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.port: bytes = transport.get_extra_info("sockname")[1].to_bytes(2, "big")
        self.expected = {self.port + os.urandom(16) + bytes(number) for number in range(self.count)}
        for data in list(self.expected):
            transport.sendto(data)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not data.startswith(self.port):
            self.tally.fault("mismatch in a datagram")
        self.tally.done("datagram" if data in self.expected else "late datagram", len(data))
        self.expected.discard(data)
        if not self.expected and not self.over.done():
            self.over.set_result(None)


class DatagramServer(asyncio.DatagramProtocol):
    """Sends back what it gets."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


class Churn:
    """Jobs for workers; each runs once and leaves nothing."""

    def __init__(self, tally: Tally, chance: random.Random, echo: Any) -> None:
        self.tally = tally
        self.chance = chance
        self.loop = asyncio.get_running_loop()
        self._echo = echo  # the address of a DatagramServer
        self.often: list[Callable[[], Awaitable[None]]] = [
            *(self.timers, self.datagrams, self.pipe, self.watchers, self.file),
            *(self.thread, self.name, self.cancelled_operations),
        ]
        self.seldom: list[Callable[[], Awaitable[None]]] = [self.child, self.killed_child]

    def _check(self, what: str, got: bytes | bytearray, expected: bytes) -> None:
        if got != expected:
            self.tally.fault(f"mismatch in {what}: {len(got)} bytes, not {len(expected)}")
        self.tally.done(what, len(got))

    async def timers(self) -> None:
        called: list[int] = []
        handles = [
            self.loop.call_later(self.chance.random() / 100, called.append, number)
            for number in range(100)
        ]
        for number in range(0, 100, 2):
            handles[number].cancel()
        await asyncio.sleep(0.02)
        while len(called) < 50:
            await asyncio.sleep(0.001)
        self._check("timers", bytes(sorted(called)), bytes(range(1, 100, 2)))

    async def datagrams(self) -> None:
        transport, protocol = await self.loop.create_datagram_endpoint(
            lambda: Datagrams(self.tally, self.chance.randrange(1, 60)), remote_addr=self._echo
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await protocol.over
        transport.abort() if self.chance.random() < 0.5 else transport.close()
        self.tally.done("datagrams")

    async def pipe(self) -> None:
        data = TokenStream(os.urandom(16), b"pipe").take(some_size(self.chance))
        reading, writing = os.pipe()
        reader = asyncio.StreamReader(limit=self.chance.choice((1, 1 << 16)))
        read_transport, _ = await self.loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
        )
        write_transport, _ = await self.loop.connect_write_pipe(
            asyncio.Protocol, os.fdopen(writing, "wb", buffering=0)
        )
        write_transport.write(data)
        write_transport.close()
        self._check("pipe", await reader.read(), data)
        read_transport.close()

    async def watchers(self) -> None:
        """With descriptors that are closed before anybody is told, and used again at once."""
        for _ in range(5):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                token = os.urandom(16)
                theirs.setblocking(False)
                received = self.loop.create_future()
                self.loop.add_reader(ours, _receive, ours, received)
                theirs.send(token)
                if self.chance.random() < 0.5:
                    self._check("watchers", await received, token)
                self.loop.remove_reader(ours)

    async def file(self) -> None:
        """loop.sendfile(), some of it cut off."""
        data = TokenStream(os.urandom(16), b"file").take(some_size(self.chance))
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        transport, _ = await self.loop.create_unix_connection(asyncio.Protocol, sock=ours)
        cut = self.chance.random() < 0.2
        with theirs, tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            sending = asyncio.ensure_future(self.loop.sendfile(transport, file))
            received = bytearray()
            while len(received) < len(data):
                received += await self.loop.sock_recv(theirs, 50_000)
                if cut:
                    break
            if cut:
                sending.cancel()
            await asyncio.wait([sending])
            transport.abort()
            self._check("file", received, data[: len(received)])

    async def thread(self) -> None:
        token = os.urandom(16)
        told = self.loop.create_future()

        def tell() -> bytes:
            self.loop.call_soon_threadsafe(told.set_result, token)
            return token

        if self.chance.random() < 0.2:
            thread = threading.Thread(target=tell)
            thread.start()
            self._check("thread", await told, token)
            thread.join()
        else:
            self._check("executor", await self.loop.run_in_executor(None, tell), token)
            self._check("executor", await told, token)

    async def name(self) -> None:
        port = self.chance.randrange(1, 65536)
        found = await self.loop.getaddrinfo("localhost", port, family=socket.AF_INET)
        if any(info[4] != ("127.0.0.1", port) for info in found):
            self.tally.fault(f"mismatch in a name: {found}")
        self.tally.done("name")

    async def cancelled_operations(self) -> None:
        """A sock_recv() that is cancelled takes nothing from the one after it."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            token = os.urandom(16)
            waiting = asyncio.ensure_future(self.loop.sock_recv(ours, 16))
            await asyncio.sleep(0)
            waiting.cancel()
            theirs.send(token)
            await asyncio.wait([waiting])
            got = await self.loop.sock_recv(ours, 16) if waiting.cancelled() else waiting.result()
            self._check("cancelled operation", got, token)

    async def child(self) -> None:
        data = TokenStream(os.urandom(16), b"child").take(some_size(self.chance))
        child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        output, _ = await child.communicate(data)
        self._check("child", output, data)
        if child.returncode != 0:
            self.tally.fault(f"a child ended with {child.returncode}")

    async def killed_child(self) -> None:
        child = await asyncio.create_subprocess_exec("sleep", "100", stdin=-1, stdout=-1)
        child.kill()
        if await child.wait() != -9:
            self.tally.fault(f"a killed child ended with {child.returncode}")
        self.tally.done("killed child")


def _receive(sock: socket.socket, received: asyncio.Future[bytes]) -> None:
    if not received.done():
        received.set_result(sock.recv(16))
