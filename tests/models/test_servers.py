"""Servers start, end and are waited for as asyncio's are, with clients at any moment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.models.playing import compare, examples
from tests.models.servers import HAS_CLIENTS, LARGE, Action, Script, play

INDICES = st.integers(0, 3)
METHODS = ["close", "is_serving"] + ["close_clients", "abort_clients"] * HAS_CLIENTS

plain: st.SearchStrategy[Action] = st.one_of(
    st.tuples(st.just("server"), st.sampled_from(METHODS)),
    st.sampled_from([("sockets",), ("repr",)]),
    st.tuples(st.just("client"), INDICES, st.sampled_from(["send", "close", "shutdown"])),
    st.tuples(st.just("transport"), INDICES, st.sampled_from(["close", "abort"])),
    st.tuples(st.just("transport"), INDICES, st.just("write"), st.just(LARGE)),
    st.tuples(st.just("task"), st.sampled_from(["start_serving", "serve_forever", "wait_closed"])),
    st.tuples(st.just("cancel"), INDICES),
)
actions = st.one_of(
    plain,
    plain.map(lambda action: ("soon", action)),
    st.lists(plain, min_size=2, max_size=4).map(lambda parts: ("then", *parts)),
)
failing = st.tuples(st.just("raise"), st.sampled_from([ValueError, SystemExit]))


def scripts(family: str) -> st.SearchStrategy[Script]:
    return st.builds(
        Script,
        family=st.just(family),
        debug=st.booleans(),
        backlog=st.sampled_from([1, 100]),
        start_serving=st.booleans(),
        reactions=st.lists(st.one_of(actions, failing, st.just(("no protocol",))), max_size=3).map(
            tuple
        ),
        steps=st.lists(
            st.one_of(actions, st.sampled_from([("settle",), ("connect",)])),
            max_size=14,
        ).map(tuple),
    )


@examples(80)
@given(scripts("unix"))
def test_unix_server(script: Script) -> None:
    compare(lambda kind: play(script, kind))


@examples(80)
@given(scripts("tcp"))
def test_tcp_server(script: Script) -> None:
    compare(lambda kind: play(script, kind))
