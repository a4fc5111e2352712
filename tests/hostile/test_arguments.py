"""Hostile arguments to everything public: asyncio's exceptions, no crash, nothing half done.

A fixed part of all calls; `make fuzz` makes every one.
"""

from __future__ import annotations

import pytest

from tests.hostile.calls import CLASSES, all_calls
from tests.hostile.compare import differences, selected, told

# Each Nth call. A call that runs a child or shakes hands takes longer.
PART = {"loop": 32, "TLS transport": 24, "subprocess": 32}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(CLASSES))
def test_hostile_calls_end_as_with_asyncio(kind: str) -> None:
    numbers = selected(kind, PART.get(kind, 8))
    assert len(numbers) > 20
    found = [
        f"{call}: {', '.join(aspects)}\n{told(aspects, *pair)}"
        for call, aspects, *pair in differences(kind, numbers)
    ]
    assert not found, "\n" + "\n".join(found)


def test_calls_have_names_that_tell_them_apart() -> None:
    for kind in CLASSES:
        names = [str(call) for call in all_calls(kind)]
        assert len(names) == len(set(names))
