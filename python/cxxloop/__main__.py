"""python -m cxxloop: runs any asyncio program on cxxloop."""

from __future__ import annotations

import argparse
import asyncio
import builtins
import io
import os
import pkgutil
import platform
import runpy
import sys
import types
from collections.abc import Sequence

import cxxloop
from cxxloop import _core
from cxxloop._running import is_disabled

_USAGE = "python -m cxxloop [-h] [--info] (SCRIPT | -m MODULE) [ARGS ...]"


def _print_info() -> None:
    source = _core.libuv_source
    print(f"cxxloop      {cxxloop.__version__}")
    print(f"Python       {platform.python_version()} ({platform.python_implementation()})")
    print(f"libuv        {cxxloop.libuv_version()} ({source})")
    print(f"platform     {platform.platform()}")
    print(f"poll backend {_core.poll_backend()}")


def _use_cxxloop() -> None:
    """Make every way in which the program may get a loop give ours."""
    if is_disabled():
        return
    if sys.version_info < (3, 16):
        cxxloop.install()
    else:
        asyncio.new_event_loop = cxxloop.new_event_loop
        asyncio.events.new_event_loop = cxxloop.new_event_loop


def _run_script(path: str, arguments: Sequence[str]) -> None:
    sys.argv = [path, *arguments]
    if pkgutil.get_importer(path) is not None:  # A directory or an archive.
        runpy.run_path(path, run_name="__main__")
        return
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    # Not by runpy.run_path(), which has one name for sys.argv[0] and for __file__: Python gives
    # the one as it was typed and the other absolute.
    file = os.path.abspath(path)
    with io.open_code(file) as stream:
        code = compile(stream.read(), file, "exec")
    program = types.ModuleType("__main__")
    vars(program).update(__file__=file, __builtins__=builtins, __cached__=None)
    sys.modules["__main__"] = program
    exec(code, vars(program))


def _run_module(name: str, arguments: Sequence[str]) -> None:
    sys.argv = [name, *arguments]
    sys.path[0] = os.getcwd()
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def main(arguments: Sequence[str]) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m cxxloop",
        usage=_USAGE,
        description="Run an asyncio program unchanged on cxxloop.",
        epilog="CXXLOOP_DISABLE=1 in the environment runs it on asyncio's own loop.",
    )
    parser.add_argument("--info", action="store_true", help="print what cxxloop runs on, and exit")
    parser.add_argument("-m", dest="module", action="store_true", help="run a module")
    parser.add_argument("program", nargs="?", help="a script, or with -m a module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the program's own")
    options = parser.parse_args(arguments)
    if options.info:
        _print_info()
        return
    if options.program is None:
        parser.error("a SCRIPT or -m MODULE is needed")
    _use_cxxloop()
    if options.module:
        _run_module(options.program, options.arguments)
    else:
        _run_script(options.program, options.arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
