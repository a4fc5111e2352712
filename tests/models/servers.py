"""A server, clients at any moment, and whoever waits for it."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.models.playing import Player, playing, text_of
from tests.models.scripted import Action, Actor

LARGE = 1 << 20  # bytes that a client's buffer doesn't take
UNCLOSED = "ResourceWarning: unclosed <socket.socket"
HAS_CLIENTS = sys.version_info >= (3, 13)


@dataclass(frozen=True)
class Script:
    """What is played; `reactions` are run in connection_made(), one for each connection."""

    family: str = "unix"
    debug: bool = False
    backlog: int = 100
    start_serving: bool = True
    reactions: tuple[Action, ...] = ()
    steps: tuple[Action, ...] = ()


class Play(Actor):
    """One script on one loop."""

    def __init__(self, player: Player, script: Script, directory: str) -> None:
        super().__init__(player)
        self.script = script
        self.path = Path(directory) / "server"
        self.address: Any = None
        self.server: Any = None
        self.reactions = list(script.reactions)
        self.clients: list[socket.socket] = []
        self.transports: list[Any] = []
        self.tasks: list[asyncio.Task[Any]] = []

    def serve(self) -> None:
        loop = self.player.loop
        options: Any = {"backlog": self.script.backlog}
        options["start_serving"] = self.script.start_serving
        if self.script.family == "unix":
            made: Any = loop.create_unix_server(lambda: Client(self), self.path, **options)
        else:
            made = loop.create_server(lambda: Client(self), "127.0.0.1", 0, **options)
        self.server = loop.run_until_complete(made)
        self.address = self.server.sockets[0].getsockname()

    def do_server(self, method: str) -> Any:
        return getattr(self.server, method)()

    def do_sockets(self) -> Any:
        return [sock.fileno() >= 0 for sock in self.server.sockets]

    def do_repr(self) -> Any:
        return repr(self.server).split("=")[0]

    def do_task(self, method: str) -> None:
        number = len(self.tasks)
        self.tasks.append(self.player.loop.create_task(self.outcome(number, method)))

    async def outcome(self, number: int, method: str) -> None:
        waiting: Coroutine[Any, Any, Any] = getattr(self.server, method)()
        try:
            result = await waiting
        except BaseException as exc:
            text = text_of(exc)
            self.player.note(f"  task {number} {method}: {text.split('<')[0]}")
            if isinstance(exc, asyncio.CancelledError):
                raise
        else:
            self.player.note(f"  task {number} {method}: {result}")

    def do_cancel(self, index: int) -> Any:
        return self.tasks[index % len(self.tasks)].cancel() if self.tasks else None

    # asyncio accepts in one turn all that waits, and asks for protocols in the next; cxxloop
    # does both at once and for a few. One that comes alone has the same outcome.
    def connect(self) -> None:
        tcp = self.script.family == "tcp"
        client = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
        client.setblocking(False)
        self.clients.append(client)
        try:
            client.connect(self.address)
        except BlockingIOError:
            pass
        self.player.settle(ticks=0)

    def do_client(self, index: int, method: str) -> None:
        if self.clients:
            client = self.clients[index % len(self.clients)]
            if method == "close":
                client.close()
            elif client.fileno() >= 0:
                client.send(b"data") if method == "send" else client.shutdown(socket.SHUT_WR)

    def do_transport(self, index: int, method: str, *sizes: int) -> None:
        if self.transports:
            transport = self.transports[index % len(self.transports)]
            getattr(transport, method)(*map(bytes, sizes))

    def run(self) -> None:
        self.serve()
        for step in self.script.steps:
            if step == ("settle",):
                self.player.settle()
            elif step == ("connect",):
                self.player.settle(ticks=0)
                self.player.attempt("connect", self.connect)
            else:
                self.act(step)
        self.player.settle(ticks=0)
        self.act(("server", "close"))
        for client in self.clients:
            client.close()
        self.player.settle(ticks=0)
        for transport in self.transports:
            transport.abort()
        self.player.settle(ticks=0)
        for number, task in enumerate(self.tasks):
            if not task.done():
                self.player.note(f"task {number} waits for ever")
                task.cancel()
        self.player.settle(ticks=0)
        self.transports.clear()


class Client(asyncio.Protocol):
    """A connection as the server sees it."""

    def __init__(self, play: Play) -> None:
        self.play = play
        play.player.note("  factory")
        self.number = -1
        if play.reactions and play.reactions[0] == ("no protocol",):
            play.reactions.pop(0)
            raise ValueError("no protocol")

    def note(self, call: str) -> None:
        self.play.player.note(f"  {self.number} {call}")

    def connection_made(self, transport: Any) -> None:
        self.number = len(self.play.transports)
        self.play.transports.append(transport)
        self.note("connection_made")
        if self.play.reactions:
            self.play.act(self.play.reactions.pop(0), "made ")

    def data_received(self, data: bytes) -> None:
        self.note(f"data_received {data!r}")

    def eof_received(self) -> bool:
        self.note("eof_received")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.note(f"connection_lost {text_of(exc)}")


def play(script: Script, kind: str) -> list[str]:
    """The lines of a script on the loop of that kind."""
    with tempfile.TemporaryDirectory() as directory:
        with playing(kind, debug=script.debug) as player:
            Play(player, script, directory).run()
    if kind == "asyncio":
        # It leaves to the collector what it has accepted where a factory fails.
        return [line for line in player.lines if not line.startswith(UNCLOSED)]
    return player.lines
