"""anyio on cxxloop's factory, as compared with asyncio's."""

from __future__ import annotations

import asyncio
import contextvars
import math
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.memory import MemoryObjectReceiveStream

import cxxloop
from tests.support.load import BODY, ask_many, pieces

Runner = Callable[[Callable[[], Awaitable[Any]]], Any]


FACTORIES = {"asyncio": asyncio.SelectorEventLoop, "cxxloop": cxxloop.new_event_loop}


@pytest.fixture(params=sorted(FACTORIES))
def run(request: pytest.FixtureRequest) -> Runner:
    """anyio.run() on each of the loops."""
    kind = request.param

    def run_on(main: Callable[[], Awaitable[Any]]) -> Any:
        async def bounded() -> Any:
            assert type(asyncio.get_running_loop()).__module__.split(".")[0] == kind
            with anyio.fail_after(20):
                return await main()

        options = {"loop_factory": FACTORIES[kind]}
        return anyio.run(bounded, backend="asyncio", backend_options=options)

    return run_on


def test_result_and_failure_come_out_of_run(run: Runner) -> None:
    async def result() -> str:
        return "result"

    async def failure() -> None:
        raise ZeroDivisionError

    assert run(result) == "result"
    with pytest.raises(ZeroDivisionError):
        run(failure)


def test_task_group_cancels_the_others_when_one_fails(run: Runner) -> None:
    ended: list[str] = []

    async def wait(name: str) -> None:
        try:
            await anyio.sleep(math.inf)
        except anyio.get_cancelled_exc_class():
            ended.append(name)
            raise

    async def fail() -> None:
        await anyio.lowlevel.checkpoint()
        raise ZeroDivisionError

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as info:
            async with anyio.create_task_group() as group:
                group.start_soon(wait, "first")
                group.start_soon(wait, "second")
                group.start_soon(fail)
        assert [type(exc) for exc in info.value.exceptions] == [ZeroDivisionError]
        assert sorted(ended) == ["first", "second"]

    run(main)


def test_started_task_hands_its_value_to_who_starts_it(run: Runner) -> None:
    async def serve(*, task_status: anyio.abc.TaskStatus[int]) -> None:
        task_status.started(42)
        await anyio.sleep(math.inf)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            assert await group.start(serve) == 42
            group.cancel_scope.cancel()

    run(main)


def test_cancel_scopes_end_where_they_belong(run: Runner) -> None:
    steps: list[str] = []

    async def main() -> None:
        with anyio.move_on_after(0.02) as outer:
            with anyio.move_on_after(10) as inner:
                try:
                    await anyio.sleep(math.inf)
                finally:
                    with anyio.CancelScope(shield=True):
                        await anyio.sleep(0.01)
                        steps.append("shielded")
            steps.append("not reached")
        assert outer.cancelled_caught and not inner.cancelled_caught
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0):
                await anyio.sleep(math.inf)
        await anyio.lowlevel.checkpoint()
        steps.append("after")

    run(main)
    assert steps == ["shielded", "after"]


def test_threads_work_for_the_loop_and_call_back_into_it(run: Runner) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def double(number: int) -> int:
        assert threading.current_thread() is threading.main_thread()
        await anyio.sleep(0)
        return 2 * number

    def work(number: int) -> tuple[int, str]:
        assert threading.current_thread() is not threading.main_thread()
        return anyio.from_thread.run(double, number), variable.get()

    async def main() -> None:
        variable.set("set")
        results: dict[int, tuple[int, str]] = {}

        async def one(number: int) -> None:
            results[number] = await anyio.to_thread.run_sync(work, number)

        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(one, number)
        assert results == {number: (2 * number, "set") for number in range(50)}

    run(main)


def test_portal_calls_into_a_loop_of_its_own_thread() -> None:
    async def name() -> tuple[str, int]:
        module = type(asyncio.get_running_loop()).__module__
        return module.split(".")[0], threading.get_ident()

    for kind, factory in FACTORIES.items():
        with anyio.from_thread.start_blocking_portal(
            backend_options={"loop_factory": factory}
        ) as portal:
            found, thread = portal.call(name)
            assert found == kind
            assert thread != threading.get_ident()
            assert portal.start_task_soon(name).result(10) == (kind, thread)


async def echo(client: anyio.abc.ByteStream) -> None:
    async with client:
        async for chunk in client:
            await client.send(chunk)


async def ask(client: anyio.abc.ByteStream, token: str) -> str:
    await client.send(token.encode() + b"\n")
    received = await BufferedByteReceiveStream(client).receive_until(b"\n", 100)
    return received.decode()


def test_tcp_clients_get_their_own_answers(run: Runner) -> None:
    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, echo)

            async def one(token: str) -> str:
                async with await anyio.connect_tcp("127.0.0.1", port) as client:
                    assert client.extra(anyio.abc.SocketAttribute.remote_port) == port
                    return await ask(client, token)

            await ask_many(20, one, 100)
            group.cancel_scope.cancel()

    run(main)


def test_unix_clients_get_their_own_answers(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        async with (
            await anyio.create_unix_listener(path) as listener,
            anyio.create_task_group() as group,
        ):
            group.start_soon(listener.serve, echo)

            async def one(token: str) -> str:
                async with await anyio.connect_unix(path) as client:
                    return await ask(client, token)

            await ask_many(20, one, 100)
            group.cancel_scope.cancel()

    run(main)


def test_half_closed_stream_still_receives_the_whole_body(run: Runner) -> None:
    async def swallow_then_answer(client: anyio.abc.SocketStream) -> None:
        async with client:
            body = b"".join([chunk async for chunk in client])
            await client.send(body)

    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, swallow_then_answer)
            async with await anyio.connect_tcp("127.0.0.1", port) as client:
                for piece in pieces():
                    await client.send(piece)
                await client.send_eof()
                assert b"".join([chunk async for chunk in client]) == BODY
            group.cancel_scope.cancel()

    run(main)


def test_errors_of_streams_are_anyio_s_own(run: Runner) -> None:
    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as group:

            async def leave(client: anyio.abc.SocketStream) -> None:
                await client.aclose()

            group.start_soon(listener.serve, leave)
            async with await anyio.connect_tcp("127.0.0.1", port) as client:
                with pytest.raises(anyio.EndOfStream):
                    await client.receive()
            with pytest.raises(anyio.ClosedResourceError):
                await client.receive()
            group.cancel_scope.cancel()
        with pytest.raises(OSError, match="All connection attempts failed"):
            await anyio.connect_tcp("127.0.0.1", port)

    run(main)


def test_second_receiver_of_a_stream_is_refused(run: Runner) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        async with await anyio.abc.UNIXSocketStream.from_socket(ours) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(client.receive)
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(anyio.BusyResourceError):
                    await client.receive()
                theirs.send(b"x")
        theirs.close()

    run(main)


def test_cancelled_receive_loses_no_bytes(run: Runner) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        async with await anyio.abc.UNIXSocketStream.from_socket(ours) as client:
            with anyio.move_on_after(0.01) as scope:
                await client.receive()
            assert scope.cancelled_caught
            theirs.send(b"kept")
            assert await client.receive() == b"kept"
        theirs.close()

    run(main)


def test_readable_and_writable_are_waited_for(run: Runner) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            await anyio.wait_writable(ours)
            with anyio.move_on_after(0.01) as scope:
                await anyio.wait_readable(ours)
            assert scope.cancelled_caught
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.wait_readable, ours)
                await anyio.wait_all_tasks_blocked()
                theirs.send(b"x")
            assert ours.recv(1) == b"x"

    run(main)


def test_signals_are_received_in_order(run: Runner) -> None:
    async def main() -> None:
        with anyio.open_signal_receiver(signal.SIGUSR1, signal.SIGUSR2) as signals:
            received: list[int] = []
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1):
                signal.raise_signal(number)
                received.append(await anext(signals))
            assert received == [signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1]

    run(main)


def test_blocked_tasks_are_waited_for(run: Runner) -> None:
    async def main() -> None:
        event = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(event.wait)
            await anyio.wait_all_tasks_blocked()
            assert event.statistics().tasks_waiting == 1
            event.set()

    run(main)


def test_memory_streams_hand_over_every_item(run: Runner) -> None:
    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[int](3)
        seen: list[int] = []

        async def take(mine: MemoryObjectReceiveStream[int]) -> None:
            async with mine:
                async for item in mine:
                    seen.append(item)
                    await anyio.sleep(0)

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(take, receive.clone())
            receive.close()
            async with send:
                for number in range(500):
                    await send.send(number)
        assert sorted(seen) == list(range(500))

    run(main)
