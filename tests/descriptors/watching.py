"""What the tests of watchers share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.loops import run_once

Pair = tuple[socket.socket, socket.socket]


def make_pair() -> Pair:
    """Two connected sockets that do not block."""
    first, second = socket.socketpair()
    first.setblocking(False)
    second.setblocking(False)
    return first, second


def until(loop: asyncio.AbstractEventLoop, condition: Callable[[], Any], turns: int = 100) -> None:
    """Runs turns until `condition` holds."""
    for _ in range(turns):
        if condition():
            return
        run_once(loop)
    pytest.fail("the condition did not come true")
