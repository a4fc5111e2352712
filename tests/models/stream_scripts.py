"""Scripts for stream transports."""

from __future__ import annotations

import asyncio
import sys

from hypothesis import strategies as st

from tests.models.streams import CALLBACKS, KINDS, LARGE, SMALL, Action, Script

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
SIZES = {
    "unix": [0, 1, 10, SMALL, LARGE],
    "tcp": [0, 1, 10, SMALL],
    "tls": [0, 1, 10, SMALL],
}
# asyncio keeps an empty item for ever, and before 3.14 may not pause here.
LINES = [SMALL, LARGE] if sys.version_info >= (3, 14) else [1, SMALL]


def kinds(family: str) -> st.SearchStrategy[str]:
    """Over TLS asyncio looks at the buffer before there is data for it."""
    return st.sampled_from([kind for kind in KINDS if (family, kind) != ("tls", "no buffer")])


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
        # Over TLS asyncio's buffer still has the end of the handshake in connection_made().
        st.tuples(st.just("call"), st.sampled_from(QUESTIONS[family == "tls" :])),
        st.tuples(st.just("set_protocol"), kinds(family)),
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
    sizes = st.sampled_from([1, 10, SMALL, 50_000] if family != "tcp" else [1, 10, SMALL])
    return st.one_of(
        st.lists(sizes, min_size=1, max_size=3).map(lambda items: ("peer", "send", *items)),
        st.sampled_from([1, SMALL, LARGE, 1 << 30]).map(lambda size: ("peer", "read", size)),
        st.sampled_from(endings).map(lambda name: ("peer", name)),
    )


PLAIN_ENDINGS = ("half_close", "stop_reading", "close", "reset")


def stream_scripts(
    family: str, *, crowded: bool = False, endings: tuple[str, ...] = PLAIN_ENDINGS
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
        protocol=kinds(family),
        keep_open=st.booleans(),
        server_side=st.booleans(),
        crowded=st.just(crowded),
        reactions=st.lists(reaction, max_size=4).map(tuple),
        steps=st.lists(step, max_size=12).map(tuple),
    )
