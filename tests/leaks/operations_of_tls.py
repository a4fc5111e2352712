"""Encrypted connections: that succeed, fail and are cancelled at each stage."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine
from typing import Any

from tests.leaks.operation import (
    ExpectedError,
    Setting,
    failing,
    failing_in,
    operation,
    sockets,
    turns,
)
from tests.leaks.operations_of_connections import talk
from tests.support.protocols import Echo, Recorder, serving
from tests.support.tls_peers import connect, tls_peer

CYCLES = 8


async def exchange(setting: Setting, **options: Any) -> None:
    loop = setting.loop
    server, client = setting.certificates.for_server(), setting.certificates.for_client()
    echo = Echo(loop)
    async with serving(lambda: echo, ssl=server) as (_, address):
        made = await loop.create_connection(
            *(lambda: Recorder(loop), *address), ssl=client, server_hostname="localhost", **options
        )
        await talk(*made, bytes(100_000))
        await echo.lost


@operation(cycles=CYCLES)
async def tls_connections(setting: Setting) -> None:
    await exchange(setting)
    await exchange(setting, ssl_handshake_timeout=10, ssl_shutdown_timeout=10)


@operation(cycles=CYCLES)
async def encrypted_unix_connections(setting: Setting) -> None:
    loop = setting.loop
    server, client = setting.certificates.for_server(), setting.certificates.for_client()
    path = setting.directory / "encrypted"
    echo = Echo(loop)
    made = await loop.create_unix_server(lambda: echo, str(path), ssl=server)
    await talk(
        *await loop.create_unix_connection(
            lambda: Recorder(loop), str(path), ssl=client, server_hostname="localhost"
        )
    )
    await echo.lost
    made.close()
    path.unlink(missing_ok=True)


@operation(cycles=CYCLES)
async def ends_of_encrypted_connections(setting: Setting) -> None:
    loop = setting.loop
    for end in ("abort", "peer", "waiting writes"):
        protocol = Recorder(loop)
        async with tls_peer(loop, protocol, setting.certificates) as (transport, peer):
            if end == "waiting writes":
                transport.write(bytes(1 << 21))
                transport.write(bytearray(1 << 21))
                await turns(2)
            if end == "peer":
                peer.sock.close()
            else:
                transport.abort()
            await protocol.lost


@operation(cycles=CYCLES)
async def shutdowns_without_an_answer(setting: Setting) -> None:
    loop = setting.loop
    protocol = Recorder(loop)
    async with tls_peer(loop, protocol, setting.certificates, ssl_shutdown_timeout=0.001) as (
        transport,
        _,
    ):
        transport.close()
        assert isinstance(await protocol.lost, TimeoutError | None)


@operation(cycles=CYCLES)
async def refused_certificates(setting: Setting) -> None:
    loop, certificates = setting.loop, setting.certificates
    server, client = certificates.for_server(certificates.elsewhere), certificates.for_client()
    async with serving(asyncio.Protocol, ssl=server) as (_, address):
        with contextlib.suppress(ssl.SSLCertVerificationError):
            await loop.create_connection(
                asyncio.Protocol, *address, ssl=client, server_hostname="localhost"
            )
            raise AssertionError("no verification")
        await turns(5)


@operation(cycles=CYCLES)
async def peers_without_tls(setting: Setting) -> None:
    loop = setting.loop
    for answer in (b"no TLS here\r\n", b""):
        with sockets() as (ours, theirs):
            made = connect(loop, asyncio.Protocol(), ours, setting.certificates.for_client())
            await loop.sock_recv(theirs, 1)
            theirs.send(answer)
            theirs.close()
            with contextlib.suppress(OSError):
                await made
            del made


@operation(cycles=CYCLES)
async def clients_without_tls(setting: Setting) -> None:
    loop = setting.loop
    async with serving(asyncio.Protocol, ssl=setting.certificates.for_server()) as (_, address):
        transport, protocol = await loop.create_connection(lambda: Recorder(loop), *address)
        transport.write(b"no TLS here\r\n")
        await protocol.lost
        transport, protocol = await loop.create_connection(lambda: Recorder(loop), *address)
        transport.abort()
        await protocol.lost
        await turns(5)


@operation(cycles=CYCLES)
async def handshakes_that_take_too_long(setting: Setting) -> None:
    loop = setting.loop
    with sockets() as (ours, _):
        with contextlib.suppress(ConnectionAbortedError):
            await connect(
                *(loop, asyncio.Protocol(), ours, setting.certificates.for_client()),
                ssl_handshake_timeout=0.001,
            )


@operation(cycles=CYCLES)
async def cancelled_handshakes(setting: Setting) -> None:
    loop = setting.loop
    for steps in range(5):
        with sockets() as (ours, _):
            made = connect(loop, asyncio.Protocol(), ours, setting.certificates.for_client())
            await turns(steps)
            made.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await made
            await turns(3)


@operation(cycles=CYCLES)
async def failing_factories_of_encrypted_protocols(setting: Setting) -> None:
    loop = setting.loop
    with sockets() as (ours, _):
        with contextlib.suppress(ExpectedError):
            await loop.create_connection(
                failing, sock=ours, ssl=setting.certificates.for_client(), server_hostname="x"
            )


@operation(cycles=30, reports=True)
async def failing_encrypted_protocols(setting: Setting) -> None:
    loop = setting.loop
    for method in ("connection_made", "data_received", "eof_received", "connection_lost"):
        protocol = failing_in(asyncio.Protocol, method)()
        with contextlib.suppress(ExpectedError, EOFError, ConnectionError):
            async with tls_peer(loop, protocol, setting.certificates) as (_, peer):
                await peer.send(b"data")
                await turns(5)
                await loop.sock_sendall(peer.sock, peer.close_notify())
                await turns(5)


@operation(cycles=CYCLES)
async def contexts_that_do_not_fit(setting: Setting) -> None:
    loop: Any = setting.loop
    client = setting.certificates.for_client()
    with sockets() as (ours, _):
        refused: list[Coroutine[Any, Any, Any]] = [
            loop.create_connection(asyncio.Protocol, sock=ours, ssl=client),
            loop.create_connection(
                asyncio.Protocol,
                sock=ours,
                ssl=client,
                server_hostname="x",
                ssl_handshake_timeout=-1,
            ),
            loop.connect_accepted_socket(asyncio.Protocol, ours, ssl_handshake_timeout=1),
        ]
        for made in refused:
            with contextlib.suppress(ValueError, TypeError):
                await made


async def upgrade(setting: Setting, client_context: ssl.SSLContext) -> None:
    """Both ends of a connection, one after the other, with start_tls()."""
    loop = setting.loop
    with sockets() as (ours, theirs):
        plain_client, client = await loop.create_connection(lambda: Recorder(loop), sock=ours)
        plain_server, server = await loop.create_connection(lambda: Echo(loop), sock=theirs)
        ends = await asyncio.gather(
            loop.start_tls(plain_client, client, client_context, server_hostname="localhost"),
            loop.start_tls(
                plain_server, server, setting.certificates.for_server(), server_side=True
            ),
            return_exceptions=True,
        )
        if not isinstance(ends[0], BaseException):
            server.transport = ends[1]
            await talk(ends[0], client)
        for lost in (client.lost, server.lost):
            with contextlib.suppress(OSError):
                await lost
        client.transport = server.transport = None
        del ends
        del client.lost, server.lost  # What they hold refers to the protocols.


@operation(cycles=CYCLES)
async def upgraded_connections(setting: Setting) -> None:
    await upgrade(setting, setting.certificates.for_client())


@operation(cycles=CYCLES)
async def failing_upgrades(setting: Setting) -> None:
    await upgrade(setting, ssl.create_default_context())


@operation(cycles=CYCLES)
async def cancelled_upgrades(setting: Setting) -> None:
    loop = setting.loop
    for steps in range(4):
        with sockets() as (ours, _):
            transport, protocol = await loop.create_connection(lambda: Recorder(loop), sock=ours)
            upgrading = asyncio.ensure_future(
                loop.start_tls(
                    transport,
                    protocol,
                    setting.certificates.for_client(),
                    server_hostname="localhost",
                )
            )
            await turns(steps)
            upgrading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await upgrading
            await turns(3)
            transport.abort()
            await turns(3)
            protocol.transport = None


@operation(cycles=CYCLES)
async def tls_in_tls(setting: Setting) -> None:
    loop = setting.loop
    async with tls_peer(loop, Recorder(loop), setting.certificates) as (transport, _):
        inner = asyncio.ensure_future(
            loop.start_tls(
                transport,
                Recorder(loop),
                setting.certificates.for_client(),
                server_hostname="localhost",
            )
        )
        await turns(3)
        transport.abort()
        with contextlib.suppress(OSError):
            await inner
