"""Children that nobody waits for: collected transports, closed loops, forks, interpreters."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import sys
import warnings
from typing import Any

import pytest

import cxxloop
from tests.lifecycle.interpreters import FACTORIES, interpret_script
from tests.support.children import NO_PIPES, descriptors
from tests.support.loops import run

Loop = asyncio.AbstractEventLoop


async def start() -> Any:
    child = await asyncio.create_subprocess_exec("sleep", "3600")
    return child._transport  # type: ignore[attr-defined]


def test_loop_may_be_closed_while_a_child_runs() -> None:
    before = descriptors()
    loop = cxxloop.Loop()
    transport = run(loop, start())
    loop.close()
    gc.collect()
    assert descriptors() == before  # The pidfd went with the loop.
    assert transport.get_returncode() is None
    os.kill(transport.get_pid(), 0)  # Still there, as with asyncio.
    transport.close()
    assert transport.get_extra_info("subprocess").wait() == -signal.SIGKILL


def test_forgotten_transport_warns_and_kills_the_child() -> None:
    loop = cxxloop.Loop()
    transport = run(loop, start())
    process = transport.get_extra_info("subprocess")
    loop.close()
    with pytest.warns(ResourceWarning) as warned:
        del transport
        gc.collect()
    assert re.fullmatch(
        r"unclosed transport <SubprocessTransport pid=\d+ running>",
        str(warned[0].message),
    )
    assert process.wait() == -signal.SIGKILL


def test_child_keeps_its_transport_until_it_ends(any_loop: Loop) -> None:
    ended = []

    class Ended(asyncio.SubprocessProtocol):
        def process_exited(self) -> None:
            ended.append(True)

    async def main() -> None:
        transport, _ = await any_loop.subprocess_exec(Ended, "sleep", "0.02", **NO_PIPES)
        pid = transport.get_pid()
        del transport
        gc.collect()
        while not ended:
            await asyncio.sleep(0.001)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    with warnings.catch_warnings():
        # The transport was never closed.
        warnings.simplefilter("ignore", ResourceWarning)
        run(any_loop, main())
        gc.collect()


def test_no_child_watcher_is_asked_and_nothing_is_deprecated(loop: Loop) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec("true")
        assert await child.wait() == 0

    if sys.version_info < (3, 14):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            policy: Any = asyncio.get_event_loop_policy()
            before = policy.get_child_watcher()

            class Refusing(type(before)):  # type: ignore[misc]
                def add_child_handler(self, *args: Any) -> None:
                    raise AssertionError("cxxloop waits by itself")

            policy.set_child_watcher(Refusing())
        try:
            run(loop, main())
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                policy.set_child_watcher(before)
    else:
        run(loop, main())


def check(script: str) -> None:
    ended = interpret_script(script)
    assert (ended.status, ended.err, ended.out) == (0, "", "done\n")


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_forked_child_starts_children_of_its_own(factory: str) -> None:
    check(f"""
        warnings.simplefilter("ignore", DeprecationWarning)

        async def spawn(code):
            child = await asyncio.create_subprocess_shell(f"exit {{code}}")
            assert await child.wait() == code

        loop = {factory}()
        loop.run_until_complete(spawn(1))
        pid = os.fork()
        if not pid:
            status = 1
            try:
                own = {factory}()
                own.run_until_complete(spawn(2))
                own.close()
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0) == (pid, 0)
        loop.run_until_complete(spawn(3))
        loop.close()
        print("done")
    """)


def test_library_that_forks_and_executes_does_not_touch_the_loop() -> None:
    """uvloop#268"""
    check("""
        import ctypes
        libc = ctypes.CDLL(None)
        libc.popen.restype = ctypes.c_void_p
        libc.pclose.argtypes = [ctypes.c_void_p]

        def popen():
            stream = libc.popen(b"exit 3", b"r")
            return libc.pclose(stream) >> 8

        async def main():
            for _ in range(20):
                child = await asyncio.create_subprocess_exec("true")
                assert await asyncio.to_thread(popen) == 3
                assert await child.wait() == 0

        loop = cxxloop.Loop()
        loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        print("done")
    """)


def test_handlers_of_forks_that_restart_threads_do_no_harm() -> None:
    """DataDog/dd-trace-py#15798"""
    check("""
        warnings.simplefilter("ignore", DeprecationWarning)

        class Sampler:
            def start(self):
                self.stopped = threading.Event()
                self.thread = threading.Thread(target=self.stopped.wait, daemon=True)
                self.thread.start()
            def stop(self):
                self.stopped.set()
                self.thread.join()

        sampler = Sampler()
        sampler.start()
        os.register_at_fork(
            before=sampler.stop, after_in_parent=sampler.start, after_in_child=sampler.start
        )

        async def main():
            for _ in range(20):
                # With preexec_fn Popen has to fork and to call the handlers.
                child = await asyncio.create_subprocess_exec("true", preexec_fn=lambda: None)
                assert await child.wait() == 0

        loop = cxxloop.Loop()
        loop.run_until_complete(main())
        loop.close()
        sampler.stop()
        print("done")
    """)


def test_children_start_although_there_is_a_subinterpreter() -> None:
    """uvloop#650"""
    check("""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters

        async def main():
            child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            assert await child.communicate(b"x") == (b"x", None)

        number = interpreters.create()
        loop = cxxloop.Loop()
        loop.run_until_complete(main())
        loop.close()
        interpreters.destroy(number)
        print("done")
    """)


def test_interpreter_may_end_while_a_child_runs() -> None:
    ended = interpret_script("""
        async def main():
            child = await asyncio.create_subprocess_exec("sleep", "0.05")

        loop = cxxloop.Loop()
        loop.run_until_complete(main())
        loop.close()
        print("done")
    """)
    assert (ended.status, ended.out) == (0, "done\n")
    assert "Traceback" not in ended.err
