"""Clients of every kind."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from tests.soak.serving import Contexts, Place, converse, finish
from tests.soak.talking import BufferedTalk, Talk, reset, talk
from tests.soak.tally import Tally
from tests.soak.tokens import Asking, MismatchError


class Clients:
    """What a worker may ask a server."""

    def __init__(self, tally: Tally, chance: random.Random, contexts: Contexts) -> None:
        self.tally = tally
        self.chance = chance
        self.contexts = contexts
        self.loop = asyncio.get_running_loop()

    async def once(self, place: Place) -> None:
        """One conversation, by some kind of client; perhaps disturbed."""
        conversation = Asking(self.chance, orderly=self.chance.random() < 0.7)
        if place.tls or place.upgrades:
            kinds: list[Callable[[Place, Asking], Awaitable[None]]] = [self.by_streams]
            if not place.upgrades:
                kinds += [self.by_protocol, self.by_protocol]
        else:
            kinds = [self.by_streams, self.by_protocol, self.by_protocol, self.by_socket]
        kind = self.chance.choice(kinds)
        if conversation.orderly:
            await kind(place, conversation)
            return
        self.tally.done("cut off")
        with contextlib.suppress(OSError, EOFError, ssl.SSLError, TimeoutError):
            if self.chance.random() < 0.5:
                async with asyncio.timeout(self.chance.random() / 20):
                    await kind(place, conversation)
            else:
                await kind(place, conversation)

    def _tls(self, place: Place) -> dict[str, Any]:
        return {"ssl": self.contexts.client, "server_hostname": "localhost"} if place.tls else {}

    async def by_protocol(self, place: Place, conversation: Asking) -> None:
        kind = self.chance.choice((Talk, BufferedTalk))
        connect: Any = self.loop.create_connection
        where = place.address
        if place.family == socket.AF_UNIX:
            connect, where = self.loop.create_unix_connection, (place.address,)
        transport, protocol = await connect(
            lambda: kind(self.tally, conversation), *where, **self._tls(place)
        )
        await talk(self.tally, conversation, protocol, transport)

    async def by_streams(self, place: Place, conversation: Asking) -> None:
        options = self._tls(place) | {"limit": self.chance.choice((1, 1000, 1 << 16))}
        if place.family == socket.AF_UNIX:
            reader, writer = await asyncio.open_unix_connection(place.address, **options)
        else:
            reader, writer = await asyncio.open_connection(*place.address, **options)
        try:
            if place.upgrades:
                writer.write(b"S")
                await reader.readexactly(1)
                await writer.start_tls(self.contexts.client, server_hostname="localhost")
            await converse(self.tally, conversation, reader, writer, "stream client")
            if conversation.complete and not (place.tls or place.upgrades):
                with contextlib.suppress(OSError):
                    writer.write_eof()
        finally:
            if not conversation.complete and self.chance.random() < 0.3:
                reset(writer.get_extra_info("socket"))
            await finish(writer, conversation.complete)

    async def by_socket(self, place: Place, conversation: Asking) -> None:
        with socket.socket(place.family) as sock:
            sock.setblocking(False)
            await self.loop.sock_connect(sock, place.address)
            sending = asyncio.ensure_future(self._send_all(sock, conversation))
            try:
                while not conversation.all_received:
                    conversation.received(await self._some_bytes(sock))
                    if not conversation.orderly and self.chance.random() < 0.05:
                        reset(sock)
                        break
                else:
                    await sending
            except MismatchError as exc:
                self.tally.fault(f"mismatch in socket client: {exc}")
            finally:
                sending.cancel()
                await asyncio.wait([sending])
                if not sending.cancelled() and sending.exception() and conversation.orderly:
                    self.tally.fault(f"socket client can't send: {sending.exception()!r}")
        self.tally.done("socket client", conversation.transferred)

    async def _some_bytes(self, sock: socket.socket) -> bytes:
        size = self.chance.choice((200, 4000, 1 << 17))
        if self.chance.random() < 0.5:
            data = await self.loop.sock_recv(sock, size)
        else:
            buffer = bytearray(size)
            data = bytes(buffer[: await self.loop.sock_recv_into(sock, buffer)])
        if not data:
            raise EOFError
        return data

    async def _send_all(self, sock: socket.socket, conversation: Asking) -> None:
        while chunk := conversation.next_chunk():
            await self.loop.sock_sendall(sock, chunk)
