"""The library that makes system calls fail, built once for each run."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import shim as shim_module
from tests.lifecycle.interpreters import Ended, interpret, interpret_script
from tests.support.certificates import Certificates

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def shim_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if sys.platform != "linux":
        pytest.skip("calls are replaced as Linux's loader and C library allow it")
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang", "c++")):
        pytest.skip("needs a C compiler")
    return shim_module.build(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="session")
def certificate_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    Certificates(directory)
    return directory


@pytest.fixture
def interpret_with_shim(shim_library: Path) -> Callable[..., Ended]:
    """Runs a script in a fresh interpreter, where `shim` makes calls fail."""

    def run(script: str, *options: str, seconds: float = 50, **environment: str) -> Ended:
        return interpret_script(
            _SHIM + script,
            *options,
            environment=shim_module.preloaded(shim_library) | environment,
            cwd=ROOT,
            seconds=seconds,
        )

    return run


@pytest.fixture
def run_module_with_shim(shim_library: Path) -> Callable[..., Ended]:
    """Runs a module in a fresh interpreter that has the library."""

    def run(module: str, *arguments: str, seconds: float = 60, **environment: str) -> Ended:
        return interpret(
            *("-m", module, *arguments),
            environment=shim_module.preloaded(shim_library) | environment,
            cwd=ROOT,
            seconds=seconds,
        )

    return run


_SHIM = """\
import errno
from tests.faults.shim import Shim
shim = Shim()
"""
