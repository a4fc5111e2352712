"""New keys in the middle of a connection, which Python's ssl can't ask for but has to bear."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.certificates import Certificates
from tests.support.children import PIPE
from tests.support.loops import run

Loop = asyncio.AbstractEventLoop
CLIENT = ("openssl", "s_client", "-tls1_3", "-servername", "localhost", "-connect")


@pytest.mark.parametrize("command", [b"k", b"K"], ids=["client's keys", "keys of both"])
def test_data_goes_on_after_a_key_update(
    any_loop: Loop, certificates: Certificates, command: bytes
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(b"echo of " + line)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=certificates.for_server())
        host, port = server.sockets[0].getsockname()
        client = await asyncio.create_subprocess_exec(
            *CLIENT, f"{host}:{port}", stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stderr is not None
        for number in range(5):
            client.stdin.write(b"line %d\n" % number)
            await client.stdout.readuntil(b"echo of line %d\n" % number)
            client.stdin.write(command + b"\n")
            await client.stderr.readuntil(b"KEYUPDATE\n")
        client.stdin.close()
        assert await client.wait() == 0
        server.close()
        await server.wait_closed()

    run(any_loop, main())
