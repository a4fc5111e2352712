"""Child processes as transports, and how a loop learns of their end."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import threading
from asyncio import base_subprocess
from asyncio.log import logger
from typing import Any

_UNKNOWN_RETURNCODE = 255  # as asyncio: somebody else has read the status

# Until 3.13 asyncio's loops are told of an exit in the turn after, by call_soon_threadsafe().
_TELLS_AT_ONCE = sys.version_info >= (3, 14)

_thread_numbers = itertools.count()


class SubprocessTransport(base_subprocess.BaseSubprocessTransport):
    """A child process of subprocess.Popen and the transports of its pipes.

    The order of what a protocol is told, and what close() and the signals do, is that of the
    running version's asyncio: see docs/decisions/subprocess-transport.md.
    """

    def _start(
        self,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        **kwargs: Any,
    ) -> None:
        self._proc: Any = subprocess.Popen(
            args,
            shell=shell,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            universal_newlines=False,
            bufsize=bufsize,
            **kwargs,
        )

    async def _connect_pipes(self, waiter: Any) -> None:
        await super()._connect_pipes(waiter)
        if self._closed:
            # close() came before them. The child is dead, but its own children may hold the
            # other ends for ever.
            pipes: Any = self._pipes.values()
            for connected in pipes:
                if connected is not None:
                    connected.pipe.close()


class _ExitWatch:
    """Has the loop call on_exit() once the child has ended; owns its pidfd."""

    def __init__(self, loop: Any, transport: SubprocessTransport) -> None:
        self._transport = transport
        self._loop = loop
        self._pidfd: int | None = None
        self._pidfd = os.pidfd_open(transport._proc.pid)
        loop._add_reader(self._pidfd, self.on_exit)

    def __del__(self) -> None:
        """The child has been waited for, or the loop was closed before."""
        if self._pidfd is not None:
            os.close(self._pidfd)

    def on_exit(self) -> None:
        """The pidfd is readable: the child is a zombie, or somebody else has waited for it."""
        assert self._pidfd is not None
        pidfd, self._pidfd = self._pidfd, None
        self._loop._remove_reader(pidfd)
        try:
            returncode = _reap(self._transport, pidfd)
        finally:
            os.close(pidfd)
        if _TELLS_AT_ONCE:
            self._transport._process_exited(returncode)
        else:
            self._loop.call_soon(self._transport._process_exited, returncode)


def watch_exit(loop: Any, transport: SubprocessTransport) -> None:
    """Have `loop` wait for the child and tell the transport of its end.

    The child is waited for by its pidfd, and in a thread where the system has none to give.
    """
    if hasattr(os, "pidfd_open"):
        # Forbidden in some sandboxes; or the child is gone already, as SIGCHLD is ignored; or
        # there are too many descriptors.
        try:
            _ExitWatch(loop, transport)
            return
        except OSError:
            pass
        except BaseException:
            _give_up(transport)
            raise
    thread = threading.Thread(
        target=_wait_in_thread,
        name=f"cxxloop-waitpid-{next(_thread_numbers)}",
        args=(loop, transport),
        daemon=True,
    )
    try:
        thread.start()
    except BaseException:
        _give_up(transport)
        raise


def _give_up(transport: SubprocessTransport) -> None:
    """End a child that nobody is going to wait for."""
    transport.close()
    transport._proc.wait()


def _wait_in_thread(loop: Any, transport: SubprocessTransport) -> None:
    """Wait for the child without reaping it, so that its number stays its own until told."""
    pid = transport._proc.pid
    returncode: int | None = None
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):
            _wait_for_zombie(pid)
    else:
        returncode = _reap(transport)
    try:
        loop.call_soon_threadsafe(_tell, transport, returncode)
    except RuntimeError:
        if returncode is None:
            _reap(transport)
        logger.warning("Loop %r that handles pid %r is closed", loop, pid)


def _wait_for_zombie(pid: int) -> None:
    while True:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        if ended is None or ended.si_code != os.CLD_STOPPED:
            return
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG)  # macOS tells of these as well


def _tell(transport: SubprocessTransport, returncode: int | None) -> None:
    transport._process_exited(_reap(transport) if returncode is None else returncode)


def _reap(transport: SubprocessTransport, pidfd: int | None = None) -> int:
    """Wait for a child that has ended; return what Popen.returncode will be."""
    pid = transport._proc.pid
    try:
        if pidfd is not None and hasattr(os, "P_PIDFD"):
            # Can't be mistaken for another child that has got the number since.
            return _waitid(os.P_PIDFD, pidfd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        known: int | None = transport._proc.returncode
        if known is not None:
            return known  # Popen has waited for it: poll() does.
    except OSError:
        if pidfd is None:
            raise
        return _reap(transport)  # Linux 5.3 has pidfds, but doesn't wait by them yet.
    if pidfd is not None:
        message = "child process pid %d exit status already read:  will report returncode 255"
    else:
        message = "Unknown child process pid %d, will report returncode 255"
    logger.warning(message, pid)
    return _UNKNOWN_RETURNCODE


def _waitid(kind: int, number: int) -> int:
    """The exit code of a child by waitid(2), negative for a signal."""
    result = os.waitid(kind, number, os.WEXITED)
    assert result is not None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
