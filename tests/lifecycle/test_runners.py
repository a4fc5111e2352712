"""asyncio.Runner, cxxloop.run(), policies and the switch that rules cxxloop out."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import Any

import pytest

import cxxloop
from tests.lifecycle.interpreters import interpret_script
from tests.support.loops import LOOP_FACTORIES

RUNS: dict[str, Callable[..., Any]] = {"asyncio": asyncio.run, "cxxloop": cxxloop.run}

policies = pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="policies are deprecated from 3.14 on"
)


@pytest.fixture(params=sorted(RUNS))
def any_run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return RUNS[request.param]


@pytest.fixture(params=sorted(LOOP_FACTORIES))
def any_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return LOOP_FACTORIES[request.param]


USUAL = sys.flags.dev_mode
"""Whether loops debug where nobody says anything; PYTHONASYNCIODEBUG isn't set here."""


async def debug_of_the_loop() -> bool:
    return asyncio.get_running_loop().get_debug()


def test_run_returns_what_the_coroutine_returns(any_run: Callable[..., Any]) -> None:
    async def main() -> str:
        await asyncio.sleep(0)
        return "result"

    assert any_run(main()) == "result"


def test_run_raises_what_the_coroutine_raises(any_run: Callable[..., Any]) -> None:
    async def main() -> None:
        raise ZeroDivisionError("by nothing")

    with pytest.raises(ZeroDivisionError, match="^by nothing$"):
        any_run(main())


def test_run_uses_a_loop_of_cxxloop() -> None:
    async def main() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    loop = cxxloop.run(main())
    assert type(loop) is cxxloop.Loop
    assert loop.is_closed()


@pytest.mark.parametrize(("debug", "expected"), [(None, USUAL), (True, True), (False, False)])
def test_run_takes_the_debug_mode(
    any_run: Callable[..., Any], debug: bool | None, expected: bool
) -> None:
    assert any_run(debug_of_the_loop(), debug=debug) is expected


def test_debug_is_a_keyword_only(any_run: Callable[..., Any]) -> None:
    main = debug_of_the_loop()
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        any_run(main, True)
    main.close()


@pytest.mark.parametrize("debug", [None, True, False])
def test_debug_of_the_environment_counts_unless_given(debug: bool | None) -> None:
    for run in ("asyncio.run", "cxxloop.run"):
        ended = interpret_script(
            f"""
            async def main():
                return asyncio.get_running_loop().get_debug()

            print({run}(main(), debug={debug}))
            """,
            environment={"PYTHONASYNCIODEBUG": "1"},
        )
        assert ended == (0, f"{debug is None or debug}\n", "")


@pytest.mark.parametrize("wrong", [None, 42, print, debug_of_the_loop])
def test_run_takes_nothing_but_a_coroutine(wrong: Any) -> None:
    def message(run: Callable[..., Any]) -> tuple[type, str]:
        with pytest.raises((ValueError, TypeError)) as caught:
            run(wrong)
        return type(caught.value), str(caught.value)

    assert message(cxxloop.run) == message(asyncio.run)


def test_run_refuses_to_run_within_a_running_loop(any_run: Callable[..., Any]) -> None:
    async def main() -> str:
        nested = debug_of_the_loop()
        with pytest.raises(RuntimeError) as caught:
            any_run(nested)
        nested.close()
        return str(caught.value)

    expected = "asyncio.run() cannot be called from a running event loop"
    assert any_run(main()) == expected


def test_run_cancels_what_is_left_and_waits_for_it(any_run: Callable[..., Any]) -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            ended.append("cancelled")

    async def main() -> asyncio.Task[None]:
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        return task

    assert any_run(main()).cancelled()
    assert ended == ["cancelled"]


def test_run_closes_its_loop_after_an_exit(any_run: Callable[..., Any]) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        raise SystemExit(7)

    with pytest.raises(SystemExit) as caught:
        any_run(main())
    assert caught.value.code == 7
    assert loops[0].is_closed()


def test_runner_keeps_one_loop_over_its_runs(
    any_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def loop_of_the_run() -> asyncio.AbstractEventLoop:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    with asyncio.Runner(loop_factory=any_factory) as runner:
        first = runner.run(loop_of_the_run())
        assert runner.run(loop_of_the_run()) is first is runner.get_loop()
        assert not first.is_closed()
    assert first.is_closed()


@pytest.mark.parametrize("debug", [None, True, False])
def test_runner_sets_the_debug_mode(
    any_factory: Callable[[], asyncio.AbstractEventLoop], debug: bool | None
) -> None:
    with asyncio.Runner(debug=debug, loop_factory=any_factory) as runner:
        assert runner.run(debug_of_the_loop()) is (USUAL if debug is None else debug)


def test_runner_interrupted_cancels_its_main_task(
    any_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    import os
    import signal

    outcome: list[str] = []

    async def main() -> None:
        try:
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
            await asyncio.sleep(15)
        except asyncio.CancelledError:
            outcome.append("cancelled")
            raise

    # Python's own handler: SIGINT is ignored in the background of a shell.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with asyncio.Runner(loop_factory=any_factory) as runner:
            with pytest.raises(KeyboardInterrupt):
                runner.run(main())
            assert runner.run(debug_of_the_loop()) is USUAL
    finally:
        signal.signal(signal.SIGINT, previous)
    assert outcome == ["cancelled"]


def test_set_event_loop_takes_the_loop() -> None:
    ended = interpret_script(
        """
        loop = cxxloop.Loop()
        asyncio.set_event_loop(loop)
        assert asyncio.get_event_loop() is loop
        asyncio.set_event_loop(None)
        loop.close()
        """,
        "-Werror",
    )
    assert ended == (0, "", "")


_GET_EVENT_LOOP = """
import traceback

if {install}:
    cxxloop.install()
    kind = cxxloop.Loop
else:
    kind = asyncio.SelectorEventLoop

def attempt(what):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            loop = asyncio.get_event_loop()
        except Exception as exc:
            print(what, type(exc).__name__, exc)
        else:
            print(what, type(loop) is kind)
            loop.close()
    for warning in caught:
        print(what, warning.category.__name__, warning.message)

async def main():
    assert asyncio.get_event_loop() is asyncio.get_running_loop()
    assert type(asyncio.get_running_loop()) is kind

for target in ("other", "main"):
    if target == "main":
        attempt(target)
        continue
    thread = threading.Thread(target=attempt, args=(target,))
    thread.start()
    thread.join()
asyncio.run(main())
attempt("after run")
asyncio.set_event_loop(None)
attempt("after None")
loop = asyncio.new_event_loop()
print(type(loop) is kind)
loop.close()
with asyncio.Runner() as runner:
    print(type(runner.get_loop()) is kind)
"""


@policies
def test_installed_policy_gives_loops_exactly_as_the_default_one() -> None:
    stock, ours = (interpret_script(_GET_EVENT_LOOP.format(install=on)) for on in (False, True))
    assert ours == stock
    assert stock.status == 0 and stock.err == ""
    assert stock.out.startswith("other RuntimeError There is no current event loop in thread")


@policies
def test_installed_policy_is_a_subclass_of_the_default_one() -> None:
    assert issubclass(cxxloop.EventLoopPolicy, asyncio.DefaultEventLoopPolicy)
    assert issubclass(cxxloop.EventLoopPolicy, asyncio.AbstractEventLoopPolicy)
    assert cxxloop.EventLoopPolicy is not asyncio.DefaultEventLoopPolicy
    loop = cxxloop.EventLoopPolicy().new_event_loop()
    assert type(loop) is cxxloop.Loop
    loop.close()


@policies
def test_nothing_is_installed_by_the_import() -> None:
    ended = interpret_script(
        """
        assert type(asyncio.get_event_loop_policy()) is asyncio.DefaultEventLoopPolicy
        cxxloop.install()
        assert type(asyncio.get_event_loop_policy()) is cxxloop.EventLoopPolicy
        asyncio.set_event_loop_policy(None)
        loop = asyncio.new_event_loop()
        assert type(loop) is asyncio.SelectorEventLoop
        loop.close()
        """,
    )
    assert ended == (0, "", "")


@pytest.mark.parametrize(
    ("value", "disabled"), [("1", True), ("yes", True), ("0", False), ("", False)]
)
def test_switch_in_the_environment_gives_asyncios_loop(value: str, disabled: bool) -> None:
    ended = interpret_script(
        """
        async def main():
            return type(asyncio.get_running_loop()).__module__.split(".")[0]

        print(cxxloop.run(main()))
        loop = cxxloop.new_event_loop()
        print(type(loop).__module__.split(".")[0])
        loop.close()
        if sys.version_info < (3, 14):
            cxxloop.install()
            print(asyncio.run(main()))
        else:
            print(cxxloop.run(main()))
        """,
        environment={"CXXLOOP_DISABLE": value},
    )
    name = "asyncio" if disabled else "cxxloop"
    assert ended == (0, f"{name}\n" * 3, "")


def test_class_itself_is_never_disabled() -> None:
    ended = interpret_script(
        """
        loop = cxxloop.Loop()
        print(loop.run_until_complete(asyncio.sleep(0, "ran")))
        loop.close()
        """,
        environment={"CXXLOOP_DISABLE": "1"},
    )
    assert ended == (0, "ran\n", "")


def test_run_has_the_parameters_of_asyncios() -> None:
    parameters = inspect.signature(cxxloop.run).parameters
    assert list(parameters) == ["main", "debug"]
    assert parameters["debug"].default is None
