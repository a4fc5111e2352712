"""Callbacks that belong to no protocol raise exceptions of every kind: the traces are asyncio's."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import difflib
import gc
import os
import signal
import socket
import ssl
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from tests.hostile.acts import EXCEPTIONS, OddError
from tests.hostile.players import Play, shown
from tests.support.kinds import tls_contexts
from tests.support.loops import FUTURES_REFUSE_STOP_ITERATION, LOOP_FACTORIES, close_loop

Raise = Callable[..., Any]


def failing(exc: BaseException) -> None:
    # A copy, as an exception keeps all that is on the stack that it was raised from.
    raise copy.copy(exc)


def outcome(play: Play, what: str, call: Callable[[], object]) -> None:
    try:
        play.note(f"{what}: {call() is not None}")
    except BaseException as exc:
        play.note(f"{what}: {shown(exc)}")


async def noted(play: Play, what: str, waiting: Any) -> None:
    try:
        await waiting
        play.note(f"{what}: done")
    except BaseException as exc:
        play.note(f"{what}: {shown(exc)}")
        if isinstance(exc, asyncio.CancelledError | GeneratorExit | SystemExit | KeyboardInterrupt):
            raise


def scheduled(play: Play, fail: Raise) -> None:
    loop = play.loop
    for schedule in (loop.call_soon, loop.call_soon_threadsafe):
        schedule(fail)
        schedule(play.note, "the next")
        play.turns(3)
    loop.call_later(0, fail)
    play.turns(3)


def watcher(play: Play, fail: Raise) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"data")
        for add, remove in (
            (play.loop.add_reader, play.loop.remove_reader),
            (play.loop.add_writer, play.loop.remove_writer),
        ):
            add(ours, fail)
            play.turns(4)
            play.note(f"removed {remove(ours)}")


def signal_handler(play: Play, fail: Raise) -> None:
    play.loop.add_signal_handler(signal.SIGUSR1, fail)
    os.kill(os.getpid(), signal.SIGUSR1)
    play.turns(4)
    play.note(f"removed {play.loop.remove_signal_handler(signal.SIGUSR1)}")


def done_callback(play: Play, fail: Raise) -> None:
    future = play.loop.create_future()
    future.add_done_callback(fail)
    future.add_done_callback(lambda _: play.note("the next"))
    future.set_result(None)
    play.turns(3)


def task(play: Play, fail: Raise) -> None:
    async def step() -> None:
        await asyncio.sleep(0)
        fail()

    tasks = [play.loop.create_task(step())]
    play.turns(4)
    tasks.append(play.loop.create_task(noted(play, "awaited", tasks[0])))
    play.turns(4)


def task_factory(play: Play, fail: Raise) -> None:
    coroutines: list[Any] = []

    def factory(loop: Any, coroutine: Any, **_: Any) -> Any:
        coroutines.append(coroutine)
        fail()

    loop = play.loop
    loop.set_task_factory(factory)
    outcome(play, "create_task", lambda: loop.create_task(asyncio.sleep(0)))
    outcome(play, "run_until_complete", lambda: loop.run_until_complete(asyncio.sleep(0)))
    loop.call_soon(lambda: outcome(play, "ensure", lambda: asyncio.ensure_future(asyncio.sleep(0))))
    play.turns(3)
    loop.set_task_factory(None)
    for coroutine in coroutines:
        coroutine.close()
    loop.run_until_complete(asyncio.sleep(0))


def exception_handler(play: Play, fail: Raise) -> None:
    def handler(*_: Any) -> None:
        play.note("handler")
        fail()

    play.loop.set_exception_handler(handler)
    play.loop.call_soon(failing, OddError("first"))
    play.loop.call_soon(play.note, "the next")
    play.turns(3)
    outcome(play, "call", lambda: play.loop.call_exception_handler({"message": "said"}))


def executor(play: Play, fail: Raise) -> None:
    made = play.loop.create_task(noted(play, "run", play.loop.run_in_executor(None, fail)))
    with contextlib.suppress(BaseException):
        play.loop.run_until_complete(made)
    play.turns(3)


def resolver(play: Play, fail: Raise) -> None:
    loop: Any = play.loop

    async def getaddrinfo(*_: Any, **__: Any) -> Any:
        fail()

    loop.getaddrinfo = getaddrinfo
    for connecting in (
        lambda: loop.create_connection(asyncio.Protocol, "name", 1),
        lambda: loop.create_server(asyncio.Protocol, "name", 1),
        lambda: loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("name", 1)),
    ):
        made = loop.create_task(noted(play, "connect", connecting()))
        play.turns(8)
        play.note(f"done {made.done()}")


def accepting_factory(play: Play, fail: Raise) -> None:
    loop: Any = play.loop
    server = loop.run_until_complete(loop.create_server(fail, "127.0.0.1", 0))
    with socket.create_connection(server.sockets[0].getsockname()):
        play.turns(6)
    play.note("accepted")
    server.close()
    play.turns(3)


def stream_handler(play: Play, fail: Raise) -> None:
    loop: Any = play.loop

    async def main() -> Any:
        return await asyncio.start_server(fail, "127.0.0.1", 0)

    server = loop.run_until_complete(main())
    with socket.create_connection(server.sockets[0].getsockname()):
        play.turns(6)
    play.turns(6)
    server.close()
    play.turns(6)


def asyncgen(play: Play, fail: Raise) -> None:
    loop = play.loop

    async def generator() -> Any:
        try:
            yield 1
        finally:
            fail()

    async def main() -> None:
        made = generator()
        await made.__anext__()

    outcome(play, "run", lambda: loop.run_until_complete(main()))
    play.turns(4)
    loop.create_task(noted(play, "shutdown", loop.shutdown_asyncgens()))
    play.turns(4)


def file_to_send(play: Play, fail: Raise) -> None:
    class File:
        mode = "rb"

        def fileno(self) -> int:
            raise AttributeError("no descriptor")

        def seek(self, offset: int) -> None: ...

        read = readinto = staticmethod(fail)

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        loop: Any = play.loop
        made = loop.create_task(noted(play, "sock_sendfile", loop.sock_sendfile(ours, File())))
        with contextlib.suppress(BaseException):
            loop.run_until_complete(made)
        play.turns(3)


def clock(play: Play, fail: Raise) -> None:
    loop: Any = play.loop
    loop.call_later(0, play.note, "called first")
    loop.time = fail
    outcome(play, "call_later", lambda: loop.call_later(0, play.note, "called"))
    play.turns(2)
    del loop.time
    play.turns(2)


def handshake_of(play: Play, prepare: Callable[[ssl.SSLContext], object]) -> None:
    """A handshake on a server's context that was prepared, over a socket pair."""
    loop: Any = play.loop
    for_server, for_client = tls_contexts()
    prepare(for_server)
    ours, theirs = socket.socketpair()
    tasks = [
        loop.create_task(
            noted(
                play,
                "client",
                loop.create_unix_connection(
                    asyncio.Protocol, sock=ours, ssl=for_client, server_hostname="localhost"
                ),
            )
        ),
        loop.create_task(
            noted(
                play,
                "server",
                loop.connect_accepted_socket(asyncio.Protocol, theirs, ssl=for_server),
            )
        ),
    ]
    play.turns(30)
    play.note(f"done {[task.done() for task in tasks]}")
    for task in tasks:
        task.cancel()
    play.turns(12)
    ours.close()
    theirs.close()
    # Which of both sides is told first is nothing to rely on.
    play.lines.sort()


def server_name_callback(play: Play, fail: Raise) -> None:
    handshake_of(play, lambda context: setattr(context, "sni_callback", fail))


def message_callback(play: Play, fail: Raise) -> None:
    handshake_of(play, lambda context: setattr(context, "_msg_callback", fail))


CALLBACKS = {
    function.__name__: function
    for function in (
        scheduled,
        watcher,
        signal_handler,
        done_callback,
        task,
        task_factory,
        exception_handler,
        executor,
        resolver,
        accepting_factory,
        stream_handler,
        asyncgen,
        file_to_send,
        clock,
        server_name_callback,
        message_callback,
    )
}

IN_THREADS = ("executor", "file_to_send")


def trace(kind: str, callback: str, exc: BaseException, *, debug: bool) -> list[str]:
    loop = LOOP_FACTORIES[kind]()
    loop.set_debug(debug)
    loop.slow_callback_duration = 100
    play = Play(loop)
    before = sys.unraisablehook
    sys.unraisablehook = lambda it: play.note(f"unraisable {it.exc_type.__name__}")

    def fail(*_: Any, **__: Any) -> Any:
        failing(exc)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            CALLBACKS[callback](play, fail)
            with contextlib.suppress(BaseException):
                close_loop(loop)
            loop.close()
    finally:
        sys.unraisablehook = before
    assert threading.active_count() == 1
    # When a task is forgotten is up to the collector: exits hold asyncio's handles.
    return [line for line in play.lines if "exception was never retrieved" not in line]


@pytest.mark.slow
@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("callback", sorted(CALLBACKS))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_traces_of_a_callback_that_raises_are_asyncios(callback: str, debug: bool) -> None:
    found = []
    for exc in EXCEPTIONS:
        if (
            isinstance(exc, StopIteration)
            and callback in IN_THREADS
            and FUTURES_REFUSE_STOP_ITERATION
        ):
            continue
        theirs = trace("asyncio", callback, exc, debug=debug)
        ours = trace("cxxloop", callback, exc, debug=debug)
        assert theirs
        if ours != theirs:
            found += [type(exc).__name__, *difflib.unified_diff(theirs, ours, lineterm="", n=3)]
    gc.collect()  # asyncio leaves sockets to it.
    assert not found, "\n".join(found)
