"""Servers of every kind, which come and go."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.soak.talking import server_factory
from tests.soak.tally import Tally
from tests.soak.tokens import Answering, Conversation, MismatchError
from tests.support.certificates import Certificates


class Contexts:
    """Of TLS, for both sides."""

    def __init__(self, directory: Path) -> None:
        certificates = Certificates(directory)
        self.server = certificates.for_server()
        self.client = certificates.for_client()


class Place(NamedTuple):
    """Where a server is."""

    family: int
    address: Any
    tls: bool = False
    upgrades: bool = False
    """The client says "S" and then both begin TLS."""


async def converse(
    tally: Tally,
    conversation: Conversation,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    name: str,
) -> None:
    """Holds a conversation by streams; MismatchError, and what streams raise."""
    chance = conversation.chance

    async def receive() -> None:
        while not conversation.all_received:
            data = await reader.read(chance.choice((200, 4000, 1 << 16, 1 << 20)))
            if not data:
                raise EOFError(f"{conversation.to_receive} to come")
            conversation.received(data)
            if not conversation.orderly and chance.random() < 0.02:
                raise EOFError("enough")
            if conversation.should_rest():
                await asyncio.sleep(chance.random() / 50)

    async def send() -> None:
        while not (conversation.all_received and conversation.to_send == 0):
            chunk = conversation.next_chunk()
            if chunk:
                writer.write(chunk)
                await writer.drain()
            elif conversation.to_send == 0 and started.is_set():
                return
            else:
                await started.wait()

    started = asyncio.Event()
    before = conversation.received

    def received(data: Any) -> None:
        before(data)
        if conversation.begun:
            started.set()

    conversation.received = received  # type: ignore[method-assign]
    if conversation.begun:
        started.set()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(receive())
            group.create_task(send())
    except* MismatchError as mismatches:
        tally.fault(f"mismatch in {name}: {mismatches.exceptions[0]}")
    except* (OSError, EOFError, ssl.SSLError) as errors:
        if conversation.orderly:
            tally.fault(f"{name} ended early: {errors.exceptions[0]!r}")
    finally:
        del conversation.received  # A cycle.
        tally.done(name, conversation.transferred)


async def finish(writer: asyncio.StreamWriter, orderly: bool) -> None:
    if orderly:
        writer.close()
    else:
        writer.transport.abort()
    with contextlib.suppress(OSError, ssl.SSLError):
        # A writer is never told of its end when start_tls() has failed, so that isn't awaited.
        async with asyncio.timeout(None if orderly else 0.5):
            await writer.wait_closed()


class Serving:
    """All servers of a loop."""

    def __init__(self, tally: Tally, chance: random.Random, contexts: Contexts) -> None:
        self.tally = tally
        self.chance = chance
        self.contexts = contexts
        self.places: list[Place] = []
        self._answering: set[asyncio.Task[Any]] = set()
        self._directory = tempfile.TemporaryDirectory()
        self._numbers = 0

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upgrades: bool = False
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        conversation = Answering(random.Random(self.chance.random()))
        try:
            if upgrades:
                await reader.readexactly(1)
                writer.write(b"!")
                await writer.start_tls(self.contexts.server)
            await converse(self.tally, conversation, reader, writer, "stream server")
        except (OSError, EOFError, ssl.SSLError):
            pass  # A client that went before it said anything.
        finally:
            await finish(writer, conversation.complete)

    async def _answer_with_tls(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._answer(reader, writer, upgrades=True)

    async def _accept(self, listener: socket.socket) -> None:
        """Accepts by hand, and hands the sockets over."""
        loop = asyncio.get_running_loop()
        with contextlib.closing(listener):
            while True:
                sock, _ = await loop.sock_accept(listener)
                factory = server_factory(self.tally, self.chance, self.chance.random() < 0.5)
                await loop.connect_accepted_socket(factory, sock)

    async def _start(self, unix: bool, tls: bool, kind: str) -> tuple[Place, Any]:
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"backlog": 1000}
        if tls:
            options["ssl"] = self.contexts.server
        if unix:
            self._numbers += 1
            where: Any = (f"{self._directory.name}/{self._numbers}",)
        else:
            where = ("127.0.0.1", 0)
        if kind in ("streams", "upgrading"):
            start: Any = asyncio.start_unix_server if unix else asyncio.start_server
            answer: Any = self._answer_with_tls if kind == "upgrading" else self._answer
            limit = self.chance.choice((1, 1000, 1 << 16))
            server = await start(answer, *where, limit=limit, **options)
        else:
            start = loop.create_unix_server if unix else loop.create_server
            factory = server_factory(self.tally, self.chance, kind == "buffered")
            server = await start(factory, *where, **options)
        family = socket.AF_UNIX if unix else socket.AF_INET
        address = server.sockets[0].getsockname()
        return Place(family, address, tls, kind == "upgrading"), server

    @contextlib.asynccontextmanager
    async def one_of_each(self) -> AsyncIterator[None]:
        kinds = [
            (unix, tls, kind)
            for unix in (False, True)
            for tls, kind in [
                *(
                    (tls, kind)
                    for tls in (False, True)
                    for kind in ("plain", "buffered", "streams")
                ),
                (False, "upgrading"),
            ]
        ]
        servers = []
        for unix, tls, kind in kinds:
            place, server = await self._start(unix, tls, kind)
            self.places.append(place)
            servers.append(server)
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self.places.append(Place(socket.AF_INET, listener.getsockname()))
        accepting = asyncio.ensure_future(self._accept(listener))
        try:
            yield
        finally:
            accepting.cancel()
            await asyncio.wait([accepting])
            for server in servers:
                server.close()
            while self._answering:
                await asyncio.wait(list(self._answering))
            for server in servers:
                async with asyncio.timeout(20):
                    await server.wait_closed()
            self._directory.cleanup()

    async def come_and_go(self) -> None:
        """One server that closes while clients may be on their way to it."""
        unix, tls = self.chance.random() < 0.5, self.chance.random() < 0.3
        kind = self.chance.choice(("plain", "buffered", "streams"))
        place, server = await self._start(unix, tls, kind)
        sockets = []
        for _ in range(self.chance.randrange(4)):
            sock = socket.socket(place.family)
            sock.setblocking(False)
            sockets.append(sock)
            with contextlib.suppress(BlockingIOError):
                sock.connect(place.address)
        await asyncio.sleep(self.chance.choice((0, 0, 0.001)))
        server.close()
        for sock in sockets:
            sock.close()
        if unix and os.path.exists(place.address):
            os.unlink(place.address)
        async with asyncio.timeout(20):
            await server.wait_closed()
        self.tally.done("server that came and went")
