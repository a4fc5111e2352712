"""Datagram endpoints."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import warnings
from typing import Any

from tests.leaks.operation import (
    ExpectedError,
    Setting,
    failing,
    failing_in,
    operation,
    turns,
)
from tests.support.datagrams import (
    ANY_PORT,
    DatagramEcho,
    DatagramRecorder,
    address_of,
    endpoint,
    nobody,
    plain_socket,
)


@operation()
async def datagrams(setting: Setting) -> None:
    async with endpoint(DatagramEcho) as (server, _):
        async with endpoint(remote_addr=address_of(server)) as (client, recorder):
            for _ in range(40):
                client.sendto(b"data")
            await recorder.until_received(40)
            client.get_extra_info("socket")


@operation()
async def unix_datagrams(setting: Setting) -> None:
    path = setting.directory / "datagrams"
    async with endpoint(local_addr=str(path), family=socket.AF_UNIX) as (_, receiver):
        async with endpoint(remote_addr=str(path), family=socket.AF_UNIX) as (sender, _):
            sender.sendto(b"data")
            await receiver.until_received(1)
    path.unlink()


@operation()
async def datagrams_that_wait(setting: Setting) -> None:
    path = setting.directory / "full"
    with plain_socket(str(path), socket.AF_UNIX):
        async with endpoint(remote_addr=str(path), family=socket.AF_UNIX) as (transport, recorder):
            while not transport.get_write_buffer_size():
                assert not transport.is_closing()
                transport.sendto(bytes(10_000))
            transport.sendto(bytearray(10_000))
            transport.abort()
            await recorder.lost
            transport.sendto(b"too late")
    path.unlink()


@operation()
async def refused_datagrams(setting: Setting) -> None:
    async with endpoint(remote_addr=nobody()) as (transport, recorder):
        transport.sendto(b"data")
        await recorder.until(lambda r: r.errors)
        recorder.errors.clear()
        for data, to in ((b"data", ("127.0.0.2", 1)), ("text", None)):
            with contextlib.suppress(ValueError, TypeError):
                transport.sendto(data, to)


@operation(reports=True)
async def addresses_that_are_none(setting: Setting) -> None:
    for to in (("127.0.0.1", 70_000), ("127.0.0.1", "port"), 5):
        async with endpoint() as (transport, _):
            with contextlib.suppress(TypeError, OverflowError):
                transport.sendto(b"data", to)


@operation()
async def refused_endpoints(setting: Setting) -> None:
    loop: Any = setting.loop
    with plain_socket() as used, socket.socket() as stream:
        for options in (
            {"local_addr": used.getsockname()},
            {"local_addr": ("192.0.2.1", 0)},
            {"local_addr": "path"},
            {"local_addr": 5, "family": socket.AF_UNIX},
            {"sock": stream},
            {"sock": used, "local_addr": ANY_PORT},
            {},
            {"local_addr": ANY_PORT, "remote_addr": ("::1", 80)},
        ):
            with contextlib.suppress(ValueError, TypeError, OSError):
                await loop.create_datagram_endpoint(asyncio.DatagramProtocol, **options)


@operation(reports=True)
async def failing_datagram_protocols(setting: Setting) -> None:
    with contextlib.suppress(ExpectedError):
        await setting.loop.create_datagram_endpoint(failing, local_addr=ANY_PORT)
    for method in ("connection_made", "datagram_received", "connection_lost"):
        factory = failing_in(asyncio.DatagramProtocol, method)
        with contextlib.suppress(ExpectedError):
            async with endpoint(factory, local_addr=ANY_PORT) as (transport, _):
                with plain_socket(connect=address_of(transport)) as sock:
                    sock.send(b"data")
                    await turns(4)


@operation()
async def cancelled_endpoints(setting: Setting) -> None:
    loop = setting.loop
    for steps in range(3):
        made = asyncio.ensure_future(
            loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=ANY_PORT)
        )
        await turns(steps)
        made.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            (await made)[0].abort()
        await turns(3)


@operation(needs_collector="a protocol and its transport refer to one another")
async def abandoned_endpoints(setting: Setting) -> None:
    ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
    with theirs, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        transport: Any
        transport, protocol = await setting.loop.create_datagram_endpoint(
            DatagramRecorder, sock=ours
        )
        transport.pause_reading()
        del transport, protocol, ours
