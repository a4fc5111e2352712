"""Datagram endpoints do what asyncio's do, whatever is done with them in whatever order."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tests.models.datagrams import CALLBACKS, LARGE, Action, Script, play
from tests.models.playing import compare, examples

EXCEPTIONS = (ValueError, OSError, asyncio.CancelledError, SystemExit)
TARGETS: dict[str, list[object]] = {
    "udp": ["peer", "nobody", None, ("127.0.0.1", 70_000), ("127.0.0.1",), 5],
    "unix": [None, None, "peer"],
}


def scripts(family: str) -> st.SearchStrategy[Script]:
    plain: st.SearchStrategy[Action] = st.one_of(
        st.tuples(
            st.just("send"),
            st.sampled_from([0, 1, 100, 2000, LARGE]),
            st.sampled_from([bytes, bytearray, memoryview, list]),
            st.sampled_from(TARGETS[family]),
        ),
        st.tuples(
            st.just("call"),
            st.sampled_from(
                [
                    "close",
                    "abort",
                    "is_closing",
                    "get_write_buffer_limits",
                    "set_write_buffer_limits",
                ]
            ),
        ),
        st.tuples(st.just("call"), st.just("set_write_buffer_limits"), st.sampled_from([0, 1000])),
    )
    actions = st.one_of(
        plain,
        plain.map(lambda action: ("soon", action)),
        st.lists(plain, min_size=2, max_size=6).map(lambda parts: ("then", *parts)),
    )
    failing = st.tuples(st.just("raise"), st.sampled_from(EXCEPTIONS))
    step = st.one_of(
        actions.map(lambda action: ("ours", action)),
        st.lists(st.sampled_from([0, 1, 100, 2000]), min_size=1, max_size=4).map(
            lambda sizes: ("peer", "send", *sizes)
        ),
        st.sampled_from([("peer", "read"), ("peer", "close"), ("settle",), ("turn",)]),
    )
    reaction = st.tuples(st.sampled_from(CALLBACKS), st.one_of(actions, failing))
    return st.builds(
        Script,
        family=st.just(family),
        connected=st.booleans(),
        debug=st.booleans(),
        reactions=st.lists(reaction, max_size=4).map(tuple),
        steps=st.lists(step, max_size=12).map(tuple),
    )


@examples(100)
@given(scripts("udp"))
def test_udp_endpoint(script: Script) -> None:
    compare(lambda kind: play(script, kind))


@examples(100)
@given(scripts("unix"))
def test_unix_endpoint(script: Script) -> None:
    compare(lambda kind: play(script, kind))
