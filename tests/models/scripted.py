"""A transport between a script and its peer: what streams and datagrams have in common."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

from tests.models.playing import Player, text_of

Action = tuple[Any, ...]
Reactions = tuple[tuple[str, Action], ...]
"""What is done within the callbacks that they are named after, each once."""


class Actor:
    """Does what actions say: `raise`, `soon`, `then`, or the name of a method do_…()."""

    def __init__(self, player: Player) -> None:
        self.player = player

    def act(self, action: Action, where: str = "") -> None:
        """Does it now; `where` says within which callback."""
        name, *arguments = action
        what = f"{where}{name}"
        if name == "raise":
            self.player.note(what)
            raise arguments[0]("of the script")
        if name == "soon":
            self.act_soon(arguments[0], f"{where}soon ")
        elif name == "then":
            for part in arguments:
                self.act(part, where)
        else:
            self.do(name, what, *arguments)

    def act_soon(self, action: Action, where: str) -> None:
        self.player.loop.call_soon(self.act, action, where)

    def do(self, name: str, what: str, *arguments: Any) -> None:
        self.player.attempt(what, lambda: getattr(self, f"do_{name}")(*arguments))


class ScriptedPlay(Actor):
    """Does each step of a script with the transport or with its peer."""

    ours: socket.socket
    peer: socket.socket

    def __init__(self, player: Player, reactions: Reactions) -> None:
        super().__init__(player)
        self.transport: Any = None
        self.written = 0
        self.reactions: dict[str, list[Action]] = {}
        for callback, action in reactions:
            self.reactions.setdefault(callback, []).append(action)

    def react(self, callback: str) -> None:
        """Runs what the script says for this callback, once."""
        waiting = self.reactions.get(callback)
        if waiting:
            self.act(waiting.pop(0), f"{callback} ")

    def do(self, name: str, what: str, *arguments: Any) -> None:
        if self.transport is None:
            self.player.note(f"{what}: no transport")
        else:
            super().do(name, what, *arguments)

    def do_call(self, method: str, *arguments: Any) -> Any:
        return getattr(self.transport, method)(*arguments)

    def data(self, size: int) -> bytes:
        self.written += 1
        return bytes([self.written % 251]) * size

    @property
    def peer_is_open(self) -> bool:
        return self.peer.fileno() >= 0

    def peer_act(self, name: str, *arguments: Any) -> None:
        if self.peer_is_open:
            self.player.attempt(f"peer {name}", lambda: getattr(self, f"peer_{name}")(*arguments))

    def peer_send(self, *sizes: int) -> Any:
        return [self.peer.send(self.data(size)) for size in sizes]

    def peer_close(self) -> None:
        self.peer.close()

    def follow(self, steps: Iterable[Action]) -> None:
        for who, *step in steps:
            if who == "ours":
                try:
                    self.act(step[0])
                except BaseException as exc:
                    self.player.note(f"raised {text_of(exc)}")
            elif who == "peer":
                self.peer_act(*step)
            elif who == "turn":
                self.player.note("turn")
                self.player.turn()
            else:
                self.player.settle()
        self.player.settle()


class ScriptedProtocol:
    """Notes each call, then does what the script says."""

    def __init__(self, play: ScriptedPlay, name: str) -> None:
        self.play = play
        self.name = name

    def note(self, call: str) -> None:
        self.play.player.note(f"  {self.name}.{call}")

    def connection_made(self, transport: Any) -> None:
        self.play.transport = transport
        self.note("connection_made")
        self.play.react("connection_made")

    def connection_lost(self, exc: Exception | None) -> None:
        self.note(f"connection_lost {text_of(exc)}")
        self.play.react("connection_lost")

    def pause_writing(self) -> None:
        self.note("pause_writing")
        self.play.react("pause_writing")

    def resume_writing(self) -> None:
        self.note("resume_writing")
        self.play.react("resume_writing")
