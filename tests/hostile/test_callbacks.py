"""Hostile callbacks of protocols: what a program sees is what it sees with asyncio."""

from __future__ import annotations

import difflib
import os
import re
import sys
import warnings

import pytest

from tests.hostile.acts import ACTS
from tests.hostile.scenes import SCENES, callbacks_of, performed
from tests.support.loops import LOOP_FACTORIES

# asyncio's own methods break on a transport that lost its connection meanwhile, or that was told to
# close twice (docs/compatibility.md); what happens otherwise is compared.
_ACCIDENTS = re.compile(
    r"reported: (Exception in callback|protocol.pause_writing\(\) failed) \[.*\] "
    r"(AttributeError: 'NoneType' object has no attribute '(_write_appdata|close|pause_writing)'"
    r"|AssertionError: Data should not be empty"
    r"|TypeError: 'NoneType' object is not callable)$"
)

# What is in the table of docs/compatibility.md: (kind, callback, act).
_INTENDED = {
    # writelines() after the end raises TypeError, and a further write from resume_writing() of a
    # transport that closes meets a callback that is gone.
    ("stream", "connection_lost", "writelines"),
    ("buffered stream", "connection_lost", "writelines"),
    ("stream", "resume_writing", "write, close"),
    ("buffered stream", "resume_writing", "write, close"),
    # A pipe's writer that is closed in resume_writing() loses what was just written.
    ("write pipe", "resume_writing", "write, close"),
    ("write pipe", "resume_writing", "write_eof, write"),
}

# What they do depends on which of a child's ends is seen first.
_BY_CHANCE = {("child", "forget"), ("child", "other protocol"), ("child", "other protocol, raise")}

# asyncio before 3.11.7 reads where it was told to pause in connection_made(), can't pause
# datagrams, and fails to abort TLS that is closed.
_MENDED = {"pause", "pause, resume", "close, abort"} if sys.version_info < (3, 11, 7) else set()

# `make fuzz` does all acts in all callbacks.
EVERYTHING = bool(os.environ.get("CXXLOOP_FUZZ"))
# Of those that take their time: what takes every way that an exception or an end can take.
_SOME = [
    "raise OddError",
    "raise Fatal",
    "raise SystemExit",
    "close, abort",
    "write, close",
    "forget",
]
FEWER = {
    "child": ["raise OddError", "raise SystemExit", "close"],
    "TLS": _SOME,
    "buffered TLS": _SOME,
}

CASES = [
    (kind, callback, debug)
    for kind in SCENES
    for callback in callbacks_of(kind)
    for debug in (False, True)
    if EVERYTHING or not debug or kind in ("stream", "datagram", "read pipe")
]


def _trace(library: str, kind: str, callback: str, act: str, debug: bool) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of what an act has left open.
        lines = performed(LOOP_FACTORIES[library], kind, callback, ACTS[act], debug=debug)
    if kind == "child" and "close" in act:  # What it wrote may come before.
        lines = [line for line in lines if not line.startswith("pipe_data_received")]
    if kind == "child":
        # Whether its end, that of its pipes or the collector comes first is the system's.
        lines = sorted(line for line in lines if not line.startswith("unraisable"))
    return [line for line in lines if not _ACCIDENTS.match(line)]


def differing(kind: str, callback: str, act: str, debug: bool) -> str:
    """How the traces of both libraries differ; the empty text if they don't."""
    theirs = _trace("asyncio", kind, callback, act, debug)
    ours = _trace("cxxloop", kind, callback, act, debug)
    assert kind == "child" or any(line.startswith(callback) for line in theirs), theirs
    return "\n".join(difflib.unified_diff(theirs, ours, lineterm="", n=3))


@pytest.mark.parametrize(("kind", "callback", "debug"), CASES)
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_traces_with_a_hostile_callback_are_asyncios(kind: str, callback: str, debug: bool) -> None:
    found = []
    for act in ACTS if EVERYTHING or kind not in FEWER else FEWER[kind]:
        excepted = (kind, callback, act) in _INTENDED or (kind, act) in _BY_CHANCE
        if not excepted and act not in _MENDED:
            difference = differing(kind, callback, act, debug)
            if difference:
                found.append(f"{act}\n{difference}")
    assert not found, "\n".join(found)
