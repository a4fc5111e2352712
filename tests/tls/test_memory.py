"""Nothing of a connection survives it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import weakref
from typing import Any, ClassVar

import pytest

from tests.support.certificates import Certificates
from tests.support.loops import LOOP_FACTORIES, run
from tests.support.protocols import Echo, Recorder, serving
from tests.support.sanitizers import memory_is_told, resident
from tests.support.tls_peers import connect, raw_peer, tls_peer

Loop = asyncio.AbstractEventLoop


class Tracked(ssl.SSLObject):
    """Knows which of its kind are alive."""

    alive: ClassVar[weakref.WeakSet[Tracked]] = weakref.WeakSet()

    @classmethod
    def _create(cls, *args: Any, **kwargs: Any) -> Any:
        made = super()._create(*args, **kwargs)  # type: ignore[misc]
        cls.alive.add(made)
        return made


async def talk(loop: Loop, address: Any, context: ssl.SSLContext, how: str) -> None:
    protocol = Recorder(loop)
    await loop.create_connection(
        lambda: protocol, *address, ssl=context, server_hostname="localhost"
    )
    protocol.transport.write(b"hello")
    await protocol.until(lambda p: p.received == b"hello")
    getattr(protocol.transport, how)()
    await protocol.lost


@pytest.mark.parametrize("how", ["close", "abort"])
def test_no_ssl_object_survives_its_connection(
    any_loop: Loop, certificates: Certificates, how: str
) -> None:
    """cpython#109534, uvloop#565"""

    async def main() -> None:
        server, client = certificates.for_server(), certificates.for_client()
        server.sslobject_class = client.sslobject_class = Tracked
        accepted: list[Echo] = []

        def accept() -> Echo:
            accepted.append(Echo(any_loop))
            return accepted[-1]

        async with serving(accept, ssl=server) as (_, address):
            for _ in range(10):
                await talk(any_loop, address, client, how)
            while accepted:
                await accepted.pop().lost
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect()
        assert not list(Tracked.alive)

    run(any_loop, main())


def test_no_ssl_object_survives_a_failed_handshake(
    any_loop: Loop, certificates: Certificates
) -> None:
    async def main() -> None:
        context = certificates.for_client()
        context.sslobject_class = Tracked
        for _ in range(5):
            async with raw_peer() as (ours, theirs):
                made = connect(any_loop, Recorder(any_loop), ours, context)
                await any_loop.sock_recv(theirs, 1)
                theirs.send(b"no TLS here\r\n")
                with contextlib.suppress(ssl.SSLError):
                    await made
                del made
        await asyncio.sleep(0)
        gc.collect()
        assert not list(Tracked.alive)

    run(any_loop, main())


def test_connection_is_freed_without_a_collection(loop: Loop, certificates: Certificates) -> None:
    async def main() -> None:
        protocol = Recorder(loop)
        async with tls_peer(loop, protocol, certificates) as (transport, peer):
            engine = weakref.ref(transport._ssl_protocol)
            peer.sock.close()
            await protocol.lost
        del protocol.transport, transport
        await asyncio.sleep(0)
        assert engine() is None

    gc.disable()
    try:
        run(loop, main())
    finally:
        gc.enable()


def test_refused_certificate_is_freed_without_a_collection(
    loop: Loop, certificates: Certificates
) -> None:
    """cpython#159049"""

    async def main() -> None:
        context = certificates.for_client()
        context.sslobject_class = Tracked
        server = certificates.for_server(certificates.elsewhere)
        async with serving(lambda: Recorder(loop), ssl=server) as (_, address):
            with contextlib.suppress(ssl.SSLCertVerificationError):
                await loop.create_connection(
                    asyncio.Protocol, *address, ssl=context, server_hostname="localhost"
                )
            await asyncio.sleep(0)
            assert not list(Tracked.alive)

    gc.collect()
    gc.disable()
    try:
        run(loop, main())
    finally:
        gc.enable()


async def _rounds(loop: Loop, certificates: Certificates, count: int) -> int:
    """How many bytes a second round of that many connections adds to a first."""
    server, client = certificates.for_server(), certificates.for_client()
    used = []
    async with serving(lambda: Echo(loop), ssl=server) as (_, address):
        for _ in range(2):
            for _ in range(count // 20):
                await asyncio.gather(*[talk(loop, address, client, "close") for _ in range(20)])
            gc.collect()
            used.append(resident())
    return used[1] - used[0]


@memory_is_told
@pytest.mark.slow
def test_memory_does_not_grow(loop: Loop, certificates: Certificates) -> None:
    """uvloop#565, uvloop#220"""
    assert run(loop, _rounds(loop, certificates, 1000), 60) < 10 << 20


if __name__ == "__main__":  # python -m tests.tls.test_memory: 20,000 connections, twice
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as _directory:
        _loop = LOOP_FACTORIES["cxxloop"]()
        _grown = run(_loop, _rounds(_loop, Certificates(Path(_directory)), 20_000), 600)
        _loop.close()
        print(f"{_grown / (1 << 20):.1f} MiB more after the second round")
