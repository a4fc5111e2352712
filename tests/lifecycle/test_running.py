"""run_forever(), run_until_complete(), stop() and what they say of themselves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.loops import LOOP_FACTORIES, close_loop, run_once
from tests.support.protocols import Recorder

Loop = asyncio.AbstractEventLoop
EXITS = [SystemExit, KeyboardInterrupt]


def test_loop_is_an_abstract_event_loop(any_loop: Loop) -> None:
    assert isinstance(any_loop, asyncio.AbstractEventLoop)


def test_loop_tells_whether_it_runs(any_loop: Loop) -> None:
    seen: list[tuple[bool, bool]] = []
    assert not any_loop.is_running()
    any_loop.call_soon(lambda: seen.append((any_loop.is_running(), any_loop.is_closed())))
    run_once(any_loop)
    assert seen == [(True, False)]
    assert not any_loop.is_running()
    any_loop.close()
    assert any_loop.is_closed()
    assert not any_loop.is_running()


def test_running_loop_is_the_one_that_runs(any_loop: Loop) -> None:
    seen: list[Loop] = []
    any_loop.call_soon(lambda: seen.append(asyncio.get_running_loop()))
    run_once(any_loop)
    assert seen == [any_loop]
    with pytest.raises(RuntimeError, match="^no running event loop$"):
        asyncio.get_running_loop()


def test_stop_twice_ends_one_run(any_loop: Loop) -> None:
    ran: list[int] = []
    any_loop.call_soon(any_loop.stop)
    any_loop.call_soon(any_loop.stop)
    any_loop.run_forever()
    any_loop.call_soon(ran.append, 1)
    any_loop.call_soon(any_loop.call_soon, ran.append, 2)
    any_loop.call_later(0.001, any_loop.stop)
    any_loop.run_forever()
    assert ran == [1, 2]


def test_stop_before_the_run_does_not_wait_for_timers(any_loop: Loop) -> None:
    any_loop.call_later(3600, print)
    any_loop.stop()
    started = any_loop.time()
    any_loop.run_forever()
    assert any_loop.time() - started < 5


def test_callback_after_stop_runs_in_the_next_run(any_loop: Loop) -> None:
    ran: list[str] = []

    def callback() -> None:
        any_loop.stop()
        any_loop.call_soon(ran.append, "next run")
        any_loop.call_soon_threadsafe(ran.append, "next run too")

    any_loop.call_soon(callback)
    any_loop.run_forever()
    assert ran == []
    run_once(any_loop)
    assert ran == ["next run", "next run too"]


def test_result_is_returned_and_exception_raised(any_loop: Loop) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError("by nothing")

    assert any_loop.run_until_complete(asyncio.sleep(0, "result")) == "result"
    with pytest.raises(ZeroDivisionError, match="^by nothing$"):
        any_loop.run_until_complete(fail())


def test_done_future_ends_its_run_after_one_turn(any_loop: Loop) -> None:
    future = any_loop.create_future()
    future.set_result("done")
    assert any_loop.run_until_complete(future) == "done"


def test_cancelled_future_raises_cancelled_error(any_loop: Loop) -> None:
    future = any_loop.create_future()
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        any_loop.run_until_complete(future)


def test_every_awaitable_can_be_completed(any_loop: Loop) -> None:
    class Awaitable:
        def __await__(self) -> Any:
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    assert any_loop.run_until_complete(Awaitable()) == "awaited"


@pytest.mark.parametrize("wrong", [None, 42, "text", print])
def test_only_awaitables_can_be_completed(any_loop: Loop, wrong: Any) -> None:
    with pytest.raises(
        TypeError, match="^An asyncio.Future, a coroutine or an awaitable is required$"
    ):
        any_loop.run_until_complete(wrong)


def test_stopped_loop_did_not_complete_its_future(any_loop: Loop) -> None:
    async def stop() -> None:
        any_loop.stop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match=r"^Event loop stopped before Future completed\.$"):
        any_loop.run_until_complete(stop())


def test_future_of_a_stopped_run_does_not_stop_later_runs(any_loop: Loop) -> None:
    future = any_loop.create_future()
    any_loop.call_soon(any_loop.stop)
    with pytest.raises(RuntimeError, match="stopped before"):
        any_loop.run_until_complete(future)
    future.set_result(None)
    assert any_loop.run_until_complete(asyncio.sleep(0.001, "to the end")) == "to the end"


@pytest.mark.parametrize("other_name", sorted(LOOP_FACTORIES))
def test_future_of_another_loop_is_refused(any_loop: Loop, other_name: str) -> None:
    other = LOOP_FACTORIES[other_name]()
    future = other.create_future()
    with pytest.raises(
        ValueError,
        match="^The future belongs to a different loop than the one specified as the loop argument",
    ):
        any_loop.run_until_complete(future)
    future.cancel()
    other.close()


def test_running_loop_cannot_be_run(any_loop: Loop) -> None:
    errors: list[str] = []

    async def main() -> None:
        for again in (
            any_loop.close,
            lambda: any_loop.run_until_complete(any_loop.create_future()),
            any_loop.run_forever,
        ):
            with pytest.raises(RuntimeError) as caught:
                again()
            errors.append(str(caught.value))
        any_loop.call_soon(any_loop.stop)  # 3.13.0's forgets that it was asked to.

    any_loop.run_until_complete(main())
    assert errors == [
        "Cannot close a running event loop",
        "This event loop is already running",
        "This event loop is already running",
    ]


@pytest.mark.parametrize("other_name", sorted(LOOP_FACTORIES))
def test_another_loop_cannot_run_within_a_running_one(any_loop: Loop, other_name: str) -> None:
    other = LOOP_FACTORIES[other_name]()
    errors: list[str] = []

    async def main() -> None:
        for nested in (
            other.run_forever,
            lambda: other.run_until_complete(other.create_future()),
        ):
            with pytest.raises(RuntimeError) as caught:
                nested()
            errors.append(str(caught.value))
            if type(other) is not asyncio.SelectorEventLoop:  # 3.13.0's forgets the outer one.
                assert asyncio.get_running_loop() is any_loop
            asyncio._set_running_loop(any_loop)

    any_loop.run_until_complete(main())
    other.run_until_complete(asyncio.sleep(0))
    assert errors == ["Cannot run the event loop while another loop is running"] * 2
    other.close()


def test_loop_runs_many_times_and_in_other_threads(any_loop: Loop) -> None:
    import threading

    seen: list[int] = []
    for _ in range(10):
        any_loop.run_until_complete(asyncio.sleep(0))
        thread = threading.Thread(
            target=lambda: (
                any_loop.call_soon(lambda: seen.append(threading.get_ident())),
                any_loop.run_until_complete(asyncio.sleep(0)),
            )
        )
        thread.start()
        thread.join()
    assert len(seen) == 10
    assert threading.get_ident() not in seen


def _from_callback(loop: Loop, leave: Callable[[], None]) -> None:
    loop.call_soon(leave)


def _from_timer(loop: Loop, leave: Callable[[], None]) -> None:
    loop.call_later(0.001, leave)


def _from_other_thread(loop: Loop, leave: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(leave)


def _from_done_callback(loop: Loop, leave: Callable[[], None]) -> None:
    future = loop.create_future()
    future.add_done_callback(lambda _: leave())
    future.set_result(None)


def _from_task(loop: Loop, leave: Callable[[], None]) -> None:
    async def task() -> None:
        await asyncio.sleep(0)
        leave()

    task_object = loop.create_task(task())
    task_object.add_done_callback(lambda done: done.exception())


@pytest.mark.parametrize("kind", EXITS)
@pytest.mark.parametrize(
    "schedule",
    [_from_callback, _from_timer, _from_other_thread, _from_done_callback, _from_task],
)
def test_exit_leaves_the_run_and_the_loop_still_works(
    any_loop: Loop, schedule: Callable[[Loop, Callable[[], None]], None], kind: type[BaseException]
) -> None:
    def leave() -> None:
        raise kind("enough")

    schedule(any_loop, leave)
    with pytest.raises(kind, match="^enough$"):
        any_loop.run_forever()
    assert not any_loop.is_running()
    assert any_loop.run_until_complete(asyncio.sleep(0.001, "works")) == "works"
    close_loop(any_loop)


@pytest.mark.parametrize("kind", EXITS)
@pytest.mark.parametrize("direction", ["reader", "writer"])
def test_exit_of_a_descriptor_callback_leaves_the_run(
    any_loop: Loop, direction: str, kind: type[BaseException]
) -> None:
    def leave() -> None:
        raise kind("descriptor")

    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        getattr(any_loop, f"add_{direction}")(ours, leave)
        for _ in range(2):  # It stays registered.
            with pytest.raises(kind, match="^descriptor$"):
                any_loop.run_forever()
        assert getattr(any_loop, f"remove_{direction}")(ours)
        assert any_loop.run_until_complete(asyncio.sleep(0.001, "works")) == "works"
        close_loop(any_loop)


@pytest.mark.parametrize("kind", EXITS)
@pytest.mark.parametrize("method", ["connection_made", "data_received", "eof_received"])
def test_exit_of_a_protocol_leaves_the_run(
    any_loop: Loop, method: str, kind: type[BaseException]
) -> None:
    class Leaving(Recorder):
        left = False

        def leave(self, name: str) -> None:
            if name == method and not self.left:
                self.left = True
                raise kind(name)

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.leave("connection_made")

        def data_received(self, data: bytes) -> None:
            self.leave("data_received")

        def eof_received(self) -> bool:
            self.leave("eof_received")
            return False

    protocols: list[Leaving] = []

    def factory() -> Leaving:
        protocols.append(Leaving(any_loop))
        return protocols[0]

    ours, theirs = socket.socketpair()
    with theirs:
        theirs.send(b"data")
        theirs.shutdown(socket.SHUT_WR)
        task = any_loop.create_task(any_loop.create_unix_connection(factory, sock=ours))
        with pytest.raises(kind, match=f"^{method}$"):
            any_loop.run_forever()
        assert not any_loop.is_running()

        async def end() -> None:
            await asyncio.wait([task], timeout=0.01)
            task.cancel()
            protocols[0].transport.abort()
            await protocols[0].lost

        any_loop.run_until_complete(end())
        close_loop(any_loop)


def test_exit_in_run_until_complete_can_be_followed_by_another(any_loop: Loop) -> None:
    async def leave() -> None:
        raise SystemExit(3)

    for _ in range(3):
        with pytest.raises(SystemExit) as caught:
            any_loop.run_until_complete(leave())
        assert caught.value.code == 3


def test_exit_leaves_no_running_loop_behind(any_loop: Loop) -> None:
    def leave() -> None:
        raise KeyboardInterrupt

    any_loop.call_soon(leave)
    with pytest.raises(KeyboardInterrupt):
        any_loop.run_forever()
    assert asyncio._get_running_loop() is None


def test_all_tasks_are_those_of_the_loop(any_loop: Loop) -> None:
    async def main() -> None:
        tasks = {any_loop.create_task(asyncio.sleep(60)) for _ in range(5)}
        assert asyncio.all_tasks() == tasks | {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    any_loop.run_until_complete(main())
    assert asyncio.all_tasks(any_loop) == set()


def test_timeouts_groups_and_threads_work(any_loop: Loop) -> None:
    async def main() -> list[Any]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(60), 0.001)
        async with asyncio.TaskGroup() as group:
            first = group.create_task(asyncio.to_thread(lambda: "thread"))
            second = group.create_task(asyncio.sleep(0, "group"))
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(60))
                group.create_task(asyncio.to_thread(lambda: 1 // 0))
        return [first.result(), second.result()]

    assert any_loop.run_until_complete(main()) == ["thread", "group"]
