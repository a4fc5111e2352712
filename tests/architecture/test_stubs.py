"""_core.pyi declares what the extension has, name by name; make check compares signatures too."""

from __future__ import annotations

import ast
import sys
import types
from typing import Any

import pytest

from cxxloop import _core
from tests.architecture.sources import PYTHON

STUB = ast.parse((PYTHON / "_core.pyi").read_text())
FROM_OBJECT = set(dir(object)) | {"__dict__", "__weakref__", "__module__", "__slots__", "__doc__"}


def holds(condition: ast.expr) -> bool:
    """Whether a condition such as sys.version_info >= (3, 12) is true here."""
    code = compile(ast.Expression(condition), "_core.pyi", "eval")
    return bool(eval(code, {"sys": sys, "TYPE_CHECKING": True}))


def declared(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """Names that a module or class body declares; imports and type variables are not among them."""
    names: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names[node.target.id] = node
        elif isinstance(node, ast.If):
            names |= declared(node.body if holds(node.test) else node.orelse)
    return names


STUB_NAMES = declared(STUB.body)
CLASSES = [node for node in STUB_NAMES.values() if isinstance(node, ast.ClassDef)]


def offered(namespace: types.ModuleType | type) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(namespace).items()
        if not (name.startswith("__") and name.endswith("__")) and not name.startswith("_pybind11_")
    }


def test_stub_declares_every_name_of_the_module() -> None:
    assert set(offered(_core)) - set(STUB_NAMES) == set()


def test_module_has_every_name_of_the_stub() -> None:
    public = {name for name in STUB_NAMES if hasattr(_core, name) or not name.startswith("_")}
    assert {name for name in public if not hasattr(_core, name)} == set()


@pytest.mark.parametrize("declaration", CLASSES, ids=lambda node: node.name)
def test_stub_declares_every_member(declaration: ast.ClassDef) -> None:
    kind = getattr(_core, declaration.name)
    assert set(offered(kind)) - set(declared(declaration.body)) == set()


@pytest.mark.parametrize("declaration", CLASSES, ids=lambda node: node.name)
def test_class_has_every_member_of_the_stub(declaration: ast.ClassDef) -> None:
    kind = getattr(_core, declaration.name)
    for name, node in declared(declaration.body).items():
        assert hasattr(kind, name) or name in FROM_OBJECT, f"{declaration.name}.{name}"
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            assert callable(getattr(kind, name)), f"{declaration.name}.{name} is no method"


@pytest.mark.parametrize("declaration", CLASSES, ids=lambda node: node.name)
def test_native_types_have_docstrings(declaration: ast.ClassDef) -> None:
    assert getattr(_core, declaration.name).__doc__
