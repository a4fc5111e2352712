"""What a child has of its parent's descriptors, and the parent of what it made for the child."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sys
from typing import Any

import pytest

import cxxloop
from tests.support.children import PIPE, descriptors, output_of
from tests.support.loops import close_loop, run

Loop = asyncio.AbstractEventLoop

LIST = "echo /proc/self/fd/*"


def numbers(output: bytes) -> set[int]:
    return {int(path.rsplit(b"/", 1)[1]) for path in output.split()}


def test_child_has_only_its_three_streams(any_loop: Loop) -> None:
    """zuvloop#56"""

    async def main() -> None:
        reading, writing = os.pipe()
        os.set_inheritable(reading, True)
        try:
            _, output = await output_of("/bin/bash", "-c", LIST)
            # The shell's own directory listing may take one more.
            assert {0, 1, 2} <= numbers(output) <= {0, 1, 2, 3}
            _, output = await output_of("/bin/bash", "-c", LIST, close_fds=False)
            assert reading in numbers(output)
            assert writing not in numbers(output)
        finally:
            os.close(reading)
            os.close(writing)

    run(any_loop, main())


def test_passed_descriptor_keeps_its_number_and_our_mode(any_loop: Loop) -> None:
    """zuvloop#39"""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.setblocking(False)
            number = theirs.fileno()
            status, _ = await output_of(
                "/bin/bash", "-c", f"echo through >&{number}", pass_fds=(number,)
            )
            assert status == 0
            assert ours.recv(100) == b"through\n"
            assert not os.get_blocking(number)
            assert not os.get_inheritable(number)

    run(any_loop, main())


def test_streams_that_python_replaced_do_not_matter(
    any_loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ethereum/asyncio-run-in-process#5"""

    class NoFile:
        def fileno(self) -> int:
            raise AssertionError("only descriptors 0 to 2 are inherited")

    async def main() -> None:
        for name in ("stdin", "stdout", "stderr"):
            monkeypatch.setattr(sys, name, NoFile())
        try:
            child = await asyncio.create_subprocess_exec("true")
            assert await child.wait() == 0
        finally:
            monkeypatch.undo()

    run(any_loop, main())


def test_standard_streams_keep_their_flags() -> None:
    """uvloop#40"""
    before = [(os.get_inheritable(fd), os.get_blocking(fd)) for fd in range(3)]
    loop = cxxloop.Loop()
    assert run(loop, output_of("echo", "x")) == (0, b"x\n")
    close_loop(loop)
    assert [(os.get_inheritable(fd), os.get_blocking(fd)) for fd in range(3)] == before


@pytest.mark.skipif(sys.version_info < (3, 11, 7), reason="Popen itself leaves pipes before")
def test_spawning_without_free_descriptors_leaves_nothing(any_loop: Loop) -> None:
    async def main() -> None:
        # What is loaded on first use is loaded.
        assert await output_of("echo", "x") == (0, b"x\n")
        before = descriptors()
        highest = max(map(int, before))
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = len(set(range(highest)) - set(map(int, before)))
        outcomes = []
        for spare in range(1, 12):
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + spare, limits[1]))
            filler = [os.dup(0) for _ in range(free)]
            try:
                child = await asyncio.create_subprocess_exec(
                    "cat", stdin=PIPE, stdout=PIPE, stderr=PIPE
                )
            except OSError as exc:
                outcomes.append(exc.errno)
            else:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                outcomes.append(await end_of(child))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                for fd in filler:
                    os.close(fd)
            await asyncio.sleep(0)
            assert descriptors() == before, f"with {spare} to spare"
            with pytest.raises(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)
        assert outcomes[0] == 24
        assert outcomes[-1] == 0

    async def end_of(child: Any) -> Any:
        assert await child.communicate(b"x") == (b"x", b"")
        for _ in range(3):
            await asyncio.sleep(0)
        return child.returncode

    if isinstance(any_loop, asyncio.SelectorEventLoop):
        pytest.skip("asyncio leaves the child alone that it gets no pidfd for")
    run(any_loop, main())
