"""System calls that fail on demand: the library of shim.c, and its plans."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
_VARIABLE = "CXXLOOP_TEST_SHIM"

# Kinds of calls, as they are named in shim.c.
RECEIVING = ("read", "recv", "recvfrom", "recvmsg", "recvmmsg")
SENDING = ("write", "send", "sendto", "sendmsg", "writev", "sendmmsg", "sendfile")
MAKING = ("socket", "socketpair", "accept", "epoll_create", "eventfd", "pipe", "dup", "pidfd_open")
CHANGING = ("bind", "listen", "connect", "setsockopt", "fcntl", "ioctl", "epoll_add")
ASKING = ("getsockname", "getpeername", "getsockopt")
# What can't fail as long as the program is right is not among them: epoll_modify, epoll_delete.
ALL = (*RECEIVING, *SENDING, *MAKING, *CHANGING, *ASKING, "shutdown", "epoll_wait")


def build(directory: Path) -> Path:
    """Compiles the library into a directory, with the compiler that builds cxxloop."""
    candidates = (os.environ.get("CC"), "cc", "gcc", "clang", "c++", "g++", "clang++")
    compiler = next(path for name in candidates if name and (path := shutil.which(name)))
    library = directory / "shim.so"
    subprocess.run(
        [
            *(compiler, "-x", "c", "-std=gnu11", "-O1", "-g", "-shared", "-fPIC", "-fexceptions"),
            *("-o", str(library), str(SOURCE), "-ldl"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return library


def preloaded(library: Path) -> dict[str, str]:
    """The environment of an interpreter that shall have it."""
    before = os.environ.get("LD_PRELOAD")  # A sanitizer has to stay the first.
    return {
        _VARIABLE: str(library),
        "LD_PRELOAD": f"{before} {library}" if before else str(library),
    }


class Shim:
    """The library in this process, which must have been started with it."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(os.environ[_VARIABLE])
        self._library.shim_arm.argtypes = [
            ctypes.c_char_p,
            ctypes.c_long,
            ctypes.c_long,
            ctypes.c_int,
            ctypes.c_size_t,
        ]
        self._library.shim_seen.restype = ctypes.c_long
        self._library.shim_hit.restype = ctypes.c_char_p
        self._library.shim_shift_clock.argtypes = [ctypes.c_longlong]
        self._library.shim_slow_clock.argtypes = [ctypes.c_long]

    def _arm(self, calls: tuple[str, ...], skip: int, count: int, error: int, most: int) -> None:
        if self._library.shim_arm(",".join(calls).encode(), skip, count, error, most) < 0:
            raise ValueError(f"the shim doesn't know all of {calls}")

    @contextlib.contextmanager
    def failing(self, *calls: str, error: int, skip: int = 0, count: int = 1) -> Iterator[None]:
        """Lets `skip` of these calls through, and the next `count` fail; -1: all."""
        self._arm(calls, skip, count, error, 0)
        try:
            yield
        finally:
            self.disarm()

    @contextlib.contextmanager
    def shortening(self, *calls: str, most: int = 1) -> Iterator[None]:
        """Has these calls transfer no more than so many bytes, or messages, each time."""
        self._arm(calls, 0, -1, 0, most)
        try:
            yield
        finally:
            self.disarm()

    def fail_in_batch(self, after: int, error: int) -> None:
        """Has sendmmsg() fail at the message that has so many before it, in one batch or more."""
        self._library.shim_fail_in_batch(after, error)

    def disarm(self) -> None:
        self._library.shim_disarm()

    @property
    def seen(self) -> int:
        """How many of the calls meant there were since the plan was made."""
        return int(self._library.shim_seen())

    @property
    def hit(self) -> str | None:
        """Which call was hit last; None when none was."""
        name: bytes | None = self._library.shim_hit()
        return None if name is None else name.decode()

    def shift_clock(self, seconds: float) -> None:
        """Moves the wall clock; 0: as it is."""
        self._library.shim_shift_clock(int(seconds * 1e9))

    def slow_clock(self, seconds: float) -> None:
        """Has every look at a clock take so long, as on a machine that is busy just then."""
        self._library.shim_slow_clock(int(seconds * 1e9))
