"""Every import of the package points down, as setup.cfg says."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import PYTHON, ROOT, python_files


def read_layers() -> dict[str, int]:
    """Height of every module below the package, the lowest first; siblings share one."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / "setup.cfg")
    lines = contracts["importlinter:contract:package"]["layers"].split("\n")
    layers = [line.split("|") for line in lines if line.strip()]
    return {name.strip(): height for height, names in enumerate(reversed(layers)) for name in names}


HEIGHT = read_layers()
MODULES = [path for path in python_files() if path.suffix == ".py"]


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports_of(node: ast.AST) -> Iterator[str]:
    """Dotted names of what is imported when the module runs, wherever in it."""
    for child in ast.iter_child_nodes(node):
        if is_type_checking(child):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are written from the package's root"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        else:
            yield from imports_of(child)


def own_imports_of(path: Path) -> list[list[str]]:
    names = [name.split(".") for name in imports_of(ast.parse(path.read_text()))]
    return [name[1:] for name in names if name[0] == "cxxloop"]


def module_of(path: Path) -> str:
    return path.relative_to(PYTHON).parts[0].removesuffix(".py")


def each(files: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", files, ids=lambda path: str(path.relative_to(PYTHON)))


def test_setup_cfg_names_every_module() -> None:
    assert {module_of(path) for path in MODULES} - {"__init__"} <= set(HEIGHT)


@each(MODULES)
def test_every_import_points_down(path: Path) -> None:
    module = module_of(path)
    if module in {"__init__", "__main__"}:
        return  # They may see everything; nobody sees them, which the other modules' tests show.
    for name in own_imports_of(path):
        assert name, "only __main__ imports the package as a whole"
        if name[0] != module:
            assert HEIGHT[name[0]] < HEIGHT[module], f"{module} must not import {name[0]}"


@each(sorted((PYTHON / "_loop").glob("[a-z]*.py")))
def test_topics_of_the_loop_are_blind_to_one_another(path: Path) -> None:
    for name in own_imports_of(path):
        assert name[0] != "_loop", f"{path.name} imports {'.'.join(name)}"
