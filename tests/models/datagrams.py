"""A datagram endpoint between two peers, one of which may be gone."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any

from tests.models.playing import Player, outcome_of, playing, text_of
from tests.models.scripted import Action, Reactions, ScriptedPlay, ScriptedProtocol
from tests.support.datagrams import nobody

SEND_BUFFER = 1 << 12
LARGE = 1 << 17  # more than a datagram may be
CALLBACKS = (
    "connection_made",
    "datagram_received",
    "error_received",
    "pause_writing",
    "resume_writing",
    "connection_lost",
)


@dataclass(frozen=True)
class Script:
    """What is played; each of the `reactions` is run once within its callback."""

    family: str = "udp"
    connected: bool = False
    debug: bool = False
    reactions: Reactions = ()
    steps: tuple[Action, ...] = ()


class Play(ScriptedPlay):
    """One script on one loop."""

    def __init__(self, player: Player, script: Script) -> None:
        super().__init__(player, script.reactions)
        self.script = script
        if script.family == "udp":
            self.ours, self.peer = _udp(), _udp()
            self.target: Any = self.peer.getsockname()
            if script.connected:
                self.ours.connect(self.target)
            self.peer.connect(self.ours.getsockname())
        else:
            self.ours, self.peer = socket.socketpair(type=socket.SOCK_DGRAM)
            self.target = None
        for sock in (self.ours, self.peer):
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.nobody = nobody()

    def connect(self) -> None:
        loop = self.player.loop
        task = loop.create_task(
            loop.create_datagram_endpoint(lambda: Endpoint(self, "endpoint"), sock=self.ours)
        )
        self.player.settle()
        self.player.note(f"connecting: {outcome_of(task)}")

    def do_send(self, size: int, kind: type, target: Any) -> Any:
        known = {"peer": self.target, "nobody": self.nobody}
        address = known[target] if isinstance(target, str) else target
        return self.transport.sendto(kind(self.data(size)), address)

    def peer_read(self) -> Any:
        """All that comes, while the loop runs."""
        read: list[Any] = []
        for _ in range(3):
            try:
                while True:
                    data = self.peer.recv(1 << 17)
                    read.append((len(data), data[:1]))
            except (BlockingIOError, ConnectionRefusedError):
                self.player.settle(ticks=0)
        return read

    def run(self) -> None:
        self.connect()
        self.follow(self.script.steps)
        self.peer_act("read")
        self.player.settle()
        self.transport.abort()
        self.player.settle()
        self.peer.close()
        self.transport = None


class Endpoint(ScriptedProtocol, asyncio.DatagramProtocol):
    play: Play

    def datagram_received(self, data: bytes, addr: Any) -> None:
        known = addr == (self.play.target or addr)
        self.note(f"datagram_received {type(data).__name__} {len(data)} {data[:1]!r} {known}")
        self.play.react("datagram_received")

    def error_received(self, exc: Exception) -> None:
        self.note(f"error_received {text_of(exc)}")
        self.play.react("error_received")


def _udp() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def play(script: Script, kind: str) -> list[str]:
    """The lines of a script on the loop of that kind."""
    with playing(kind, debug=script.debug) as player:
        Play(player, script).run()
    return player.lines
