"""The names that users may rely on."""

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys
from importlib import metadata

import cxxloop

EVERYWHERE = {
    "Loop",
    "Server",
    "__version__",
    "debug_counters",
    "libuv_version",
    "new_event_loop",
    "run",
}
WITH_POLICIES = {"EventLoopPolicy", "install"} if sys.version_info < (3, 16) else set()


def test_all_lists_exactly_the_public_names() -> None:
    assert set(cxxloop.__all__) == EVERYWHERE | WITH_POLICIES


def test_nothing_else_is_public() -> None:
    public = {
        name
        for name, value in vars(cxxloop).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }
    assert public == (EVERYWHERE | WITH_POLICIES) - {"__version__"}


def test_run_takes_main_and_debug() -> None:
    parameters = inspect.signature(cxxloop.run).parameters
    assert list(parameters) == ["main", "debug"]
    assert parameters["debug"].kind is inspect.Parameter.KEYWORD_ONLY
    assert parameters["debug"].default is None


def test_loop_is_an_event_loop_of_asyncio() -> None:
    assert issubclass(cxxloop.Loop, asyncio.AbstractEventLoop)
    assert issubclass(cxxloop.Server, asyncio.AbstractServer)


def test_every_method_of_the_contract_exists_on_the_loop() -> None:
    contract = {
        name
        for name, value in vars(asyncio.AbstractEventLoop).items()
        if inspect.isfunction(value) and not name.startswith("__")
    }
    assert not {name for name in contract if not hasattr(cxxloop.Loop, name)}


def test_version_is_that_of_the_distribution() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", cxxloop.__version__)
    try:
        installed = metadata.version("cxxloop")
    except metadata.PackageNotFoundError:
        return  # Imported from a build tree.
    assert cxxloop.__version__ == installed


def test_libuv_is_one_that_is_supported() -> None:
    version = tuple(int(part) for part in cxxloop.libuv_version().split(".")[:2])
    assert version >= (1, 44)


def test_import_does_not_change_the_process() -> None:
    program = (
        "import asyncio, signal, threading\n"
        "before = signal.getsignal(signal.SIGINT), threading.active_count()\n"
        "import cxxloop\n"
        "assert before == (signal.getsignal(signal.SIGINT), threading.active_count())\n"
        "async def main(): return type(asyncio.get_running_loop()).__module__.split('.')[0]\n"
        "assert asyncio.run(main()) == 'asyncio'\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)
