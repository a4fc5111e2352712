"""How a child ends, and who is told of it in which order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import Any

import pytest

import cxxloop
from tests.support.children import NO_PIPES, PIPE, child_of
from tests.support.loops import Failures, run

Loop = asyncio.AbstractEventLoop


@pytest.mark.parametrize(
    ("code", "status"),
    [("exit 0", 0), ("exit 255", 255), ("kill -9 $$", -9), ("kill -TERM $$", -15)],
)
def test_returncode_is_that_of_popen(any_loop: Loop, code: str, status: int) -> None:
    async def main() -> None:
        async with child_of(any_loop, "/bin/sh", "-c", code, **NO_PIPES) as (transport, protocol):
            await protocol.lost
            assert transport.get_returncode() == status
            assert protocol.calls == ["connection_made", "process_exited", "connection_lost"]

    run(any_loop, main())


def test_connection_is_lost_after_the_exit_and_all_pipes(any_loop: Loop) -> None:
    async def main() -> None:
        async with child_of(any_loop, "/bin/sh", "-c", "echo out; echo err >&2") as (_, protocol):
            await protocol.lost
        assert protocol.calls[0] == "connection_made"
        assert protocol.calls[-1] == "connection_lost"
        assert protocol.calls.count("process_exited") == 1
        assert protocol.received == {1: b"out\n", 2: b"err\n"}
        lost = [call[1] for call in protocol.calls if call[0] == "pipe_connection_lost"]
        assert sorted(lost) == [0, 1, 2]

    run(any_loop, main())


def test_close_kills_the_child_and_tells_of_everything(any_loop: Loop) -> None:
    """uvloop#128, uvloop#64"""

    async def main() -> None:
        async with child_of(any_loop, "sleep", "3600") as (transport, protocol):
            assert not transport.is_closing()
            transport.close()
            assert transport.is_closing()
            transport.close()
            assert await protocol.lost is None
            assert transport.get_returncode() == -signal.SIGKILL
            assert sorted(map(str, protocol.calls[1:-1])) == [
                "('pipe_connection_lost', 0, <class 'NoneType'>)",
                "('pipe_connection_lost', 1, <class 'NoneType'>)",
                "('pipe_connection_lost', 2, <class 'NoneType'>)",
                "process_exited",
            ]
            assert protocol.calls[-1] == "connection_lost"

    run(any_loop, main())


def test_signals_reach_the_child(any_loop: Loop) -> None:
    async def main() -> None:
        code = "trap 'echo usr1' USR1; trap 'echo term; exit 5' TERM; echo ready; "
        code += "while :; do sleep 0.01; done"
        async with child_of(any_loop, "/bin/sh", "-c", code) as (transport, protocol):
            await protocol.until(lambda p: p.received[1] == b"ready\n")
            transport.send_signal(signal.SIGUSR1)
            await protocol.until(lambda p: p.received[1].endswith(b"usr1\n"))
            transport.terminate()
            await protocol.lost
            assert transport.get_returncode() == 5
            assert protocol.received[1] == b"ready\nusr1\nterm\n"

    run(any_loop, main())


def test_signals_after_the_end_say_that_there_is_no_child(any_loop: Loop) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec("sleep", "3600")
        child.kill()
        assert await child.wait() == -signal.SIGKILL
        await asyncio.sleep(0)
        for send in (child.kill, child.terminate, lambda: child.send_signal(signal.SIGUSR1)):
            with pytest.raises(ProcessLookupError):
                send()

    run(any_loop, main())


def test_wait_returns_for_everybody_and_ever_again(any_loop: Loop) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec("cat", stdin=PIPE)
        cancelled = asyncio.ensure_future(child.wait())
        waiting = [asyncio.ensure_future(child.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        cancelled.cancel()
        assert child.stdin is not None
        child.stdin.close()
        assert await asyncio.gather(*waiting) == [0, 0, 0]
        assert cancelled.cancelled()
        assert await child.wait() == 0

    run(any_loop, main())


def test_child_whose_pipes_others_hold_is_told_to_have_exited(any_loop: Loop) -> None:
    async def main() -> None:
        async with child_of(
            any_loop, "/bin/sh", "-c", "sleep 3600 & echo $!", stdin=None, stderr=None
        ) as (_, protocol):
            await protocol.until(lambda p: "process_exited" in p.calls)
            await protocol.until(lambda p: p.received[1].endswith(b"\n"))
            assert not protocol.lost.done()
            os.kill(int(protocol.received[1]), signal.SIGKILL)
            assert await protocol.lost is None
            assert protocol.calls[-2:] == [
                ("pipe_connection_lost", 1, type(None)),
                "connection_lost",
            ]

    run(any_loop, main())


def test_child_that_somebody_else_reaps_has_the_unknown_returncode(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> int:
        child = await asyncio.create_subprocess_exec("cat", stdin=PIPE)
        assert child.stdin is not None
        # Nobody looks between the end and the reaping.
        child._transport.get_pipe_transport(0).get_extra_info("pipe").close()  # type: ignore[attr-defined]
        os.waitpid(child.pid, 0)
        child.stdin.close()
        await child.wait()
        return child.pid

    if sys.version_info < (3, 12) and isinstance(any_loop, asyncio.SelectorEventLoop):
        pytest.skip("asyncio's thread waits for the child all the time")
    with caplog.at_level(logging.WARNING, "asyncio"):
        pid = run(any_loop, main())
    (record,) = caplog.records
    assert record.getMessage() in {
        f"child process pid {pid} exit status already read:  will report returncode 255",
        f"Unknown child process pid {pid}, will report returncode 255",
    }


def test_status_that_popen_has_read_is_not_lost(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with child_of(loop, "/bin/sh", "-c", "exit 3", **NO_PIPES) as (transport, protocol):
            transport.get_extra_info("subprocess").wait()  # Blocks, as nothing here should.
            await protocol.lost
            assert transport.get_returncode() == 3

    run(loop, main())
    assert caplog.records == []  # asyncio doesn't know the status and says 255.


def test_number_in_use_again_is_not_taken_for_the_child(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """zuvloop#82"""

    def refuse(*args: Any) -> Any:
        raise AssertionError("a child must be waited for by its pidfd")

    async def main() -> None:
        monkeypatch.setattr(os, "waitpid", refuse)
        async with child_of(loop, "/bin/sh", "-c", "exit 4", **NO_PIPES) as (transport, protocol):
            await protocol.lost
            assert transport.get_returncode() == 4
        monkeypatch.undo()

    run(loop, main())


def no_pidfd(pid: int, flags: int = 0) -> int:
    raise PermissionError(1, "Operation not permitted")


def test_thread_waits_where_there_are_no_pidfds(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        codes = await asyncio.gather(
            *[(await asyncio.create_subprocess_shell(f"exit {n}")).wait() for n in range(5)]
        )
        assert codes == [0, 1, 2, 3, 4]
        child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        assert await child.communicate(b"hello") == (b"hello", None)

    monkeypatch.setattr(os, "pidfd_open", no_pidfd)
    run(loop, main())


def test_thread_that_waits_reaps_although_the_loop_is_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> Any:
        child = await asyncio.create_subprocess_exec("sleep", "3600")
        return child._transport  # type: ignore[attr-defined]

    import threading

    monkeypatch.setattr(os, "pidfd_open", no_pidfd)
    loop = cxxloop.Loop()
    with caplog.at_level(logging.WARNING, "asyncio"):
        before = set(threading.enumerate())
        transport = run(loop, main())
        (thread,) = set(threading.enumerate()) - before
        assert thread.daemon
        loop.close()
        transport.close()
        thread.join(10)
    assert f"that handles pid {transport.get_pid()} is closed" in caplog.text
    transport.get_extra_info("subprocess").returncode = -9


def test_thread_that_cannot_be_started_leaves_no_child(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    def refuse(self: Any) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            await asyncio.create_subprocess_exec("sleep", "3600")
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    monkeypatch.setattr(os, "pidfd_open", no_pidfd)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    run(loop, main())


def test_ignored_sigchld_makes_the_returncode_unknown_not_the_child_immortal(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            child = await asyncio.create_subprocess_exec("cat", stdin=PIPE)
            assert child.stdin is not None
            child.stdin.close()
            assert await child.wait() == 255
        finally:
            signal.signal(signal.SIGCHLD, before)

    if sys.version_info < (3, 12) and isinstance(any_loop, asyncio.SelectorEventLoop):
        pytest.skip("the thread that waits says it in other words")
    with caplog.at_level(logging.WARNING, "asyncio"):
        run(any_loop, main())
    assert "will report returncode 255" in caplog.text


def test_failing_protocol_does_not_keep_the_child(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    class Failing(asyncio.SubprocessProtocol):
        def process_exited(self) -> None:
            raise ZeroDivisionError

        def connection_lost(self, exc: Exception | None) -> None:
            raise ZeroDivisionError

    async def main() -> None:
        transport: Any
        transport, _ = await any_loop.subprocess_exec(Failing, "true", **NO_PIPES)
        assert await transport._wait() == 0
        while transport._proc is not None:
            await asyncio.sleep(0)
        transport.close()

    run(any_loop, main())
    assert [type(context["exception"]) for context in failures.contexts] == [ZeroDivisionError] * 2
