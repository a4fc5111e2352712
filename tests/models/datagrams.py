"""A datagram endpoint between two peers, one of which may be gone."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any

from tests.models.playing import Player, outcome_of, playing, text_of

Action = tuple[Any, ...]
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
    reactions: tuple[tuple[str, Action], ...] = ()
    steps: tuple[Action, ...] = ()


class Play:
    """One script on one loop."""

    def __init__(self, player: Player, script: Script) -> None:
        self.player = player
        self.script = script
        self.reactions: dict[str, list[Action]] = {}
        for callback, action in script.reactions:
            self.reactions.setdefault(callback, []).append(action)
        self.transport: Any = None
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
        self.gone = _udp()
        self.nobody = self.gone.getsockname()
        self.gone.close()
        self.numbers = 0

    def connect(self) -> None:
        loop = self.player.loop
        task = loop.create_task(
            loop.create_datagram_endpoint(lambda: Endpoint(self), sock=self.ours)
        )
        self.player.settle()
        self.player.note(f"connecting: {outcome_of(task)}")

    def act(self, action: Action, where: str = "") -> None:
        name, *arguments = action
        if name == "raise":
            raise arguments[0]("of the script")
        if name == "then":
            for part in arguments:
                self.act(part, where)
        elif name == "soon":
            self.player.loop.call_soon(self.act, arguments[0], f"{where}soon ")
        elif self.transport is not None:
            method = getattr(self, f"do_{name}")
            self.player.attempt(f"{where}{name}", lambda: method(*arguments))

    def react(self, callback: str) -> None:
        waiting = self.reactions.get(callback)
        if waiting:
            self.act(waiting.pop(0), f"{callback} ")

    def data(self, size: int) -> bytes:
        self.numbers += 1
        return bytes([self.numbers % 251]) * size

    def do_send(self, size: int, kind: type, target: Any) -> Any:
        known = {"peer": self.target, "nobody": self.nobody}
        address = known[target] if isinstance(target, str) else target
        return self.transport.sendto(kind(self.data(size)), address)

    def do_call(self, method: str, *arguments: Any) -> Any:
        return getattr(self.transport, method)(*arguments)

    def peer_act(self, name: str, *arguments: Any) -> None:
        if self.peer.fileno() >= 0:
            self.player.attempt(f"peer {name}", lambda: getattr(self, f"peer_{name}")(*arguments))

    def peer_send(self, *sizes: int) -> Any:
        return [self.peer.send(self.data(size)) for size in sizes]

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

    def peer_close(self) -> None:
        self.peer.close()

    def run(self) -> None:
        self.connect()
        for who, *step in self.script.steps:
            if who == "ours":
                try:
                    self.act(step[0])
                except BaseException as exc:
                    self.player.note(f"raised {text_of(exc)}")
            elif who == "peer":
                self.peer_act(*step)
            elif who == "turn":
                self.player.turn()
            else:
                self.player.settle()
        self.player.settle()
        self.peer_act("read")
        self.player.settle()
        self.transport.abort()
        self.player.settle()
        self.peer.close()
        self.transport = None


class Endpoint(asyncio.DatagramProtocol):
    """Notes each call, then does what the script says."""

    def __init__(self, play: Play) -> None:
        self.play = play

    def note(self, call: str) -> None:
        self.play.player.note(f"  {call}")

    def connection_made(self, transport: Any) -> None:
        self.play.transport = transport
        self.note("connection_made")
        self.play.react("connection_made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        known = addr == (self.play.target or addr)
        self.note(f"datagram_received {type(data).__name__} {len(data)} {data[:1]!r} {known}")
        self.play.react("datagram_received")

    def error_received(self, exc: Exception) -> None:
        self.note(f"error_received {text_of(exc)}")
        self.play.react("error_received")

    def pause_writing(self) -> None:
        self.note("pause_writing")
        self.play.react("pause_writing")

    def resume_writing(self) -> None:
        self.note("resume_writing")
        self.play.react("resume_writing")

    def connection_lost(self, exc: Exception | None) -> None:
        self.note(f"connection_lost {text_of(exc)}")
        self.play.react("connection_lost")


def _udp() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def play(script: Script, kind: str) -> list[str]:
    """The lines of a script on the loop of that kind."""
    with playing(kind, debug=script.debug) as player:
        Play(player, script).run()
    return player.lines
