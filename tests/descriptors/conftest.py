"""Fixtures for the tests of descriptors."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.descriptors.signalling import USED
from tests.descriptors.watching import Pair, make_pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two connected sockets that do not block."""
    first, second = make_pair()
    with first, second:
        yield first, second


@pytest.fixture
def other_pair() -> Iterator[Pair]:
    first, second = make_pair()
    with first, second:
        yield first, second


@pytest.fixture
def handlers_as_before() -> Iterator[None]:
    """Gives the signals that tests use their handlers back."""
    handlers = {sig: signal.getsignal(sig) for sig in USED}
    wakeup_fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup_fd)
    yield
    for sig, handler in handlers.items():
        signal.signal(sig, handler)
    signal.set_wakeup_fd(wakeup_fd)
