"""Connections that end while something else is going on."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

from tests.support.loops import Failures, run
from tests.support.protocols import Recorder, serving

Loop = asyncio.AbstractEventLoop


def test_close_after_the_peer_has_gone_is_nobodys_failure(any_loop: Loop) -> None:
    """uvloop#244"""
    failures = Failures(any_loop)

    async def main() -> None:
        for how in ("close", "write_eof", "both"):
            accepted = Recorder(any_loop)
            async with serving(lambda accepted=accepted: accepted) as (_, address):
                peer = socket.create_connection(address)
                await accepted.made
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()  # A reset.
                try:
                    if how != "close":
                        accepted.transport.write_eof()
                except OSError:
                    pass  # asyncio lets the shutdown's failure out.
                if how != "write_eof":
                    accepted.transport.close()
                await accepted.lost

    run(any_loop, main())
    assert failures.contexts == []


def test_unix_server_without_names_tells_what_asyncio_tells(any_loop: Loop, tmp_path: Path) -> None:
    """uvloop#59"""
    path = str(tmp_path / "socket")

    async def main() -> None:
        accepted: asyncio.Future[Any] = any_loop.create_future()

        class Accepted(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                accepted.set_result(
                    (
                        transport.get_extra_info("peername"),
                        transport.get_extra_info("sockname"),
                        transport.get_extra_info("nothing", "default"),
                    )
                )
                transport.close()

        server = await any_loop.create_unix_server(Accepted, path)
        client = Recorder(any_loop)
        transport, _ = await any_loop.create_unix_connection(lambda: client, path)
        assert await accepted == ("", path, "default")
        assert transport.get_extra_info("sockname") == ""
        await client.lost
        server.close()
        await server.wait_closed()

    run(any_loop, main())
