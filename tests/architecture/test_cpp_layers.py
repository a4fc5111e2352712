"""Every include points down, and what belongs to one layer stays in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.sources import CPP, cpp_files

BASE = {"containers", "cpython", "uv"}
LOOP = BASE | {"poll", "loop"}
MAY_INCLUDE: dict[str, set[str]] = {
    "containers": set(),
    "cpython": set(),
    "uv": set(),
    "poll": {"containers", "uv"},
    "loop": BASE | {"poll"},
    "sockets": LOOP,
    "dns": LOOP,
    "transports": LOOP,
    "tls": LOOP | {"transports"},
    "bindings": LOOP | {"sockets", "dns", "transports", "tls"},
}
WITHOUT_PYTHON = {"containers", "uv", "poll"}
WITH_LIBUV = {"uv", "poll", "bindings"}

OURS = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
FOREIGN = re.compile(r"^\s*#\s*include\s+<([^>]+)>", re.MULTILINE)


def layer_of(path: Path) -> str:
    return path.relative_to(CPP).parts[0]


def each(files: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", files, ids=lambda path: str(path.relative_to(CPP)))


def test_layers_are_those_of_the_tree() -> None:
    assert {layer_of(path) for path in cpp_files()} == set(MAY_INCLUDE)


@each(cpp_files())
def test_every_include_points_down(path: Path) -> None:
    layer = layer_of(path)
    for included in OURS.findall(path.read_text()):
        assert (CPP / included).is_file(), f"{included} is not written from the root of cpp/"
        other = included.split("/")[0]
        assert other in MAY_INCLUDE[layer] | {layer}, f"{layer} must not include {included}"


@each(cpp_files())
def test_python_and_libuv_are_seen_where_they_belong(path: Path) -> None:
    layer = layer_of(path)
    for included in FOREIGN.findall(path.read_text()):
        is_python = included.startswith("pybind11/") or included in {"Python.h", "structmember.h"}
        assert not (is_python and layer in WITHOUT_PYTHON), f"{layer} does without Python"
        assert not (included == "uv.h" and layer not in WITH_LIBUV), f"{layer} does without libuv"


@each(cpp_files())
def test_classes_and_functions_are_bound_in_bindings_only(path: Path) -> None:
    if layer_of(path) == "bindings":
        return
    assert not re.search(r"py::class_|PYBIND11_MODULE|\.def\(", path.read_text())


@each([path for path in cpp_files() if path.suffix == ".h"])
def test_every_header_is_guarded_by_pragma_once(path: Path) -> None:
    assert path.read_text().startswith("#pragma once\n")


@each([path for path in cpp_files() if path.suffix == ".cpp"])
def test_every_source_is_listed_in_the_build_file(path: Path) -> None:
    listed = re.findall(r"^\s+([a-z]+/[a-z_]+\.cpp)$", (CPP / "CMakeLists.txt").read_text(), re.M)
    assert str(path.relative_to(CPP)) in listed
