"""class Loop: one asyncio topic per file, over the native loop."""

from __future__ import annotations

import asyncio

from cxxloop import _core
from cxxloop._loop.clients import ClientsMixin
from cxxloop._loop.datagrams import DatagramsMixin
from cxxloop._loop.executors import ExecutorsMixin
from cxxloop._loop.failures import FailuresMixin
from cxxloop._loop.lifecycle import LifecycleMixin
from cxxloop._loop.names import NamesMixin
from cxxloop._loop.pipes import PipesMixin
from cxxloop._loop.sendfile import SendfileMixin
from cxxloop._loop.servers import ServersMixin
from cxxloop._loop.signals import SignalsMixin
from cxxloop._loop.sockets import SocketsMixin
from cxxloop._loop.subprocesses import SubprocessesMixin
from cxxloop._loop.tasks import TasksMixin
from cxxloop._loop.tls import TlsMixin
from cxxloop._loop.unix_servers import UnixServersMixin

__all__ = ["Loop"]


class Loop(  # type: ignore[misc]  # typeshed binds the arguments of callbacks
    LifecycleMixin,
    TasksMixin,
    FailuresMixin,
    NamesMixin,
    ExecutorsMixin,
    SignalsMixin,
    SocketsMixin,
    SendfileMixin,
    ClientsMixin,
    DatagramsMixin,
    UnixServersMixin,
    ServersMixin,
    PipesMixin,
    SubprocessesMixin,
    TlsMixin,
    _core.Loop,
    asyncio.AbstractEventLoop,
):
    """An asyncio event loop in C++; behaves as asyncio.SelectorEventLoop() does.

    A method that isn't here is native: the topics come before `_core.Loop`, so that moving one
    to C++ means to delete it from its topic.
    """
