"""The soak test holds for a few seconds, on both loops; `make soak` is for more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lifecycle.interpreters import interpret
from tests.support.loops import LOOP_FACTORIES


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("loop_kind", sorted(LOOP_FACTORIES))
def test_no_byte_goes_astray_between_connections_of_all_kinds(loop_kind: str) -> None:
    ended = interpret(
        *("-m", "tests.soak", "--loop", loop_kind, "--minutes", "0.05", "--workers", "10"),
        cwd=Path(__file__).parents[2],
        seconds=110,
    )
    assert ended.status == 0, ended.out + ended.err
    assert "RESULT: passed" in ended.out
