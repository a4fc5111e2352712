"""python -m cxxloop: runs a program as Python itself would, on cxxloop."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

import cxxloop
from tests.lifecycle.interpreters import Ended, interpret

SHOW = """\
import sys
print(__name__, sys.argv, __file__)
"""
KIND = """\
import asyncio

async def main():
    print(type(asyncio.get_running_loop()).__module__.split(".")[0])

asyncio.run(main())
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


def cxxloop_command(*arguments: str, cwd: Path | None = None, **environment: str) -> Ended:
    return interpret("-m", "cxxloop", *arguments, cwd=cwd, environment=environment)


def test_script_runs_on_cxxloop(script: Path) -> None:
    script.write_text(KIND)
    assert cxxloop_command(str(script)) == (0, "cxxloop\n", "")


def test_every_way_to_a_loop_gives_cxxloops(script: Path) -> None:
    script.write_text(
        """\
import asyncio, threading

def kind(loop):
    loop.close()
    return type(loop).__module__.split(".")[0]

print(kind(asyncio.new_event_loop()))
with asyncio.Runner() as runner:
    print(type(runner.get_loop()).__module__.split(".")[0])
thread = threading.Thread(target=lambda: print(kind(asyncio.new_event_loop())))
thread.start()
thread.join()
"""
    )
    assert cxxloop_command(str(script)) == (0, "cxxloop\n" * 3, "")


def test_script_sees_itself_and_its_arguments_as_with_python(script: Path) -> None:
    script.write_text(SHOW)
    arguments = [str(script), "one", "--two", "-m", "--info", "-h", "--", "three four", ""]
    expected = interpret(*arguments)
    assert expected.status == 0
    assert cxxloop_command(*arguments) == expected


def test_script_of_a_relative_path_is_as_with_python(script: Path, tmp_path: Path) -> None:
    script.write_text(SHOW + "import os\nprint(os.path.realpath(sys.path[0]))\n")
    expected = interpret("program.py", "argument", cwd=tmp_path)
    assert expected.status == 0
    assert cxxloop_command("program.py", "argument", cwd=tmp_path) == expected


def test_script_can_import_its_neighbours(script: Path, tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_the_program.py").write_text("print('neighbour')\n")
    script.write_text("import neighbour_of_the_program\n")
    assert cxxloop_command(str(script), cwd=Path("/")) == (0, "neighbour\n", "")


def test_script_behind_a_link_finds_the_neighbours_of_its_target(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "neighbour_of_the_target.py").write_text("print('neighbour')\n")
    (tmp_path / "real" / "program.py").write_text("import neighbour_of_the_target\n")
    link = tmp_path / "link.py"
    link.symlink_to(tmp_path / "real" / "program.py")
    assert cxxloop_command(str(link)) == interpret(str(link)) == (0, "neighbour\n", "")


def test_directory_and_archive_run_as_programs(tmp_path: Path) -> None:
    import zipfile

    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__main__.py").write_text(KIND)
    assert cxxloop_command(str(tmp_path / "program")) == (0, "cxxloop\n", "")
    with zipfile.ZipFile(tmp_path / "program.pyz", "w") as archive:
        archive.writestr("__main__.py", KIND)
    assert cxxloop_command(str(tmp_path / "program.pyz")) == (0, "cxxloop\n", "")


def test_module_runs_on_cxxloop_and_sees_itself_as_with_python(tmp_path: Path) -> None:
    package = tmp_path / "package_to_run"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(SHOW)
    (package / "module.py").write_text(SHOW + "print(__package__, __spec__.name)\n" + KIND)
    for name in ("package_to_run", "package_to_run.module"):
        expected = interpret("-m", name, "one", "-m", "two", cwd=tmp_path)
        assert expected.status == 0
        ended = cxxloop_command("-m", name, "one", "-m", "two", cwd=tmp_path)
        assert ended.out.replace("cxxloop\n", "asyncio\n") == expected.out
        assert (ended.status, ended.err) == (0, "")
    assert ended.out.endswith("cxxloop\n")


@pytest.mark.parametrize(
    ("source", "status", "error"),
    [
        ("import sys; sys.exit(0)", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("raise SystemExit('text')", 1, "text\n"),
        ("import os; os._exit(7)", 7, ""),
        ("import sys\nasync def main(): sys.exit(4)\nimport asyncio; asyncio.run(main())", 4, ""),
    ],
)
def test_status_of_the_program_is_that_of_the_command(
    script: Path, source: str, status: int, error: str
) -> None:
    script.write_text(source)
    assert cxxloop_command(str(script)) == (status, "", error)


def test_exception_of_the_program_gives_its_traceback(script: Path) -> None:
    script.write_text("def fail():\n    1 / 0\n\nfail()\n")
    ended = cxxloop_command(str(script))
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("Traceback (most recent call last):\n")
    assert f'  File "{script}", line 4, in <module>\n    fail()\n' in ended.err
    assert f'  File "{script}", line 2, in fail\n' in ended.err
    assert ended.err.endswith("\nZeroDivisionError: division by zero\n")


def test_syntax_error_of_the_program_is_shown(script: Path) -> None:
    script.write_text("this is no Python\n")
    ended = cxxloop_command(str(script))
    assert (ended.status, ended.out) == (1, "")
    assert f'File "{script}", line 1' in ended.err
    assert "\nSyntaxError: " in ended.err


def test_interrupted_program_dies_of_the_signal(script: Path) -> None:
    script.write_text(
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "signal.raise_signal(signal.SIGINT)\n"
    )
    ended = cxxloop_command(str(script))
    assert ended.status == interpret(str(script)).status == -2
    assert ended.err.endswith("KeyboardInterrupt\n")


def test_unknown_script_is_an_error() -> None:
    ended = cxxloop_command("/nonexistent/program.py")
    assert ended.status != 0
    assert ended.out == ""
    assert "No such file or directory: '/nonexistent/program.py'" in ended.err


def test_unknown_module_is_an_error() -> None:
    ended = cxxloop_command("-m", "nonexistent_module")
    assert ended.status != 0
    assert ended.out == ""
    assert "No module named nonexistent_module" in ended.err


@pytest.mark.parametrize("arguments", [[], ["-m"]])
def test_nothing_to_run_is_a_wrong_usage(arguments: list[str]) -> None:
    ended = cxxloop_command(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(
        "usage: python -m cxxloop [-h] [--info] (SCRIPT | -m MODULE) [ARGS ...]\n"
    )
    assert ended.err.endswith("error: a SCRIPT or -m MODULE is needed\n")


def test_unknown_option_is_a_wrong_usage() -> None:
    ended = cxxloop_command("--colour")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("usage: python -m cxxloop ")


def test_help_explains_the_command() -> None:
    ended = cxxloop_command("--help")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("usage: python -m cxxloop ")
    for named in ("--info", "-m", "CXXLOOP_DISABLE=1"):
        assert named in ended.out


def test_info_tells_what_cxxloop_runs_on() -> None:
    ended = cxxloop_command("--info")
    assert (ended.status, ended.err) == (0, "")
    lines = dict(line.split("  ", 1) for line in ended.out.splitlines() if "  " in line)
    values = {name: value.strip() for name, value in lines.items()}
    assert values["cxxloop"] == cxxloop.__version__
    assert values["Python"].startswith(platform.python_version())
    assert values["libuv"].startswith(cxxloop.libuv_version())
    assert values["platform"] == platform.platform()
    assert ended.out.splitlines()[-1] in ("poll backend epoll", "poll backend libuv")


def test_disabled_by_the_environment_it_runs_on_asyncios_loop(script: Path) -> None:
    script.write_text(KIND)
    assert cxxloop_command(str(script), CXXLOOP_DISABLE="1") == (0, "asyncio\n", "")
    assert cxxloop_command(str(script), CXXLOOP_DISABLE="0") == (0, "cxxloop\n", "")


def test_program_in_development_mode_gets_no_warnings_from_the_command(script: Path) -> None:
    script.write_text(KIND)
    ended = interpret("-Xdev", "-Werror", "-m", "cxxloop", str(script))
    assert ended == (0, "cxxloop\n", "")


def test_program_can_be_pickled_by_the_processes_it_starts(script: Path) -> None:
    script.write_text(
        """\
import asyncio
import concurrent.futures
import multiprocessing

def work(number):
    return number + 1

async def main():
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        print(await loop.run_in_executor(pool, work, 41))

if __name__ == "__main__":
    asyncio.run(main())
"""
    )
    ended = interpret("-Wignore::DeprecationWarning", "-m", "cxxloop", str(script))
    assert ended == interpret("-Wignore::DeprecationWarning", str(script)) == (0, "42\n", "")
