"""close(): what it ends, and what a closed loop refuses."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import cxxloop
from tests.lifecycle.interpreters import FACTORIES, interpret_script
from tests.support.loops import LOOP_FACTORIES, run, run_once
from tests.support.protocols import Recorder
from tests.support.sanitizers import memory_is_told, resident

Loop = asyncio.AbstractEventLoop


def test_closing_twice_does_nothing_more(any_loop: Loop) -> None:
    any_loop.close()
    any_loop.close()
    assert any_loop.is_closed()


def test_loop_that_never_ran_can_be_closed() -> None:
    for _ in range(100):
        cxxloop.Loop().close()


def test_running_loop_cannot_be_closed(any_loop: Loop) -> None:
    errors: list[str] = []

    def close() -> None:
        with pytest.raises(RuntimeError) as caught:
            any_loop.close()
        errors.append(str(caught.value))

    any_loop.call_soon(close)
    run_once(any_loop)
    assert errors == ["Cannot close a running event loop"]
    assert not any_loop.is_closed()


def test_loop_running_in_another_thread_cannot_be_closed(any_loop: Loop) -> None:
    running = threading.Event()
    any_loop.call_soon(running.set)
    thread = threading.Thread(target=any_loop.run_forever)
    thread.start()
    assert running.wait(10)
    with pytest.raises(RuntimeError, match="^Cannot close a running event loop$"):
        any_loop.close()
    with pytest.raises(RuntimeError, match="^This event loop is already running$"):
        any_loop.run_forever()
    any_loop.call_soon_threadsafe(any_loop.stop)
    thread.join(10)
    any_loop.close()


# As expressions for a fresh interpreter.
_COROUTINES = {
    "getaddrinfo": 'closed.getaddrinfo("localhost", 80)',
    "getaddrinfo of a number": 'closed.getaddrinfo("127.0.0.1", 80)',
    "getnameinfo": 'closed.getnameinfo(("127.0.0.1", 80))',
    "sock_recv": "closed.sock_recv(sock, 1)",
    "sock_recv_into": "closed.sock_recv_into(sock, bytearray(1))",
    "sock_recvfrom": "closed.sock_recvfrom(sock, 1)",
    "sock_sendall": 'closed.sock_sendall(sock, b"x" * 10_000_000)',
    "sock_connect": 'closed.sock_connect(socket.socket(), ("127.0.0.1", 1))',
    "sock_accept": "closed.sock_accept(sock)",
    "shutdown_default_executor": "closed.shutdown_default_executor()",
    "shutdown_asyncgens": "closed.shutdown_asyncgens()",
}
_PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "run_forever": lambda loop, sock: loop.run_forever(),
    "call_soon": lambda loop, sock: loop.call_soon(print),
    "call_soon_threadsafe": lambda loop, sock: loop.call_soon_threadsafe(print),
    "call_later": lambda loop, sock: loop.call_later(1, print),
    "call_at": lambda loop, sock: loop.call_at(1, print),
    "add_reader": lambda loop, sock: loop.add_reader(sock, print),
    "add_writer": lambda loop, sock: loop.add_writer(sock, print),
    "remove_reader": lambda loop, sock: loop.remove_reader(sock),
    "remove_writer": lambda loop, sock: loop.remove_writer(sock),
    "run_in_executor": lambda loop, sock: loop.run_in_executor(None, print),
    "add_signal_handler": lambda loop, sock: loop.add_signal_handler(signal.SIGUSR1, print),
    "remove_signal_handler": lambda loop, sock: loop.remove_signal_handler(signal.SIGUSR1),
    "stop": lambda loop, sock: loop.stop(),
    "is_running": lambda loop, sock: loop.is_running(),
    "is_closed": lambda loop, sock: loop.is_closed(),
    "get_debug": lambda loop, sock: loop.get_debug(),
    "set_debug": lambda loop, sock: loop.set_debug(True),
    "time": lambda loop, sock: type(loop.time()),
    "create_future": lambda loop, sock: type(loop.create_future()),
    "get_task_factory": lambda loop, sock: loop.get_task_factory(),
    "set_task_factory": lambda loop, sock: loop.set_task_factory(None),
    "get_exception_handler": lambda loop, sock: loop.get_exception_handler(),
    "set_exception_handler": lambda loop, sock: loop.set_exception_handler(None),
    "set_default_executor": lambda loop, sock: loop.set_default_executor(None),
    "slow_callback_duration": lambda loop, sock: loop.slow_callback_duration,
    "repr": lambda loop, sock: repr(loop).split()[1:],
}


def _outcome(call: Callable[[], Any]) -> tuple[str, str]:
    """What comes of a call: its result, or its exception."""
    try:
        return "returns", repr(call())
    except Exception as exc:
        return type(exc).__name__, str(exc)


@pytest.mark.parametrize("method", sorted(_PLAIN))
def test_closed_loop_refuses_what_asyncios_refuses(method: str) -> None:
    outcomes = []
    for factory in LOOP_FACTORIES.values():
        loop = factory()
        loop.close()
        with socket.socket() as sock:
            sock.setblocking(False)
            outcomes.append(_outcome(lambda: _PLAIN[method](loop, sock)))  # noqa: B023
    assert outcomes[0] == outcomes[1]


def test_closed_loop_runs_no_coroutine_and_makes_no_task(any_loop: Loop) -> None:
    any_loop.close()
    for refuse in (any_loop.run_until_complete, any_loop.create_task):
        coroutine = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="^Event loop is closed$"):
            refuse(coroutine)
        coroutine.close()


@pytest.mark.parametrize("method", sorted(_COROUTINES))
def test_coroutine_of_a_closed_loop_ends_as_asyncios(method: str) -> None:
    """Driven by another loop, since the closed one runs nothing."""
    outcomes = [
        interpret_script(
            f"""
            async def attempt():
                try:
                    print("returns", await asyncio.wait_for({_COROUTINES[method]}, 5))
                except Exception as exc:
                    print(type(exc).__name__, exc)

            closed = {factory}()
            closed.close()
            sock, other = socket.socketpair()
            sock.setblocking(False)
            runner = asyncio.Runner(loop_factory={factory})
            runner.run(attempt())
            runner.close()
            """
        )
        for factory in FACTORIES.values()
    ]
    assert outcomes[0].status == 0
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "make",
    [
        lambda loop, sock: loop.create_connection(asyncio.Protocol, sock=sock),
        lambda loop, sock: loop.create_unix_connection(asyncio.Protocol, sock=sock),
        lambda loop, sock: loop.connect_accepted_socket(asyncio.Protocol, sock),
    ],
    ids=["connection", "unix connection", "accepted"],
)
def test_closed_loop_makes_no_transports_and_leaves_no_sockets(
    loop: cxxloop.Loop, make: Callable[[Any, socket.socket], Any]
) -> None:
    """asyncio's own loop makes them there, and leaves them half done."""
    closed = cxxloop.Loop()
    closed.close()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(RuntimeError, match="^Event loop is closed$"):
            run(loop, make(closed, ours), 5)
    gc.collect()


def test_closed_loop_serves_nothing(any_loop: Loop) -> None:
    closed = type(any_loop)()
    closed.close()
    with warnings.catch_warnings():
        # asyncio leaves the listening socket to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(RuntimeError, match="^Event loop is closed$"):
            run(any_loop, closed.create_server(asyncio.Protocol, "127.0.0.1", 0), 5)
        gc.collect()


def test_close_with_everything_pending_returns_promptly(loop: cxxloop.Loop) -> None:
    released = threading.Event()
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    protocol = Recorder(loop)
    left: list[Any] = []

    async def main() -> None:
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        transport, _ = await loop.create_connection(lambda: protocol, *address)
        transport.write(b"x" * 10_000_000)
        left.extend([server, transport])

    run(loop, main())
    loop.call_later(3600, print)
    loop.call_soon(print)
    loop.add_reader(ours, print)
    loop.add_writer(ours, print)
    loop.add_reader(reading, print)
    loop.add_signal_handler(signal.SIGUSR1, print)
    left.append(loop.run_in_executor(None, released.wait, 15))
    started = time.monotonic()
    with warnings.catch_warnings():
        # asyncio's transports warn as well: nobody closed them.
        warnings.simplefilter("ignore", ResourceWarning)
        loop.close()
        assert time.monotonic() - started < 5
        left.clear()
        protocol.transport = None
        gc.collect()
    assert loop.is_closed()
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    released.set()
    os.close(reading)
    os.close(writing)
    ours.close()
    theirs.close()


def test_close_gives_back_every_descriptor(any_loop: Loop) -> None:
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(50):
        loop = type(any_loop)()
        run(loop, asyncio.sleep(0))
        loop.close()
    assert set(os.listdir("/proc/self/fd")) == before


@memory_is_told
def test_loops_that_are_closed_leave_no_memory_behind() -> None:
    """A thousand loops, each with something pending; the resident size must stay."""

    def cycle(count: int) -> None:
        for _ in range(count):
            loop = cxxloop.Loop()
            loop.call_later(3600, print)
            loop.call_soon(loop.stop)
            loop.run_forever()
            loop.close()
        gc.collect()

    cycle(200)
    before = resident()
    cycle(800)
    assert resident() - before < 8 << 20


def test_unclosed_loop_warns_when_it_is_collected(any_loop: Loop) -> None:
    kind = type(any_loop)
    loop = kind()
    expected = repr(loop)
    with pytest.warns(ResourceWarning) as caught:
        del loop
        gc.collect()
    messages = [str(warning.message) for warning in caught]
    assert f"unclosed event loop {expected}" in messages
    # The sockets of asyncio's self-pipe do not warn, __del__() closes them with the loop.
    assert len(messages) == 1


def test_slot_of_a_closed_loop_is_free_for_another(any_loop: Loop) -> None:
    """Closing one loop takes no descriptor from another one."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        got: list[bytes] = []
        any_loop.add_reader(ours, lambda: got.append(ours.recv(10)))
        for _ in range(20):
            other = type(any_loop)()
            with socket.socket() as sock:
                other.add_reader(sock, print)
                other.call_soon(other.stop)
                other.run_forever()
                other.close()
        theirs.send(b"alive")
        any_loop.call_later(10, any_loop.stop)
        while not got:
            run_once(any_loop)
        assert got == [b"alive"]
        any_loop.remove_reader(ours)
