"""create_task(), with and without a task factory."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.loops import Failures, run

Loop = asyncio.AbstractEventLoop

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

# From here on a factory gets every keyword, and so does the task.
HANDS_EVERYTHING_ON = sys.version_info >= (3, 13, 3)


async def answer() -> int:
    return 42


def described(task: Any) -> tuple[str, bool]:
    return type(task).__name__, task.get_name().startswith("Task-")


def test_task_is_asyncios_own(any_loop: Loop) -> None:
    async def main() -> None:
        task = any_loop.create_task(answer())
        assert type(task) is asyncio.Task
        assert task in asyncio.all_tasks()
        assert task.get_loop() is any_loop
        assert described(task) == ("Task", True)
        assert await task == 42

    run(any_loop, main())


def test_name_and_context_reach_the_task(any_loop: Loop) -> None:
    context = contextvars.copy_context()
    context.run(variable.set, "in the context")

    async def read() -> str:
        variable.set(variable.get() + ", changed")
        return variable.get()

    async def main() -> None:
        task = any_loop.create_task(read(), name="a name", context=context)
        assert task.get_name() == "a name"
        assert await task == "in the context, changed"
        assert context[variable] == "in the context, changed"
        assert variable.get() == "unset"
        assert await any_loop.create_task(read(), context=None) == "unset, changed"
        assert variable.get() == "unset"

    run(any_loop, main())


def test_coroutine_can_be_given_by_keyword(any_loop: Loop) -> None:
    async def main() -> None:
        create_task: Any = any_loop.create_task
        assert await create_task(coro=answer()) == 42
        task = create_task(name="a name", coro=answer(), context=contextvars.copy_context())
        assert task.get_name() == "a name"
        assert await task == 42
        with pytest.raises(TypeError):
            create_task(name="a name")
        with pytest.raises(TypeError):
            create_task(answer, coro=answer)

    run(any_loop, main())


def test_name_of_any_type_becomes_text(any_loop: Loop) -> None:
    async def main() -> None:
        for name in (7, b"bytes", ("a", 1)):
            task: Any = any_loop.create_task(answer(), name=name)  # type: ignore[arg-type]
            assert task.get_name() == str(name)
            await task

    run(any_loop, main())


@pytest.mark.parametrize("wrong", [None, 5, answer, object()])
def test_only_coroutines_become_tasks(any_loop: Loop, wrong: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="a coroutine was expected, got"):
            any_loop.create_task(wrong)

    run(any_loop, main())


def test_unknown_keyword_is_refused_and_the_coroutine_stays_usable(any_loop: Loop) -> None:
    async def main() -> None:
        coro = answer()
        with pytest.raises(TypeError, match="unexpected keyword argument|invalid keyword argument"):
            any_loop.create_task(coro, unknown=1)  # type: ignore[call-arg]
        assert await any_loop.create_task(coro) == 42

    run(any_loop, main())


def test_coroutine_is_needed(any_loop: Loop) -> None:
    with pytest.raises(TypeError):
        any_loop.create_task()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        any_loop.create_task(answer, answer)  # type: ignore[misc,arg-type]


def test_coroutine_of_a_closed_loop_is_left_alone(any_loop: Loop) -> None:
    any_loop.close()
    coro = answer()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        any_loop.create_task(coro)
    with pytest.raises(StopIteration):
        coro.send(None)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="eager_start is new in 3.14")
@pytest.mark.parametrize("eager", [True, False, None])
def test_eager_start_runs_up_to_the_first_wait(any_loop: Loop, eager: bool | None) -> None:
    async def main() -> None:
        steps: list[str] = []

        async def work() -> None:
            steps.append("began")
            await asyncio.sleep(0)
            steps.append("ended")

        task = any_loop.create_task(work(), eager_start=eager)  # type: ignore[call-arg]
        assert steps == (["began"] if eager else [])
        await task
        assert steps == ["began", "ended"]

    run(any_loop, main())


def test_factory_gets_the_keywords_of_this_version(any_loop: Loop) -> None:
    calls: list[tuple[Any, ...]] = []

    def factory(loop: Loop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        calls.append((loop, sorted(options)))
        return asyncio.Task(coro, loop=loop, **options)

    async def main() -> None:
        any_loop.set_task_factory(factory)
        assert any_loop.get_task_factory() is factory
        context = contextvars.copy_context()
        tasks = [
            any_loop.create_task(answer()),
            any_loop.create_task(answer(), name="named"),
            any_loop.create_task(answer(), context=context),
            any_loop.create_task(answer(), name="both", context=context),
        ]
        assert [await task for task in tasks] == [42] * 4
        assert tasks[1].get_name() == "named"
        assert tasks[3].get_name() == "both"
        any_loop.set_task_factory(None)
        assert any_loop.get_task_factory() is None

    run(any_loop, main())
    assert [loop for loop, _ in calls] == [any_loop] * 4
    if HANDS_EVERYTHING_ON:
        assert [options for _, options in calls] == [
            [],
            ["name"],
            ["context"],
            ["context", "name"],
        ]
    else:
        assert [options for _, options in calls] == [[], [], ["context"], ["context"]]


def test_factory_of_the_old_kind_works_without_keywords(any_loop: Loop) -> None:
    """uvloop#746"""

    async def main() -> None:
        any_loop.set_task_factory(lambda loop, coro: asyncio.Task(coro, loop=loop))
        assert await any_loop.create_task(answer()) == 42
        assert await asyncio.gather(answer(), answer()) == [42, 42]
        any_loop.set_task_factory(None)

    run(any_loop, main())


def test_factory_may_return_any_future(any_loop: Loop) -> None:
    class Renamed(asyncio.Future[int]):
        def set_name(self, name: object) -> None:
            self.name = name

    async def main() -> None:
        def factory(loop: Loop, coro: Any, **options: Any) -> Any:
            coro.close()
            future = Renamed(loop=loop)
            future.set_result(7)
            return future

        any_loop.set_task_factory(factory)
        task: Any = any_loop.create_task(answer())
        any_loop.set_task_factory(None)
        assert type(task) is Renamed
        assert await task == 7

    run(any_loop, main())


def test_failing_factory_fails_the_call(any_loop: Loop) -> None:
    def factory(loop: Loop, coro: Any, **options: Any) -> Any:
        coro.close()
        raise ZeroDivisionError

    async def main() -> None:
        any_loop.set_task_factory(factory)
        with pytest.raises(ZeroDivisionError):
            any_loop.create_task(answer())
        any_loop.set_task_factory(None)

    run(any_loop, main())


def test_factory_must_be_callable(any_loop: Loop) -> None:
    with pytest.raises(TypeError, match="task factory must be a callable or None"):
        any_loop.set_task_factory(5)  # type: ignore[arg-type]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in 3.12")
def test_eager_factory_runs_up_to_the_first_wait(any_loop: Loop) -> None:
    """uvloop#718"""

    async def main() -> None:
        any_loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        done = any_loop.create_task(answer(), name="eager")
        assert done.done()
        assert done.result() == 42
        assert done.get_name() == "eager"
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(asyncio.sleep(0, 3))
            assert not waiting.done()
        assert waiting.result() == 3
        any_loop.set_task_factory(None)

    run(any_loop, main())


@pytest.mark.parametrize("module", [asyncio.tasks, asyncio.futures])
def test_replaced_task_and_future_classes_are_used(
    any_loop: Loop, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "Task" if module is asyncio.tasks else "Future"
    original: Callable[..., Any] = getattr(module, name)
    made: list[Any] = []

    def replacement(*args: Any, **kwargs: Any) -> Any:
        made.append(original(*args, **kwargs))
        return made[-1]

    async def main() -> None:
        monkeypatch.setattr(module, name, replacement)
        thing = any_loop.create_task(answer()) if name == "Task" else any_loop.create_future()
        monkeypatch.undo()
        assert thing is made[-1]
        if name == "Task":
            assert await thing == 42

    run(any_loop, main())


def test_failure_nobody_looks_at_is_reported(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def fail() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        task = any_loop.create_task(fail())
        await asyncio.wait([task])
        del task

    run(any_loop, main())
    assert failures.messages == ["Task exception was never retrieved"]
