"""Readers and writers of a few descriptors, which change while they are watched."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any

from tests.models.playing import Player, playing, text_of

Action = tuple[Any, ...]
PLACES = 3
PIPE = 2  # the place that has a pipe: our end is the one that reads


@dataclass(frozen=True)
class Script:
    """What is played; an action that watches has the actions of the callback with it."""

    debug: bool = False
    steps: tuple[Action, ...] = ()


class Place:
    """A descriptor of ours, and the other end."""

    def __init__(self, pipe: bool) -> None:
        self.pipe = pipe
        if pipe:
            self.ours, self.other = os.pipe()
            os.set_blocking(self.ours, False)
            os.set_blocking(self.other, False)
        else:
            ours, other = socket.socketpair()
            for sock in (ours, other):
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 13)
            self.ours, self.other = ours.detach(), other.detach()

    def close(self) -> None:
        os.close(self.ours)
        if self.other >= 0:
            os.close(self.other)


class Play:
    """One script on one loop."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.loop = player.loop
        self.places = [Place(number == PIPE) for number in range(PLACES)]
        self.added = 0

    def called(self, name: str, number: int, actions: tuple[Action, ...]) -> None:
        self.player.note(f"  {name}")
        for action in actions:
            self.act(action, number)

    def act(self, action: Action, place: int = 0) -> None:
        name, *arguments = action
        if name == "raise":
            raise arguments[0]("of the script")
        if name == "turns":
            if not self.loop.is_running():
                for _ in range(arguments[0]):
                    self.player.note("turn")
                    self.player.turn()
            return
        if arguments and arguments[0] == "self":
            arguments[0] = place
        method = getattr(self, f"do_{name}")
        self.player.attempt(f"{name} {arguments[:1]}", lambda: method(*arguments))

    def do_reader(self, number: int, actions: tuple[Action, ...]) -> None:
        self.added += 1
        fd = self.places[number].ours
        self.loop.add_reader(fd, self.called, f"{self.added} reads {number}", number, actions)

    def do_writer(self, number: int, actions: tuple[Action, ...]) -> None:
        self.added += 1
        fd = self.places[number].ours
        self.loop.add_writer(fd, self.called, f"{self.added} writes {number}", number, actions)

    def do_remove_reader(self, number: int) -> bool:
        return self.loop.remove_reader(self.places[number].ours)

    def do_remove_writer(self, number: int) -> bool:
        return self.loop.remove_writer(self.places[number].ours)

    def do_read(self, number: int) -> Any:
        return len(os.read(self.places[number].ours, 1 << 16))

    def do_fill(self, number: int) -> None:
        while True:
            os.write(self.places[number].ours, bytes(1 << 12))

    def do_send(self, number: int) -> Any:
        return os.write(self.places[number].other, b"x")

    def do_drain(self, number: int) -> Any:
        return os.read(self.places[number].other, 1 << 20)[:1]

    def do_end(self, number: int) -> None:
        """The other side closes."""
        other, self.places[number].other = self.places[number].other, -1
        os.close(other)

    def do_renew(self, number: int) -> Any:
        """Another pair with, very likely, the same numbers."""
        answers = self.do_remove_reader(number), self.do_remove_writer(number)
        self.places[number].close()
        self.places[number] = Place(number == PIPE)
        return answers

    def run(self, steps: tuple[Action, ...]) -> None:
        for step in steps:
            try:
                self.act(step)
            except BaseException as exc:
                self.player.note(f"raised {text_of(exc)}")
        for number, place in enumerate(self.places):
            self.loop.remove_reader(place.ours)
            self.loop.remove_writer(place.ours)
            self.places[number].close()


def play(script: Script, kind: str) -> list[str]:
    """The lines of a script on the loop of that kind; what one poll finds has no order."""
    with playing(kind, debug=script.debug) as player:
        Play(player).run(script.steps)
    return player.lines
