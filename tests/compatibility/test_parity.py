"""Public names and signatures are those of the running version's asyncio.

The differences stand in a table of docs/compatibility.md, each with its reason. Both loops make one
object of each kind, and what can be seen of it is compared.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cxxloop
from tests.support.kinds import KINDS

Loop = asyncio.AbstractEventLoop

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
SECTION = "## Public names"


def reasons() -> dict[tuple[str, str], str]:
    """{(kind of object, name): reason} of the page's table."""
    text = PAGE.read_text()
    assert SECTION in text
    section = text.split(SECTION, 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    found = {}
    for kind, names, *_, reason in rows[2:]:
        for name in re.findall(r"`(\w+)`", names):
            found[kind, name] = reason
    return found


def looks(value: Any) -> object:
    """What a program can see of an attribute without using it."""
    if not callable(value):
        return "no method"
    try:
        signature = inspect.signature(value)
    except ValueError:
        return "no signature"
    parameters = [
        (parameter.name, parameter.kind, parameter.default)
        for parameter in signature.parameters.values()
    ]
    return inspect.iscoroutinefunction(value), parameters


def described(made: object) -> dict[str, object]:
    """Everything public of an object."""
    return {name: looks(getattr(made, name)) for name in dir(made) if not name.startswith("_")}


def of_loop(new_loop: Callable[[], Loop], kind: str) -> dict[str, object]:
    async def main() -> dict[str, object]:
        async with KINDS[kind](asyncio.get_running_loop()) as made:
            return described(made)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main())


def differing(kind: str) -> Iterator[str]:
    """Names that are missing, extra or different."""
    theirs = of_loop(asyncio.SelectorEventLoop, kind)
    ours = of_loop(cxxloop.Loop, kind)
    for name in sorted(theirs.keys() | ours.keys()):
        if theirs.get(name) != ours.get(name):
            yield name


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_public_names_and_signatures_are_those_of_asyncio(kind: str) -> None:
    assert set(differing(kind)) == {name for of_kind, name in reasons() if of_kind == kind}


def test_table_names_objects_that_are_compared() -> None:
    table = reasons()
    assert table
    assert {kind for kind, _ in table} <= KINDS.keys()
    assert all(reason.strip() for reason in table.values())
