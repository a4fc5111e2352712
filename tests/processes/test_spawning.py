"""subprocess_exec() and subprocess_shell(): what is started, and how it is told."""

from __future__ import annotations

import asyncio
import logging
import os
import pathlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.children import DEVNULL, NO_PIPES, PIPE, ChildRecorder, output_of, python
from tests.support.loops import run

Loop = asyncio.AbstractEventLoop


def test_transport_is_a_subprocess_transport(any_loop: Loop) -> None:
    async def main() -> None:
        transport, protocol = await any_loop.subprocess_exec(lambda: ChildRecorder(any_loop), "cat")
        assert isinstance(transport, asyncio.SubprocessTransport)
        assert isinstance(protocol, ChildRecorder)
        assert protocol.transport is transport
        assert transport.get_protocol() is protocol
        assert transport.get_returncode() is None
        process = transport.get_extra_info("subprocess")
        assert isinstance(process, subprocess.Popen)
        assert transport.get_pid() == process.pid
        stdin: Any = transport.get_pipe_transport(0)
        assert isinstance(stdin, asyncio.WriteTransport)
        assert isinstance(transport.get_pipe_transport(1), asyncio.ReadTransport)
        assert isinstance(transport.get_pipe_transport(2), asyncio.ReadTransport)
        assert transport.get_pipe_transport(3) is None
        assert re.fullmatch(
            r"<\w+ pid=\d+ running stdin=<\w+ fd=\d+ idle bufsize=0>"
            r" stdout=<\w+ fd=\d+ polling> stderr=<\w+ fd=\d+ polling>>",
            repr(transport),
        )
        stdin.write(b"hello")
        stdin.write_eof()
        assert await protocol.lost is None
        assert protocol.received == {1: b"hello", 2: b""}
        assert transport.get_returncode() == 0
        assert re.match(r"<\w+ pid=\d+ returncode=0 stdin=", repr(transport))
        transport.close()
        assert re.match(r"<\w+ closed pid=\d+ returncode=0 stdin=", repr(transport))

    run(any_loop, main())


def test_shell_runs_a_command_line(any_loop: Loop) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_shell(
            "read word; echo got $word; echo $0 >&2; exit 7", stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        assert await child.communicate(b"it\n") == (b"got it\n", b"/bin/sh\n")
        assert child.returncode == 7
        as_bytes = await asyncio.create_subprocess_shell(b"exit 8")
        assert await as_bytes.wait() == 8
        executable = await asyncio.create_subprocess_shell(
            "echo $0", stdout=PIPE, executable="/bin/bash"
        )
        assert await executable.communicate() == (b"/bin/bash\n", None)

    run(any_loop, main())


SHELL_MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"universal_newlines": True}, "universal_newlines must be False"),
    ({"bufsize": 4096}, "bufsize must be 0"),
    ({"text": True}, "text must be False"),
    ({"encoding": "utf-8"}, "encoding must be None"),
    ({"errors": "strict"}, "errors must be None"),
]


@pytest.mark.parametrize(("options", "text"), SHELL_MISTAKES)
def test_options_for_text_are_refused(any_loop: Loop, options: dict[str, Any], text: str) -> None:
    def factory() -> Any:
        raise AssertionError("no protocol is made")

    async def main() -> None:
        for start in (any_loop.subprocess_exec, any_loop.subprocess_shell):
            with pytest.raises(ValueError, match=f"^{text}$"):
                await start(factory, "true", **options)

    run(any_loop, main())


def test_arguments_of_the_wrong_kind_are_refused(any_loop: Loop) -> None:
    async def main() -> None:
        start_program: Any = any_loop.subprocess_exec
        start_shell: Any = any_loop.subprocess_shell
        with pytest.raises(ValueError, match="^shell must be False$"):
            await start_program(asyncio.SubprocessProtocol, "true", shell=True)
        with pytest.raises(ValueError, match="^shell must be True$"):
            await start_shell(asyncio.SubprocessProtocol, "true", shell=False)
        with pytest.raises(ValueError, match="^cmd must be a string$"):
            await start_shell(asyncio.SubprocessProtocol, ["true"])
        with pytest.raises(TypeError, match="unexpected keyword argument 'nothing'"):
            await start_program(asyncio.SubprocessProtocol, "true", nothing=True)
        with pytest.raises(TypeError):
            await start_program(asyncio.SubprocessProtocol)
        with pytest.raises(TypeError):
            await start_program(asyncio.SubprocessProtocol, 5)

    run(any_loop, main())


def test_text_false_is_accepted(any_loop: Loop) -> None:
    async def main() -> None:
        options: dict[str, Any] = {"text": False, "universal_newlines": False, "bufsize": 0}
        assert await output_of("echo", "x", **options, encoding=None, errors=None) == (0, b"x\n")

    run(any_loop, main())


# Keyword of Popen, value, what the child is asked for, what it says.
DEFAULTS: dict[str, Any] = {
    "close_fds": True,
    "creationflags": 0,
    "cwd": None,
    "env": None,
    "executable": None,
    "extra_groups": None,
    "group": None,
    "pass_fds": (),
    "pipesize": -1,
    "preexec_fn": None,
    "process_group": None,
    "restore_signals": True,
    "start_new_session": False,
    "startupinfo": None,
    "umask": -1,
    "user": None,
}


def test_defaults_of_every_option_of_popen_are_accepted(any_loop: Loop) -> None:
    """uvloop#618, rsloop#68"""
    assert run(any_loop, output_of("echo", "x", **DEFAULTS)) == (0, b"x\n")


@pytest.mark.parametrize(
    ("options", "code", "output"),
    [
        ({"env": {"NAME": "value"}}, "echo $NAME", "value"),
        ({"env": {b"NAME": b"value"}}, "echo $NAME", "value"),
        ({"env": {}}, "echo $HOME", ""),
        ({"cwd": "/usr"}, "pwd", "/usr"),
        ({"cwd": pathlib.Path("/usr")}, "pwd", "/usr"),
        ({"umask": 0o27}, "umask", "0027"),
        ({"start_new_session": True}, "cut -d' ' -f6 /proc/$$/stat | grep -cx $$", "1"),
        ({"process_group": 0}, "cut -d' ' -f5 /proc/$$/stat | grep -cx $$", "1"),
        ({"executable": "/bin/echo"}, "printed", "-c printed"),
        ({"restore_signals": False}, "echo x", "x"),
        ({"pipesize": 4096}, "echo x", "x"),
        ({"user": os.getuid(), "group": os.getgid()}, "id -u", str(os.getuid())),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_options_of_popen_do_what_they_say(
    any_loop: Loop, options: dict[str, Any], code: str, output: str
) -> None:
    """agronholm/anyio#749"""
    if "user" in options and os.getuid() != 0:
        pytest.skip("only root may set groups")
    status, printed = run(any_loop, output_of("/bin/sh", "-c", code, **options))
    assert (status, printed.decode().strip()) == (0, output)


def test_preexec_fn_runs_in_the_child_and_its_failure_is_raised(any_loop: Loop) -> None:
    """uvloop#118"""

    async def main() -> None:
        code = "import os; print(os.nice(0))"
        assert await output_of(*python(code), preexec_fn=lambda: os.nice(3)) == (
            0,
            f"{os.nice(0) + 3}\n".encode(),
        )
        with pytest.raises(
            subprocess.SubprocessError, match=r"^Exception occurred in preexec_fn\.$"
        ):
            await output_of("true", preexec_fn=lambda: 1 / 0)

    run(any_loop, main())


def test_missing_program_is_the_callers_failure_and_leaves_nothing(
    any_loop: Loop, tmp_path: Path
) -> None:
    """uvloop#414"""
    not_executable = tmp_path / "file"
    not_executable.touch()

    async def main() -> None:
        async def start() -> None:
            with pytest.raises(FileNotFoundError) as raised:
                await asyncio.create_subprocess_exec(
                    "/nothing/here", stdin=PIPE, stdout=PIPE, stderr=PIPE
                )
            assert raised.value.filename == "/nothing/here"

        await asyncio.gather(*[start() for _ in range(30)])
        with pytest.raises(FileNotFoundError) as raised:
            await asyncio.create_subprocess_exec("true", cwd="/nothing/here")
        assert raised.value.filename == "/nothing/here"
        with pytest.raises(PermissionError):
            await asyncio.create_subprocess_exec(not_executable)

    run(any_loop, main())


def test_arguments_may_be_of_any_kind_that_popen_takes(any_loop: Loop, tmp_path: Path) -> None:
    """zuvloop#59, zuvloop#32"""

    async def main() -> None:
        with pytest.raises(ValueError, match="embedded null byte"):
            await output_of("echo", "a\0b")
        assert await output_of(pathlib.Path("/bin/echo"), b"bytes", pathlib.Path("path")) == (
            0,
            b"bytes path\n",
        )
        long = "x" * 4096
        assert await output_of("echo", long) == (0, long.encode() + b"\n")
        # In the file system's encoding, with what could not be decoded.
        assert await output_of("echo", "\udcff") == (0, b"\xff\n")

    run(any_loop, main())


def test_streams_can_be_redirected_anywhere(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "output"
        with path.open("wb") as file, path.open("rb") as source:
            child = await asyncio.create_subprocess_shell(
                "echo out; echo err >&2", stdin=DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )
            assert child.stdin is child.stdout is child.stderr is None
            assert await child.wait() == 0
            assert await output_of_stdin(source) == b"out\nerr\n"
            child = await asyncio.create_subprocess_exec("cat", stdin=source.fileno(), stdout=PIPE)
            assert await child.communicate() == (b"", None)

    async def output_of_stdin(source: Any) -> bytes:
        child = await asyncio.create_subprocess_exec("cat", stdin=source, stdout=PIPE)
        output, _ = await child.communicate()
        return output

    run(any_loop, main())


def test_debug_mode_logs_commands_but_not_arguments(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    any_loop.set_debug(True)

    async def main() -> None:
        child = await asyncio.create_subprocess_exec(
            "true", "secret", stdin=DEVNULL, stdout=PIPE, stderr=subprocess.STDOUT
        )
        assert await child.communicate() == (b"", None)
        child = await asyncio.create_subprocess_shell("exit 3", stderr=PIPE)
        await child.communicate()

    with caplog.at_level(logging.DEBUG, "asyncio"):
        run(any_loop, main())
    assert "secret" not in caplog.text
    for pattern in (
        r"DEBUG .*execute program 'true' stdin=-3 stdout=stderr=<pipe>\n",
        r"DEBUG .*process 'true' created: pid \d+\n",
        r"INFO .*execute program 'true': <\w+ pid=\d+ ",
        r"INFO .*<\w+ pid=\d+ running.*> exited with return code 0\n",
        r"DEBUG .*run shell command 'exit 3' stderr=<pipe>\n",
        r"INFO .*> exited with return code 3\n",
    ):
        assert re.search(pattern, caplog.text), pattern


def test_factory_that_fails_starts_nothing(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "made"
        start: Any = any_loop.subprocess_exec
        with pytest.raises(ZeroDivisionError):
            await start(lambda: 1 / 0, "touch", str(path), **NO_PIPES)
        assert not path.exists()

    run(any_loop, main())
