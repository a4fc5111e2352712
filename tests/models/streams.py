"""A stream transport with a misbehaving peer, and protocols that act within their callbacks."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
import time
import zlib
from dataclasses import dataclass
from typing import Any

from tests.models.playing import Player, outcome_of, playing
from tests.models.scripted import Action, Reactions, ScriptedPlay, ScriptedProtocol

SMALL = 1000
LARGE = 1 << 20
SEND_BUFFER = 1 << 16
READ_AT_ONCE = 1 << 20
MOST_READS = 200

KINDS = ("protocol", "buffered", "small buffer", "no buffer")
CALLBACKS = (
    "connection_made",
    "data_received",
    "eof_received",
    "pause_writing",
    "resume_writing",
    "connection_lost",
    "get_buffer",
)


@dataclass(frozen=True)
class Script:
    """What is played."""

    family: str = "unix"
    debug: bool = False
    protocol: str = "protocol"
    keep_open: bool = False
    server_side: bool = False
    crowded: bool = False
    reactions: Reactions = ()
    steps: tuple[Action, ...] = ()


class Play(ScriptedPlay):
    """One script on one loop."""

    def __init__(self, player: Player, script: Script) -> None:
        super().__init__(player, script.reactions)
        self.script = script
        self.player.crowd = 4 if script.crowded else 0
        self.ours, self.peer = _pair(script.family)
        self.protocols = 0
        self.later = 0
        self.received = bytearray()
        self.closed_with_data = False
        self.lost = False

    # The protocols

    def protocol(self, kind: str) -> asyncio.BaseProtocol:
        self.protocols += 1
        name = f"{self.protocols}"
        return Plain(self, name) if kind == "protocol" else Buffered(self, name, kind)

    # The transport

    def connect(self) -> None:
        loop = self.player.loop

        def made() -> asyncio.BaseProtocol:
            return self.protocol(self.script.protocol)

        if self.script.server_side:
            task = loop.create_task(loop.connect_accepted_socket(made, self.ours))
        elif self.script.family == "unix":
            task = loop.create_task(loop.create_unix_connection(made, sock=self.ours))
        else:
            task = loop.create_task(loop.create_connection(made, sock=self.ours))
        self.player.settle()
        self.player.note(f"connecting: {outcome_of(task)}")

    def do(self, name: str, what: str, *arguments: Any) -> None:
        if self.lost and self.closed_with_data and name in ("write", "writelines", "abort"):
            self.player.note(f"{what}: asyncio has no loop and no socket any more")
        else:
            super().do(name, what, *arguments)

    def act_soon(self, action: Action, where: str) -> None:
        if self.later and not self.script.crowded:
            return  # With four in a turn the loop sends after the last, see when-to-send.md.
        self.later += 1
        self.player.loop.call_soon(self.act_later, action, where)

    def act_later(self, action: Action, where: str) -> None:
        self.later -= 1
        self.act(action, where)

    def do_write(self, size: int, kind: type = bytes) -> Any:
        return self.transport.write(kind(self.data(size)))

    def do_write_wrong(self) -> Any:
        return self.transport.write("text")

    def do_writelines(self, *sizes: int) -> Any:
        if self.transport.is_closing():
            return "asyncio fails"  # With an AttributeError or TypeError until 3.13.
        if self.transport.get_write_buffer_size():
            return "asyncio tries to send what waits"
        return self.transport.writelines([self.data(size) for size in sizes])

    def do_close(self) -> Any:
        self.before_close()
        return self.transport.close()

    def before_close(self) -> None:
        if not self.transport.is_closing():
            self.closed_with_data = self.transport.get_write_buffer_size() > 0

    def do_abort(self) -> Any:
        return self.transport.abort()

    def do_set_protocol(self, kind: str) -> Any:
        return self.transport.set_protocol(self.protocol(kind))

    def do_get_protocol(self) -> Any:
        return getattr(self.transport.get_protocol(), "name", None)

    def do_limits(self, high: int | None, low: int | None) -> Any:
        return self.transport.set_write_buffer_limits(high, low)

    def do_info(self, name: str) -> Any:
        return self.transport.get_extra_info(name) is not None

    # The peer

    def peer_act(self, name: str, *arguments: Any) -> None:
        super().peer_act(name, *arguments)
        self.kernel_is_quiet()

    def peer_read(self, size: int) -> Any:
        """Reads so much, if there is so much, while the loop runs."""
        read = 0
        for _ in range(MOST_READS):
            try:
                data = self.peer.recv(min(READ_AT_ONCE, size - read))
            except BlockingIOError:
                self.player.settle(ticks=0)
                try:
                    data = self.peer.recv(min(READ_AT_ONCE, size - read))
                except BlockingIOError:
                    break
            read += len(data)
            self.received += data
            if not data or read == size:
                return f"{read}{' and the end' * (not data)}"
        return read

    def peer_half_close(self) -> Any:
        return self.peer.shutdown(socket.SHUT_WR)

    def peer_stop_reading(self) -> Any:
        return self.peer.shutdown(socket.SHUT_RD)

    def peer_reset(self) -> None:
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()

    def kernel_is_quiet(self) -> None:
        """Until what was sent over TCP has arrived; Unix sockets deliver at once."""
        if self.script.family != "tcp" or not self.peer_is_open:
            return
        for _ in range(100):
            waiting = fcntl.ioctl(self.peer, termios.TIOCOUTQ, b"\0\0\0\0")
            if waiting == b"\0\0\0\0":
                break
            time.sleep(0)

    # The whole

    def run(self) -> None:
        self.connect()
        self.follow(self.script.steps)
        self.peer_act("read", 1 << 30)
        self.player.settle()
        if not self.script.crowded:
            self.peer_act("close")
            self.player.settle()
        if self.transport is not None:
            self.act(("call", "is_closing"), "in the end ")
            self.act(("abort",), "in the end ")
        self.player.settle()
        self.player.note(f"peer got {len(self.received)} bytes {zlib.crc32(self.received):x}")
        self.peer.close()
        self.transport = None


class Base(ScriptedProtocol):
    play: Play

    def eof_received(self) -> bool:
        self.note("eof_received")
        self.play.react("eof_received")
        if not self.play.script.keep_open:
            self.play.before_close()
        return self.play.script.keep_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.play.lost = True
        super().connection_lost(exc)


class Plain(Base, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self.note(f"data_received {type(data).__name__} {len(data)} {zlib.crc32(data):x}")
        self.play.react("data_received")


class Buffered(Base, asyncio.BufferedProtocol):
    def __init__(self, play: Play, name: str, kind: str) -> None:
        super().__init__(play, name)
        sizes = {"small buffer": 100, "no buffer": 0}
        self.buffer: Any = bytearray(sizes.get(kind, 1 << 16))
        if kind == "constant buffer":
            self.buffer = bytes(10)
        if play.script.family == "tls":
            self.buffer = memoryview(self.buffer)  # asyncio fills copies of a bytearray.

    def get_buffer(self, sizehint: int) -> Any:
        self.note(f"get_buffer {sizehint}")
        self.play.react("get_buffer")
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.note(f"buffer_updated {nbytes} {zlib.crc32(self.buffer[:nbytes]):x}")
        self.play.react("data_received")


def _pair(family: str) -> tuple[socket.socket, socket.socket]:
    if family != "tcp":
        ours, peer = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            peer, _ = listener.accept()
    for sock in (ours, peer):
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return ours, peer


def play(script: Script, kind: str) -> list[str]:
    """The lines of a script on the loop of that kind."""
    with playing(kind, debug=script.debug) as player:
        Play(player, script).run()
    return player.lines
