"""asyncio's event loop in C++: the same behaviour, faster.

import asyncio, cxxloop
cxxloop.run(main())
"""

from __future__ import annotations

import sys

from cxxloop._core import debug_counters, libuv_version
from cxxloop._loop import Loop
from cxxloop._running import new_event_loop, run
from cxxloop._server import Server
from cxxloop._version import __version__

__all__ = [
    "Loop",
    "Server",
    "__version__",
    "debug_counters",
    "libuv_version",
    "new_event_loop",
    "run",
]

# asyncio's policies are gone from 3.16 on.
if sys.version_info < (3, 16):
    from cxxloop._policy import EventLoopPolicy, install

    __all__ += ["EventLoopPolicy", "install"]
