"""subprocess_exec() and subprocess_shell()."""

from __future__ import annotations

import asyncio
import subprocess
from asyncio import tasks
from asyncio.log import logger
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cxxloop._subprocess_transport import SubprocessTransport, watch_exit

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

_ProtocolFactory = Callable[[], asyncio.BaseProtocol]


def _shown(stream: Any) -> str:
    """What a stream is redirected to, for log lines."""
    if stream == subprocess.PIPE:
        return "<pipe>"
    if stream == subprocess.STDOUT:
        return "<stdout>"
    return repr(stream)


def _log_command(message: str, stdin: Any, stdout: Any, stderr: Any) -> None:
    parts = [message]
    if stdin is not None:
        parts.append(f"stdin={_shown(stdin)}")
    if stdout is not None and stderr == subprocess.STDOUT:
        parts.append(f"stdout=stderr={_shown(stdout)}")
    else:
        if stdout is not None:
            parts.append(f"stdout={_shown(stdout)}")
        if stderr is not None:
            parts.append(f"stderr={_shown(stderr)}")
    logger.debug(" ".join(parts))


def _check_options(
    universal_newlines: Any, shell: bool, bufsize: Any, text: Any, encoding: Any, errors: Any
) -> None:
    """Raise ValueError for what only makes sense where output is text; `shell` is wrong as is."""
    if universal_newlines:
        raise ValueError("universal_newlines must be False")
    if shell:
        raise ValueError("shell must be False")
    if bufsize != 0:
        raise ValueError("bufsize must be 0")
    if text:
        raise ValueError("text must be False")
    if encoding is not None:
        raise ValueError("encoding must be None")
    if errors is not None:
        raise ValueError("errors must be None")


class SubprocessesMixin(LoopBase):
    """Child processes."""

    async def _make_subprocess_transport(
        self,
        protocol: Any,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        extra: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> SubprocessTransport:
        waiter = self.create_future()
        transport = SubprocessTransport(
            self,
            protocol,
            args,
            shell,
            stdin,
            stdout,
            stderr,
            bufsize,
            waiter=waiter,
            extra=extra,
            **kwargs,
        )
        watch_exit(self, transport)
        try:
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except GeneratorExit:  # Dropped with its loop: there is nobody to wait for.
            transport.close()
            raise
        except BaseException:
            transport.close()
            await tasks.shield(transport._wait())
            raise
        return transport

    async def subprocess_shell(  # type: ignore[override]
        self,
        protocol_factory: _ProtocolFactory,
        cmd: Any,
        *,
        stdin: Any = subprocess.PIPE,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        universal_newlines: Any = False,
        shell: Any = True,
        bufsize: Any = 0,
        encoding: Any = None,
        errors: Any = None,
        text: Any = None,
        **kwargs: Any,
    ) -> tuple[asyncio.SubprocessTransport, asyncio.BaseProtocol]:
        """Run a command line in a shell; return (transport, protocol).

        Further keywords are those of subprocess.Popen. Raises ValueError for a command that is
        neither str nor bytes and for options that ask for text, and what Popen raises. Stands in
        for asyncio's loop.subprocess_shell().
        """
        if not isinstance(cmd, bytes | str):
            raise ValueError("cmd must be a string")
        if universal_newlines:
            raise ValueError("universal_newlines must be False")
        if not shell:
            raise ValueError("shell must be True")
        _check_options(False, False, bufsize, text, encoding, errors)
        protocol = protocol_factory()
        # The parameters may be long, and secret: nothing but debug mode logs them.
        debug_log = f"run shell command {cmd!r}" if self._debug else None
        if debug_log is not None:
            _log_command(debug_log, stdin, stdout, stderr)
        transport = await self._make_subprocess_transport(
            protocol, cmd, True, stdin, stdout, stderr, bufsize, **kwargs
        )
        if self._debug and debug_log is not None:
            logger.info("%s: %r", debug_log, transport)
        return transport, protocol

    async def subprocess_exec(  # type: ignore[override]
        self,
        protocol_factory: _ProtocolFactory,
        program: Any,
        *args: Any,
        stdin: Any = subprocess.PIPE,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        universal_newlines: Any = False,
        shell: Any = False,
        bufsize: Any = 0,
        encoding: Any = None,
        errors: Any = None,
        text: Any = None,
        **kwargs: Any,
    ) -> tuple[asyncio.SubprocessTransport, asyncio.BaseProtocol]:
        """Run a program with arguments; return (transport, protocol).

        Further keywords are those of subprocess.Popen. Raises ValueError for options that ask
        for text, and what Popen raises. Stands in for asyncio's loop.subprocess_exec().
        """
        _check_options(universal_newlines, shell, bufsize, text, encoding, errors)
        protocol = protocol_factory()
        debug_log = f"execute program {program!r}" if self._debug else None
        if debug_log is not None:
            _log_command(debug_log, stdin, stdout, stderr)
        transport = await self._make_subprocess_transport(
            protocol, (program, *args), False, stdin, stdout, stderr, bufsize, **kwargs
        )
        if self._debug and debug_log is not None:
            logger.info("%s: %r", debug_log, transport)
        return transport, protocol
