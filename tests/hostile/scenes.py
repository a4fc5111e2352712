"""The life of one transport of each kind, in which each callback of its protocol is called."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from tests.hostile.acts import Act
from tests.hostile.players import (
    BufferedPlayer,
    ChildPlayer,
    DatagramPlayer,
    PipePlayer,
    Play,
    Player,
    StreamPlayer,
    shown,
)
from tests.support.kinds import tls_contexts

Loop = asyncio.AbstractEventLoop
MUCH = bytes(3 << 20)


def started(play: Play, connecting: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Runs a connect as a task; how it ends is noted."""

    async def noted() -> None:
        try:
            await connecting
        except BaseException as exc:
            play.note(f"connect: {shown(exc)}")
            if isinstance(exc, asyncio.CancelledError | GeneratorExit):
                raise
        else:
            play.note("connect: done")

    return play.loop.create_task(noted())


def _abort(transport: Any) -> None:
    if transport is not None:
        abort = getattr(transport, "abort", transport.close)
        with contextlib.suppress(AttributeError):  # asyncio's, when it is closed already.
            abort()


def finished(play: Play, task: asyncio.Task[Any], player: Player) -> None:
    _abort(player.transport)
    play.turns(4)
    task.cancel()
    play.turns(4)
    player.transport = None


def _drained(sock: socket.socket) -> bool:
    try:
        return len(sock.recv(1 << 22)) > 0
    except OSError:
        return False


def _sent(sock: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        sock.send(data)


def stream(play: Play, player: Player) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        task = started(play, play.loop.create_unix_connection(lambda: player, sock=ours))
        play.turns()
        _sent(theirs, b"one")
        play.turns(4)
        if player.transport is not None:
            play.loop.call_soon(player.transport.write, MUCH)
            play.turns(4)
            while _drained(theirs):
                play.turns(2)
        _sent(theirs, b"two")
        with contextlib.suppress(OSError):
            theirs.shutdown(socket.SHUT_WR)
        play.turns(6)
        finished(play, task, player)


class _Other(asyncio.Protocol):
    """The other side of a TLS connection; neither acts nor tells."""

    transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport


def tls(play: Play, player: Player) -> None:
    ours, theirs = socket.socketpair()
    for_server, for_client = tls_contexts()
    loop = play.loop
    other = _Other()

    async def accepting() -> None:
        with contextlib.suppress(OSError, AttributeError):
            await loop.connect_accepted_socket(lambda: other, theirs, ssl=for_server)

    with ours, theirs:
        accepted = loop.create_task(accepting())
        task = started(
            play,
            loop.create_unix_connection(
                lambda: player, sock=ours, ssl=for_client, server_hostname=""
            ),
        )
        play.turns(30)
        if other.transport is not None:
            loop.call_soon(other.transport.write, b"one")
        play.turns(6)
        if player.transport is not None:
            if other.transport is not None:
                other.transport.pause_reading()
            for _ in range(2):  # The first one leaves the layer of TLS for the one below.
                loop.call_soon(player.transport.write, MUCH[: 1 << 20])
            play.turns(6)
            if other.transport is not None:
                other.transport.resume_reading()
            play.turns(60)
        if other.transport is not None:
            loop.call_soon(other.transport.close)
        play.turns(40)
        finished(play, task, player)
        _abort(other.transport)
        accepted.cancel()
        play.turns(6)


def datagram(play: Play, player: Player) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs,
    ):
        for sock in (ours, theirs):
            sock.setblocking(False)
            sock.bind(("127.0.0.1", 0))
        ours.connect(theirs.getsockname())
        theirs.connect(ours.getsockname())
        task = started(play, play.loop.create_datagram_endpoint(lambda: player, sock=ours))
        play.turns()
        for _ in range(3):
            _sent(theirs, b"one")
        play.turns(6)
        theirs.close()
        for _ in range(2):  # Refused, which the next call tells.
            if player.transport is not None:
                play.loop.call_soon(player.transport.sendto, b"to nobody")
            play.turns(4)
        finished(play, task, player)


def read_pipe(play: Play, player: Player) -> None:
    read_end, write_end = os.pipe()
    with open(read_end, "rb", 0) as pipe, open(write_end, "wb", 0) as theirs:
        task = started(play, play.loop.connect_read_pipe(lambda: player, pipe))
        play.turns()
        with contextlib.suppress(OSError):
            theirs.write(b"one")
        play.turns(4)
        theirs.close()
        play.turns(4)
        finished(play, task, player)


def write_pipe(play: Play, player: Player) -> None:
    read_end, write_end = os.pipe()
    with open(read_end, "rb", 0) as theirs, open(write_end, "wb", 0) as pipe:
        os.set_blocking(read_end, False)
        task = started(play, play.loop.connect_write_pipe(lambda: player, pipe))
        play.turns()
        if player.transport is not None:
            play.loop.call_soon(player.transport.write, MUCH[: 1 << 18])
            play.turns(4)
            while theirs.read(1 << 20):
                play.turns(2)
        theirs.close()
        play.turns(4)
        finished(play, task, player)


def child(play: Play, player: Player) -> None:
    loop = play.loop
    code = "echo one; read line"
    task = started(play, loop.subprocess_exec(lambda: player, "sh", "-c", code, stderr=None))

    def until(condition: Callable[[], Any]) -> None:
        deadline = loop.time() + 1  # Where an exit has lost what would come.
        while not condition() and not loop.is_closed() and loop.time() < deadline:
            loop.call_later(0.001, loop.stop)
            try:
                loop.run_forever()
            except BaseException as exc:
                play.note(f"left: {shown(exc)}")

    until(lambda: task.done() or player.transport is not None)
    transport = player.transport
    until(lambda: any(line.startswith("pipe_data_received") for line in play.lines))
    if transport is not None:
        with contextlib.suppress(ProcessLookupError):
            transport.kill()
    until(lambda: any(line.startswith("connection_lost") for line in play.lines))
    finished(play, task, player)
    if transport is not None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(transport.get_pid(), 0)


SCENES: dict[str, tuple[Callable[[Play, Player], None], type[Player], list[str]]] = {
    "stream": (stream, StreamPlayer, ["data_received"]),
    "buffered stream": (stream, BufferedPlayer, ["get_buffer", "buffer_updated"]),
    "TLS": (tls, StreamPlayer, ["data_received"]),
    "buffered TLS": (tls, BufferedPlayer, ["get_buffer", "buffer_updated"]),
    "datagram": (datagram, DatagramPlayer, ["datagram_received", "error_received"]),
    "read pipe": (read_pipe, PipePlayer, ["data_received"]),
    "write pipe": (write_pipe, PipePlayer, []),
    "child": (child, ChildPlayer, ["pipe_data_received", "pipe_connection_lost", "process_exited"]),
}

_ALWAYS = ["connection_made", "connection_lost"]
_WRITING = ["pause_writing", "resume_writing"]
_MORE: dict[str, list[str]] = {
    "stream": [*_WRITING, "eof_received"],
    "buffered stream": [*_WRITING, "eof_received"],
    "TLS": [*_WRITING, "eof_received"],
    "buffered TLS": [*_WRITING, "eof_received"],
    "read pipe": ["eof_received"],
    "write pipe": _WRITING,
}


def callbacks_of(kind: str) -> list[str]:
    return [*_ALWAYS, *SCENES[kind][2], *_MORE.get(kind, [])]


@contextlib.contextmanager
def _unraisable(play: Play) -> Iterator[None]:
    before = sys.unraisablehook
    sys.unraisablehook = lambda it: play.note(f"unraisable {it.exc_type.__name__}")
    try:
        yield
        gc.collect()
    finally:
        sys.unraisablehook = before


def performed(
    new_loop: Callable[[], Loop], kind: str, callback: str, act: Act, *, debug: bool = False
) -> list[str]:
    """The trace of one scene in which a callback acts."""
    scene, player, _ = SCENES[kind]
    loop = new_loop()
    loop.set_debug(debug)
    play = Play(loop)
    with _unraisable(play):
        acting = player().cast(play, callback, act)
        try:
            scene(play, acting)
        finally:
            acting.transport = None
            for task in asyncio.all_tasks(loop):
                task.cancel()
            play.turns(2)
            loop.close()
        del acting
    return play.lines
