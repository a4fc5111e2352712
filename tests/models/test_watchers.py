"""Readers and writers are called as asyncio's are, whatever is added, removed and closed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxxloop import _core
from tests.models.playing import compare, examples
from tests.models.watchers import PLACES, Action, Script, play

NUMBERS = st.integers(0, PLACES - 1)
SIMPLE = ("remove_reader", "remove_writer", "read", "fill", "send", "drain", "end", "renew")


def simple(numbers: st.SearchStrategy[object]) -> st.SearchStrategy[Action]:
    return st.tuples(st.sampled_from(SIMPLE), numbers)


def watching(
    numbers: st.SearchStrategy[object], actions: st.SearchStrategy[Action]
) -> st.SearchStrategy[Action]:
    inner = st.lists(actions, max_size=3).map(tuple)
    return st.tuples(st.sampled_from(["reader", "writer"]), numbers, inner)


failing = st.tuples(st.just("raise"), st.sampled_from([ValueError, asyncio.CancelledError]))
anywhere = st.one_of(NUMBERS, st.just("self"))
within = st.one_of(simple(anywhere), failing, watching(anywhere, simple(anywhere)))
step = st.one_of(
    simple(NUMBERS), watching(NUMBERS, within), st.tuples(st.just("turns"), st.integers(1, 3))
)


@pytest.mark.skipif(
    _core.poll_backend() == "libuv", reason="libuv tells of descriptors in an order of its own"
)
@examples(200)
@given(st.builds(Script, debug=st.booleans(), steps=st.lists(step, max_size=20).map(tuple)))
def test_watchers(script: Script) -> None:
    compare(lambda kind: play(script, kind))
