"""An interrupt while the end of a connection is worked off leaves the loop."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from tests.support.loops import run


def test_interrupt_while_a_server_lets_go_of_a_connection(
    any_loop: asyncio.AbstractEventLoop,
) -> None:
    async def main() -> None:
        server: Any = await any_loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        detach = server._detach

        def interrupted(*transport: Any) -> None:
            detach(*transport)
            raise KeyboardInterrupt

        server._detach = interrupted
        socket.create_connection(server.sockets[0].getsockname()).close()
        try:
            await any_loop.create_future()
        finally:
            server.close()

    with pytest.raises(KeyboardInterrupt):
        run(any_loop, main())
