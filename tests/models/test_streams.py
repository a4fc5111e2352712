"""Stream transports do what asyncio's do, whatever is done with them in whatever order."""

from __future__ import annotations

import asyncio
import sys

from hypothesis import given
from hypothesis import strategies as st

from tests.models.playing import compare, examples
from tests.models.streams import CALLBACKS, KINDS, LARGE, SMALL, Action, Script, play

LIMITS = st.sampled_from([None, 0, 1, 1 << 16, 1 << 22, -1])
QUESTIONS = (
    "get_write_buffer_size",
    "get_write_buffer_limits",
    "is_closing",
    "is_reading",
    "can_write_eof",
)
EXCEPTIONS = (ValueError, ConnectionResetError, asyncio.CancelledError, SystemExit)
# TCP takes as much as it likes of what is more than a buffer holds.
SIZES = {"unix": [0, 1, 10, SMALL, LARGE], "tcp": [0, 1, 10, SMALL]}
# asyncio keeps an empty item for ever, and until 3.13.0 doesn't pause here.
LINES = [SMALL, LARGE] if sys.version_info >= (3, 13, 1) else [1, SMALL]


def transport_actions(family: str) -> st.SearchStrategy[Action]:
    sizes = st.sampled_from(SIZES[family])
    lines = st.sampled_from([size for size in LINES if size in SIZES[family]])
    return st.one_of(
        st.tuples(st.just("write"), sizes),
        st.tuples(st.just("write"), sizes, st.sampled_from([bytearray, memoryview])),
        st.just(("write_wrong",)),
        st.lists(lines, max_size=3).map(lambda items: ("writelines", *items)),
        st.sampled_from([("close",), ("abort",)]),
        st.tuples(
            st.just("call"), st.sampled_from(["write_eof", "pause_reading", "resume_reading"])
        ),
        st.tuples(st.just("call"), st.sampled_from(QUESTIONS)),
        st.tuples(st.just("set_protocol"), st.sampled_from(KINDS)),
        st.just(("get_protocol",)),
        st.tuples(st.just("limits"), LIMITS, LIMITS),
        st.tuples(st.just("info"), st.sampled_from(["socket", "peername", "nothing"])),
    )


def groups(plain: st.SearchStrategy[Action]) -> st.SearchStrategy[Action]:
    return st.one_of(
        plain,
        plain.map(lambda action: ("soon", action)),
        st.lists(plain, min_size=2, max_size=4).map(lambda parts: ("then", *parts)),
    )


failing = st.tuples(st.just("raise"), st.sampled_from(EXCEPTIONS))


def peer_steps(family: str, endings: tuple[str, ...]) -> st.SearchStrategy[Action]:
    sizes = st.sampled_from([1, 10, SMALL, 50_000] if family == "unix" else [1, 10, SMALL])
    return st.one_of(
        st.lists(sizes, min_size=1, max_size=3).map(lambda items: ("peer", "send", *items)),
        st.sampled_from([1, SMALL, LARGE, 1 << 30]).map(lambda size: ("peer", "read", size)),
        st.sampled_from(endings).map(lambda name: ("peer", name)),
    )


ENDINGS = ("half_close", "stop_reading", "close", "reset")


def scripts(
    family: str, *, crowded: bool = False, endings: tuple[str, ...] = ENDINGS
) -> st.SearchStrategy[Script]:
    actions = groups(transport_actions(family))
    step = st.one_of(
        actions.map(lambda action: ("ours", action)),
        peer_steps(family, endings),
        st.sampled_from([("settle",), ("turn",)]),
    )
    reaction = st.tuples(st.sampled_from(CALLBACKS), st.one_of(actions, failing))
    return st.builds(
        Script,
        family=st.just(family),
        debug=st.booleans(),
        protocol=st.sampled_from(KINDS),
        keep_open=st.booleans(),
        server_side=st.booleans(),
        crowded=st.just(crowded),
        reactions=st.lists(reaction, max_size=4).map(tuple),
        steps=st.lists(step, max_size=12).map(tuple),
    )


@examples(100)
@given(scripts("unix"))
def test_unix_stream(script: Script) -> None:
    compare(lambda kind: play(script, kind))


@examples(100)
@given(scripts("tcp"))
def test_tcp_stream(script: Script) -> None:
    compare(lambda kind: play(script, kind))


# An error of a write that was held back comes later, so the peer causes none.
@examples(100)
@given(scripts("unix", crowded=True, endings=("half_close",)))
def test_unix_stream_in_crowded_turns(script: Script) -> None:
    compare(lambda kind: play(script, kind))
