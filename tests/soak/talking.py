"""Protocols, plain and buffered, that hold a conversation."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from typing import Any

from tests.soak.tally import Tally
from tests.soak.tokens import Answering, Asking, Conversation, MismatchError

_RESET = struct.pack("ii", 1, 0)


def reset(sock: Any) -> None:
    """Has the socket end its connection with a RST when it is closed."""
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


class Talk(asyncio.Protocol):
    """Sends as the flow control lets it, and reads with pauses."""

    def __init__(self, tally: Tally, conversation: Conversation) -> None:
        self.tally = tally
        self.conversation = conversation
        self.loop = asyncio.get_running_loop()
        self.transport: Any = None
        self.lost: asyncio.Future[None] = self.loop.create_future()
        self.over: asyncio.Future[None] = self.loop.create_future()
        self._may_write = True
        self._cut_at = -1
        self._ended = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        chance = self.conversation.chance
        if chance.random() < 0.3:
            # asyncio's TLS pauses for ever at a limit of 0.
            transport.set_write_buffer_limits(high=chance.choice((1, 1000, 200_000)))
        self.pump()

    def cut_off_after(self, count: int) -> None:
        """Ends the connection without notice once so many bytes have come."""
        self._cut_at = count

    def data_received(self, data: bytes) -> None:
        self.took(data)

    def took(self, data: bytes | memoryview) -> None:
        conversation = self.conversation
        try:
            conversation.received(data)
        except MismatchError as exc:
            self.tally.fault(f"mismatch in {type(self).__name__}: {exc}")
            self.transport.abort()
            return
        if 0 <= self._cut_at <= conversation.transferred:
            self.cut_off()
            return
        # TLS ends only when the other side's end has been read.
        resting = not conversation.all_received and conversation.should_rest()
        if resting and not self.transport.is_closing():
            self.transport.pause_reading()
            self.loop.call_later(conversation.chance.random() / 50, self._read_on)
        self.pump()

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def cut_off(self) -> None:
        if self.conversation.chance.random() < 0.5:
            reset(self.transport.get_extra_info("socket"))
        self.transport.abort()

    def pump(self) -> None:
        conversation = self.conversation
        while self._may_write and not self.transport.is_closing() and not self._ended:
            chunk = conversation.next_chunk()
            if not chunk:
                break
            if conversation.chance.random() < 0.2:
                middle = len(chunk) // 2
                self.transport.writelines([chunk[:middle], bytearray(chunk[middle:])])
            else:
                self.transport.write(chunk)
        if conversation.complete and not self._ended:
            self._ended = True
            self.end()

    def end(self) -> None:
        """Both directions are complete."""
        if not self.over.done():
            self.over.set_result(None)

    def pause_writing(self) -> None:
        self._may_write = False

    def resume_writing(self) -> None:
        self._may_write = True
        self.pump()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        conversation = self.conversation
        self.tally.done(type(self).__name__, conversation.transferred)
        if conversation.orderly and not conversation.complete and conversation.transferred:
            self.tally.fault(
                f"{type(self).__name__} ended early: {conversation.to_receive} to receive, "
                f"{conversation.to_send} to send, {exc!r}"
            )
        for future in (self.over, self.lost):
            if not future.done():
                future.set_result(None)


class BufferedTalk(Talk, asyncio.BufferedProtocol):
    """The same with buffers of its own."""

    def __init__(self, tally: Tally, conversation: Conversation) -> None:
        super().__init__(tally, conversation)
        self._buffer = bytearray(100_000)

    def get_buffer(self, sizehint: int) -> memoryview:
        # A view, as asyncio's TLS would read into a copy of a bytearray.
        return memoryview(self._buffer)[: self.conversation.chance.choice((10, 3000, 100_000))]

    def buffer_updated(self, nbytes: int) -> None:
        self.took(memoryview(self._buffer)[:nbytes])


class Server(Talk):
    """Answers, and closes when everything is said."""

    def __init__(self, tally: Tally, conversation: Conversation) -> None:
        super().__init__(tally, conversation)
        if conversation.chance.random() < 0.5:
            self.end = self._close_at_once  # type: ignore[method-assign]

    def _close_at_once(self) -> None:
        self.transport.close()

    def eof_received(self) -> bool:
        # A client that closes half of it is waiting for the rest.
        if self.transport.get_extra_info("sslcontext") is not None:
            return False
        return not self.conversation.complete and self.conversation.orderly


class BufferedServer(Server, BufferedTalk):
    """The same with buffers of its own."""


def server_factory(tally: Tally, chance: random.Random, buffered: bool) -> Callable[[], Talk]:
    kind = BufferedServer if buffered else Server
    return lambda: kind(tally, Answering(random.Random(chance.random())))


async def talk(
    tally: Tally, conversation: Asking, protocol: Talk, transport: asyncio.Transport
) -> None:
    """Goes on until all is said, or it is cut off."""
    if not conversation.orderly:
        protocol.cut_off_after(conversation.chance.randrange(100_000))
    try:
        await protocol.over
    finally:
        if conversation.orderly and conversation.complete:
            transport.close()
        else:
            protocol.cut_off()
        await protocol.lost
