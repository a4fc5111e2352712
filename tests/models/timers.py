"""Timers by a clock that only moves when a script says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from dataclasses import dataclass
from typing import Any

import cxxloop
from tests.models.playing import Player, playing, text_of

Action = tuple[Any, ...]


_numbers = itertools.count()


class OrderedTimer(asyncio.TimerHandle):
    """asyncio's heap mixes timers that are due at the same time; here the first comes first."""

    __slots__ = ("number",)
    number: int

    def __lt__(self, other: Any) -> bool:
        return bool((self.when(), self.number) < (other.when(), other.number))


class Clocked:
    """Mixed into both kinds of loops."""

    now = 0.0

    def time(self) -> float:
        return self.now


class AsyncioLoop(Clocked, asyncio.SelectorEventLoop):
    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> OrderedTimer:
        if when is None:
            raise TypeError("when cannot be None")
        self._check_closed()  # type: ignore[attr-defined]
        timer = OrderedTimer(when, callback, args, self, context)
        timer.number = next(_numbers)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer


class CxxLoop(Clocked, cxxloop.Loop):  # type: ignore[misc]
    pass


FACTORIES = {"asyncio": AsyncioLoop, "cxxloop": CxxLoop}


@dataclass(frozen=True)
class Script:
    """What is played; an action that schedules has the actions of the callback with it."""

    debug: bool = False
    steps: tuple[Action, ...] = ()


class Play:
    """One script on one loop."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.loop: Any = player.loop
        self.handles: list[Any] = []

    def fire(self, number: int, actions: tuple[Action, ...]) -> None:
        self.player.note(f"{number} at {self.loop.time()}")
        for action in actions:
            self.act(action)

    def act(self, action: Action) -> None:
        name, *arguments = action
        if name == "raise":
            raise arguments[0]("of the script")
        getattr(self, name)(*arguments)

    def _schedule(self, method: str, first: Any, actions: tuple[Action, ...]) -> None:
        number = len(self.handles)
        schedule = getattr(self.loop, method)
        try:
            made = schedule(*first, self.fire, number, actions)
        except Exception as exc:
            self.player.note(f"{method}: {text_of(exc)}")
        else:
            self.handles.append(made)

    def later(self, delay: Any, actions: tuple[Action, ...]) -> None:
        self._schedule("call_later", (delay,), actions)

    def at(self, when: Any, actions: tuple[Action, ...]) -> None:
        self._schedule("call_at", (when,), actions)

    def soon(self, actions: tuple[Action, ...]) -> None:
        self._schedule("call_soon", (), actions)

    def cancel(self, index: int) -> None:
        if self.handles:
            self.handles[index % len(self.handles)].cancel()

    def describe(self, index: int) -> None:
        if self.handles:
            handle = self.handles[index % len(self.handles)]
            when = handle.when() if isinstance(handle, asyncio.TimerHandle) else None
            self.player.note(f"when {when} cancelled {handle.cancelled()}")

    def advance(self, seconds: float) -> None:
        self.loop.now += seconds

    def turn(self) -> None:
        self.player.note("turn")
        if not self.loop.is_running():
            self.player.turn()


def play(script: Script, kind: str) -> list[str]:
    """The lines of a script on the loop of that kind."""
    with playing(kind, debug=script.debug, factory=FACTORIES[kind]) as player:
        made = Play(player)
        for step in script.steps:
            try:
                made.act(step)
            except BaseException as exc:
                player.note(f"raised {text_of(exc)}")
        for _ in range(3):
            made.advance(100)
            made.turn()
        for handle in made.handles:
            handle.cancel()
        made.handles.clear()
    return player.lines
