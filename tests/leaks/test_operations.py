"""Whatever a program does with a loop, and however it fails, leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

import cxxloop
from tests.leaks.measuring import leftovers
from tests.leaks.operation import Setting, make_setting
from tests.leaks.table import OPERATIONS
from tests.support.certificates import Certificates


@pytest.fixture
def setting(loop: cxxloop.Loop, certificates: Certificates, tmp_path: Path) -> Setting:
    return make_setting(loop, certificates, tmp_path)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_nothing_is_left_by(name: str, setting: Setting) -> None:
    assert leftovers(OPERATIONS[name], setting, OPERATIONS[name].cycles) == {}
