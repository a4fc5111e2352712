"""Timers run when and in the order that asyncio's do, whatever callbacks do with them."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tests.models.playing import compare, examples
from tests.models.timers import Action, Script, play

# The clock's resolution is 1e-9: what is due within it runs at once.
SECONDS = st.sampled_from([0, 1, 1.0, 1.5, 2, -1, 1e-9, 5e-10, 2e-9, 30, True, None, 1 << 70])
INDICES = st.integers(0, 8)

leaves: st.SearchStrategy[Action] = st.one_of(
    st.tuples(st.just("cancel"), INDICES),
    st.tuples(st.just("describe"), INDICES),
    st.tuples(st.just("advance"), st.sampled_from([0.0, 1e-9, 0.5, 1.0, 2.0])),
)


def scheduling(actions: st.SearchStrategy[Action]) -> st.SearchStrategy[Action]:
    inner = st.lists(actions, max_size=3).map(tuple)
    return st.one_of(
        st.tuples(st.just("later"), SECONDS, inner),
        st.tuples(st.just("at"), SECONDS, inner),
        st.tuples(st.just("soon"), inner),
    )


failing = st.tuples(
    st.just("raise"), st.sampled_from([ValueError, asyncio.CancelledError, SystemExit])
)
actions = st.recursive(leaves, lambda inner: scheduling(st.one_of(inner, failing)), max_leaves=12)
steps = st.lists(st.one_of(actions, leaves, st.just(("turn",))), max_size=20).map(tuple)


@examples(200)
@given(st.builds(Script, debug=st.booleans(), steps=steps))
def test_timers(script: Script) -> None:
    compare(lambda kind: play(script, kind))
