"""The event loops that can be compared: modules with a new_event_loop()."""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from typing import cast

SUBJECT = "cxxloop"
KNOWN = ("asyncio", "uvloop", "zuvloop", "rsloop", "rloop", SUBJECT)


def available(names: Sequence[str] = KNOWN) -> list[str]:
    """Those of `names` that can be imported by this interpreter."""
    return [name for name in names if importlib.util.find_spec(name) is not None]


def new_loop(name: str) -> asyncio.AbstractEventLoop:
    """Makes a loop of the named kind."""
    module = importlib.import_module(name)
    loop = cast(asyncio.AbstractEventLoop, module.new_event_loop())
    if name == SUBJECT and not type(loop).__module__.startswith(SUBJECT):
        raise RuntimeError(f"{SUBJECT} made a {type(loop)!r}; is it switched off?")
    return loop


def version(name: str) -> str:
    """The version of the named loop, as its distribution or its module states it."""
    if name == "asyncio":
        return "stdlib"
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(importlib.import_module(name), "__version__", "unknown"))
