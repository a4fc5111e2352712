"""Differences that docs/compatibility.md explains, or that say nothing of cxxloop."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

Outcome = dict[str, Any]


class Intended(NamedTuple):
    """What a difference looks like: the call, the aspects that may differ, and more."""

    call: str
    aspects: set[str]
    why: str
    holds: Callable[[Outcome, Outcome], bool] = lambda theirs, ours: True


def _they_break(theirs: Outcome, ours: Outcome) -> bool:
    """Their loop can't run any more, we refuse."""
    return ("driver" in theirs or "close" in theirs) and "raised" in ours


def _we_raise(theirs: Outcome, ours: Outcome) -> bool:
    return "raised" in ours


def _they_raise(theirs: Outcome, ours: Outcome) -> bool:
    return "raised" in theirs and "raised" not in ours


_SUBCLASSES = r"=(bytes|int|float|str) that (raises?|strikes?)$"
_ENDS = {"result", "raised", "text"}

INTENDED = [
    Intended(r"call_(at|later): (when|delay)=", _ENDS | {"driver", "close"}, "row", _they_break),
    Intended(
        r"=(repr|attributes|all) raises?$",
        {"driver", "reported"},
        "row: a failing repr() of a callback",
        lambda theirs, ours: theirs.get("driver") == "HostileError" and bool(ours["reported"]),
    ),
    Intended(r"=(view with steps|released view)$", _ENDS | {"reported"}, "row", _we_raise),
    Intended(_SUBCLASSES, _ENDS | {"reported", "sockets"}, "row: subclasses are read natively"),
    Intended(r"writelines: list_of_data=", _ENDS | {"reported"}, "row: all or nothing"),
    Intended(
        r"set_debug: enabled=",
        {*_ENDS, "driver", "close"},
        "row: the truth of set_debug()'s argument",
        _they_break,
    ),
    Intended(
        r"create_(unix_)?server: .*ssl=",
        _ENDS,
        "row: the truth of the argument ssl",
        _we_raise,
    ),
    Intended(
        r"^write pipe",
        {"driver"},
        "row: a pipe's writer that is aborted twice",
        lambda theirs, ours: theirs.get("driver") == "AttributeError",
    ),
    Intended(
        r"protocol_factory=",
        {"sockets"},
        "row: a protocol without connection_made()",
        lambda theirs, ours: "has no attribute 'connection_made'" in ours.get("text", ""),
    ),
    Intended(
        r"create_unix_server: .*sock=.*socket$",
        _ENDS,
        "row: a socket without a name",
        lambda theirs, ours: theirs.get("raised") == "IndexError",
    ),
    Intended(r"call_at: when=10\*\*400$", _ENDS, "row", _we_raise),
    Intended(r"sendfile: transport=transport of another loop$", _ENDS, "row"),
    Intended(r"sock_recv(_into)?: sock=socket$", _ENDS, "row: sockets that block"),
    Intended(r"sock_sendall: data=(view of 0 dimensions|array of I)$", _ENDS, "row"),
    # Sent by both; then asyncio fails to cut off what was sent, until 3.11.
    Intended(r"write: data=view of 0 dimensions$", _ENDS, "row", _they_raise),
    # Which of its attributes is looked at first.
    Intended(r"sock_\w+: sock=all raises$", _ENDS, ""),
    Intended(r"protocol=attributes raise$", {*_ENDS, "sockets"}, ""),
    # How much of the harm is seen by then depends on when garbage is collected.
    Intended(
        r"=strikes$|that strikes?$",
        {"result", "sockets", "reported", "unraisable", "raised", "text", "driver", "close"},
        "",
    ),
    # A heap with NaN in it has no order, so it depends on the other timers.
    Intended(r"(timeout|delay|when)=nan$", {"result", "raised", "text"}, ""),
    # Whether the child has ended by then.
    Intended(r"^(loop.)?subprocess", {"reported", "unraisable", "result"}, ""),
    Intended(
        r"^loop.subprocess",
        _ENDS,
        "",
        lambda theirs, ours: "pending" in (theirs.get("result"), ours.get("result")),
    ),
]


def is_intended(call: str, aspects: list[str], theirs: Outcome, ours: Outcome) -> bool:
    return any(
        re.search(each.call, call) and set(aspects) <= each.aspects and each.holds(theirs, ours)
        for each in INTENDED
    )
