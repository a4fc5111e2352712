"""Makes hostile calls in a process that may die of them.

    python -m tests.hostile.child LOOP KIND OUTPUT SECONDS < numbers of the calls

Each call's outcome is a line of JSON in OUTPUT, so the call of a crash is the first that has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import dis
import faulthandler
import functools
import gc
import inspect
import json
import os
import re
import sys
import time
import warnings
from typing import Any

from tests.hostile.calls import CLASSES, LOOP, Call, all_calls
from tests.hostile.scene import Scene
from tests.support.kinds import KINDS
from tests.support.loops import LOOP_FACTORIES

ASYNCIO = os.path.dirname(asyncio.__file__)
HANG = 6  # Seconds after which a call is said to hang.

# What these return depends on the moment.
_OF_THE_MOMENT = {"time", "when", "get_pid", "fileno", "__hash__", "__repr__"}


def words(text: str) -> str:
    """A text without what differs from run to run, and from class to class."""
    for pattern, replacement in (
        (r"Exception in callback .*?(: \w+ \[)", r"Exception in callback …\1"),
        (r"0x[0-9a-f]+", "0x…"),
        (r"\b(fd|name)=-?\d+|\('127\.0\.0\.1', \d+\)|/tmp/\w+|\bpid=?\s?\d+", "…"),
        (r"<(_\w+Transport|\w+Transport|cxxloop\.[\w.]+)\b.*", "<transport …"),
        (r"File descriptor .* is used", "File descriptor … is used"),
        (r"<[\w.]*Loop [^>]*>", "<loop>"),
        (r"\b[\w.]*EventLoop\b|\bcxxloop\._loop\.Loop\b", "Loop"),
        (r"\b\w*Transport\b", "Transport"),
    ):
        text = re.sub(pattern, replacement, text)
    return text.replace("pybind11_type", "type")


def public_class(value: object) -> str:
    """The class of an object that a program can name."""
    for cls in type(value).__mro__:
        if not re.match(r"_|pybind11|Base.*Loop|Server$", cls.__name__) and (
            not cls.__module__.startswith("cxxloop")
        ):
            return cls.__name__
    return ""


def described(value: Any) -> str:
    if value is None or type(value) in (bool, int, float, str, bytes):
        return words(repr(value))
    if type(value) in (tuple, list):
        return f"{type(value).__name__} of {[described(item) for item in value]}"
    return public_class(value)


def is_own_text(exc: BaseException) -> bool:
    """Whether a `raise` in asyncio's code made the exception, and not what it calls."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or not trace.tb_frame.f_code.co_filename.startswith(ASYNCIO):
        return False
    code = trace.tb_frame.f_code.co_code
    return code[trace.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def failure(exc: BaseException) -> dict[str, Any]:
    try:
        text = words(str(exc))
    except Exception:
        text = "unprintable"
    return {"raised": type(exc).__qualname__, "text": text, "own": is_own_text(exc)}


class Case:
    """One call on one loop; run() returns what can be seen of it."""

    def __init__(self, library: str, call: Call, seconds: float) -> None:
        self.call = call
        self.seconds = seconds
        self.scene = Scene(LOOP_FACTORIES[library])
        self.outcome: dict[str, Any] = {}

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        positional = [make(self.scene) for _, make in self.call.positional]
        named: dict[str, Any] = {}
        keywords = [(name, make(self.scene)) for name, make in self.call.keywords]
        named.update(keywords)
        return positional, named

    def start(self, target: Any) -> Any:
        positional, named = self.arguments()
        return functools.partial(getattr(target, self.call.method), *positional, **named)

    def conclude(self, result: Any) -> None:
        told = public_class(result) if self.call.method in _OF_THE_MOMENT else described(result)
        self.outcome["result"] = told

    async def await_result(self, result: Any) -> None:
        task = asyncio.ensure_future(result)
        await asyncio.wait({task}, timeout=self.seconds)
        if not task.done():
            self.outcome["result"] = "pending"
            task.cancel()
            await asyncio.wait({task}, timeout=self.seconds)
            return
        self.conclude(await task)

    async def within(self) -> None:
        """The call while the loop runs."""
        async with KINDS[self.call.kind](self.scene.loop) as target:
            self.scene.target = target
            waiting = target.get_protocol() if self.call.kind == "subprocess" else None
            try:
                result = self.start(target)()
                if inspect.isawaitable(result):
                    await self.await_result(result)
                else:
                    self.conclude(result)
            except BaseException as exc:
                self.outcome |= failure(exc)
            for _ in range(4):
                await asyncio.sleep(0)
            if waiting is not None:  # For the child, at the end of this block.
                target.set_protocol(waiting)

    def outside(self) -> None:
        """The call while the loop doesn't run."""
        loop = self.scene.target = self.scene.loop
        if self.call.method.startswith("run_"):
            loop.call_later(self.seconds, loop.stop)
        try:
            result = self.start(loop)()
            if inspect.isawaitable(result):
                loop.run_until_complete(self.await_result(result))
            else:
                self.conclude(result)
        except BaseException as exc:
            self.outcome |= failure(exc)
        for _ in range(3):
            if not loop.is_closed():
                loop.call_soon(loop.stop)
                loop.run_forever()

    def act(self) -> None:
        if self.call.kind == LOOP and not inspect.iscoroutinefunction(
            getattr(CLASSES[LOOP], self.call.method)
        ):
            self.outside()
        else:
            self.scene.loop.run_until_complete(self.within())

    def run(self) -> dict[str, Any]:
        try:
            self.act()
        except BaseException as exc:
            self.outcome["driver"] = type(exc).__qualname__
        self.outcome["sockets"] = self.scene.sockets()
        # When a task is collected depends on who still holds a traceback.
        self.outcome["reported"] = sorted(
            words(text) for text in self.scene.reported if not text.startswith("Task was destroyed")
        )
        try:
            self.scene.close()
        except BaseException as exc:
            self.outcome["close"] = failure(exc)
        return self.outcome


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def run(library: str, call: Call, seconds: float) -> dict[str, Any]:
    before = descriptors()
    unraisable: list[str] = []
    sys.unraisablehook = lambda it: unraisable.append(f"{it.exc_type.__name__}")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        outcome = Case(library, call, seconds).run()
        gc.collect()
    outcome["warned"] = sorted({each.category.__name__ for each in warned})
    outcome["unraisable"] = sorted(unraisable)
    deadline = time.monotonic() + 0.3
    while descriptors() > before and time.monotonic() < deadline:
        time.sleep(0.01)  # A lookup that nobody waits for has a socket of its own.
    outcome["left"] = descriptors() - before
    return outcome


def main() -> None:
    library, kind, output, seconds = sys.argv[1:]
    faulthandler.enable()
    numbers = [int(line) for line in sys.stdin]
    calls = list(all_calls(kind))
    with open(output, "a", buffering=1) as lines:
        with contextlib.suppress(Exception):
            run(library, calls[0], 0.1)  # What is opened once for the process.
        gc.collect()
        gc.freeze()
        for number in numbers:
            faulthandler.dump_traceback_later(HANG, exit=True)
            began = time.monotonic()
            outcome = run(library, calls[number], float(seconds))
            outcome["took"] = round(time.monotonic() - began, 3)
            faulthandler.cancel_dump_traceback_later()
            lines.write(json.dumps({"call": str(calls[number])} | outcome) + "\n")
    os._exit(0)


if __name__ == "__main__":
    main()
