"""Fixtures for every test: loops of both kinds, and guards that nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import cxxloop
from tests.support.certificates import Certificates
from tests.support.loops import LOOP_FACTORIES, close_loop
from tests.support.sanitizers import is_report


@pytest.fixture(params=sorted(LOOP_FACTORIES))
def any_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """A new loop, once cxxloop's and once asyncio's: where they disagree, asyncio is right."""
    since = request.node.get_closest_marker("asyncio_since")
    if since and request.param == "asyncio" and sys.version_info < since.args[0]:
        pytest.skip(since.args[1])
    loop = LOOP_FACTORIES[request.param]()
    loop.set_debug(False)  # PYTHONDEVMODE turns it on; tests of the debug mode say so.
    yield loop
    close_loop(loop)


@pytest.fixture
def loop() -> Iterator[cxxloop.Loop]:
    """A new loop of cxxloop."""
    made = cxxloop.Loop()
    made.set_debug(False)
    yield made
    close_loop(made)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made once for each run."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=[False, True], ids=["client", "server"])
def server_side(request: pytest.FixtureRequest) -> bool:
    """Which side of the connection is tested."""
    return bool(request.param)


@pytest.fixture(scope="session", autouse=True)
def sigint_interrupts() -> Iterator[None]:
    """Also where a shell has started us in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def libuv_is_set_up() -> None:
    """libuv keeps a pipe for the whole process from its first loop on."""
    cxxloop.Loop().close()


def pytest_collection_finish() -> None:
    """Collections look at what tests make, and not each time at all that was imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_behind(libuv_is_set_up: None) -> Iterator[None]:
    """Fails a test that leaves a descriptor, a thread or a child process."""
    descriptors = set(os.listdir("/proc/self/fd"))
    threads = set(threading.enumerate())
    yield
    gc.collect()
    for thread in set(threading.enumerate()) - threads:
        thread.join(5)
    left = [thread for thread in set(threading.enumerate()) - threads if thread.is_alive()]
    assert not left, f"threads left: {left}"
    leaked = {
        fd: _target(fd)
        for fd in set(os.listdir("/proc/self/fd")) - descriptors
        if _target(fd) is not None
    }
    assert not leaked, f"descriptors left: {leaked}"
    children = _end_children()
    assert not children, f"children left: {children}"
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _end_children() -> list[str]:
    """Ends this process's children, lest the next test meets them; their names."""
    names = []
    for pid in _children():
        names.append(Path(f"/proc/{pid}/comm").read_text().strip())
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # A thread of asyncio's was faster.
            os.waitpid(pid, 0)
    return names


def _children() -> Iterator[int]:
    for children in Path("/proc/self/task").glob("*/children"):
        try:
            yield from map(int, children.read_text().split())
        except OSError:  # The thread has ended; its children are another's now.
            continue


def _target(fd: str) -> str | None:
    """What a descriptor refers to; None when it is closed by now, or a sanitizer's own."""
    try:
        path = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return None
    return None if is_report(path) else path
