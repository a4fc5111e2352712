"""create_datagram_endpoint()."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from asyncio.log import logger
from asyncio.trsock import TransportSocket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from cxxloop._arguments import set_reuse_port

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

# Whether asyncio refuses all but SOCK_DGRAM; a patch release of each version has changed that.
_UDP_ONLY = (
    "A UDP Socket was expected, got "
    in asyncio.BaseEventLoop.create_datagram_endpoint.__code__.co_consts
)

_ProtocolFactory = Callable[[], asyncio.BaseProtocol]

# (family, protocol), (local address, remote address)
_Attempt = tuple[tuple[int, int], tuple[Any, Any]]


def _remove_stale(path: str) -> None:
    """Remove the socket file that an endpoint which is gone has left."""
    if path[0] == "\x00":
        return
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.remove(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        logger.error("Unable to check or remove stale UNIX socket %r: %r", path, exc)


def _unix_attempts(
    family: int, proto: int, local_addr: Any, remote_addr: Any
) -> Iterable[_Attempt]:
    for addr in (local_addr, remote_addr):
        if addr is not None and not isinstance(addr, str):
            raise TypeError("string is expected")
    if local_addr:
        _remove_stale(local_addr)
    return [((family, proto), (local_addr, remote_addr))]


def _check_datagram_socket(sock: Any, modifiers: dict[str, Any]) -> None:
    if _UDP_ONLY and sock.type != socket.SOCK_DGRAM:
        raise ValueError(f"A UDP Socket was expected, got {sock!r}")
    if sock.type == socket.SOCK_STREAM:
        raise ValueError(f"A datagram socket was expected, got {sock!r}")
    if any(modifiers.values()):
        problems = ", ".join(f"{name}={value}" for name, value in modifiers.items() if value)
        raise ValueError(
            "socket modifier keyword arguments can not be used "
            f"when sock is specified. ({problems})"
        )


class DatagramsMixin(LoopBase):
    """Endpoints for datagrams."""

    async def _internet_attempts(
        self, family: int, proto: int, flags: int, local_addr: Any, remote_addr: Any
    ) -> Iterable[_Attempt]:
        """What to try in turn: the addresses that both ends have for the same family."""
        by_kind: dict[tuple[int, int], list[Any]] = {}
        for place, addr in ((0, local_addr), (1, remote_addr)):
            if addr is None:
                continue
            if not (isinstance(addr, tuple) and len(addr) == 2):
                raise TypeError("2-tuple is expected")
            infos = await self._ensure_resolved(
                addr, family=family, type=socket.SOCK_DGRAM, proto=proto, flags=flags, loop=self
            )
            if not infos:
                raise OSError("getaddrinfo() returned empty list")
            for found_family, _, found_proto, _, address in infos:
                by_kind.setdefault((found_family, found_proto), [None, None])[place] = address
        attempts: list[_Attempt] = [
            (kind, (local, remote))
            for kind, (local, remote) in by_kind.items()
            if not ((local_addr and local is None) or (remote_addr and remote is None))
        ]
        if not attempts:
            raise ValueError("can not get address information")
        return attempts

    async def _open_datagram_socket(
        self,
        attempt: _Attempt,
        *,
        bind: bool,
        connect: bool,
        reuse_port: Any,
        allow_broadcast: Any,
    ) -> socket.socket:
        (family, proto), (local_address, remote_address) = attempt
        sock = socket.socket(family=family, type=socket.SOCK_DGRAM, proto=proto)
        try:
            if reuse_port:
                set_reuse_port(sock)
            if allow_broadcast:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.setblocking(False)
            if bind:
                sock.bind(local_address)
            # A connected socket would receive nothing but what its peer sends.
            if connect and not allow_broadcast:
                await self.sock_connect(sock, remote_address)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _open_datagram_endpoint(
        self,
        attempts: Iterable[_Attempt],
        local_addr: Any,
        remote_addr: Any,
        reuse_port: Any,
        allow_broadcast: Any,
    ) -> tuple[socket.socket, Any]:
        """The first socket that can be opened, and the address that everything goes to."""
        errors: list[OSError] = []
        try:
            for attempt in attempts:
                try:
                    sock = await self._open_datagram_socket(
                        attempt,
                        bind=bool(local_addr),
                        connect=bool(remote_addr),
                        reuse_port=reuse_port,
                        allow_broadcast=allow_broadcast,
                    )
                except OSError as exc:
                    errors.append(exc)
                else:
                    return sock, attempt[1][1] if remote_addr else None
            raise errors[0]
        finally:
            errors.clear()  # Breaks the cycles with the traceback.

    async def create_datagram_endpoint(  # type: ignore[override]
        self,
        protocol_factory: _ProtocolFactory,
        local_addr: Any = None,
        remote_addr: Any = None,
        *,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        reuse_port: bool | None = None,
        allow_broadcast: bool | None = None,
        sock: Any = None,
    ) -> tuple[asyncio.DatagramTransport, asyncio.BaseProtocol]:
        """Open a socket for datagrams; return (transport, protocol).

        Addresses are (host, port), or paths where `family` is AF_UNIX. With `remote_addr` the
        socket is connected, but for `allow_broadcast`. Raises OSError when no address can be
        used, ValueError and TypeError for arguments that don't fit together. Stands in for
        asyncio's loop.create_datagram_endpoint().
        """
        is_given = sock is not None
        target = None
        if is_given:
            _check_datagram_socket(
                sock,
                {
                    "local_addr": local_addr,
                    "remote_addr": remote_addr,
                    "family": family,
                    "proto": proto,
                    "flags": flags,
                    "reuse_port": reuse_port,
                    "allow_broadcast": allow_broadcast,
                },
            )
            sock.setblocking(False)
        else:
            if not (local_addr or remote_addr):
                if family == 0:
                    raise ValueError("unexpected address family")
                attempts: Iterable[_Attempt] = [((family, proto), (None, None))]
            elif family == socket.AF_UNIX:
                attempts = _unix_attempts(family, proto, local_addr, remote_addr)
            else:
                attempts = await self._internet_attempts(
                    family, proto, flags, local_addr, remote_addr
                )
            sock, target = await self._open_datagram_endpoint(
                attempts, local_addr, remote_addr, reuse_port, allow_broadcast
            )
        try:
            protocol = protocol_factory()
            waiter = self.create_future()
            transport = self._make_datagram_transport(
                sock, protocol, target, waiter, shared=is_given
            )
        except BaseException:
            if not is_given:
                sock.close()
            raise
        self._log_datagram_endpoint(local_addr, remote_addr, transport, protocol)
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    def _make_datagram_transport(
        self,
        sock: Any,
        protocol: asyncio.BaseProtocol,
        address: Any = None,
        waiter: asyncio.Future[Any] | None = None,
        extra: dict[str, Any] | None = None,
        *,
        shared: bool = True,
    ) -> asyncio.DatagramTransport:
        """Hand a socket over to a new transport, which closes it from then on.

        `shared` says that somebody else may have the socket, too.
        """
        extra = {} if extra is None else extra
        extra["socket"] = TransportSocket(sock)
        try:
            extra["sockname"] = sock.getsockname()
        except OSError:
            extra["sockname"] = None
        if "peername" not in extra:
            try:
                extra["peername"] = sock.getpeername()
            except OSError:
                extra["peername"] = None
        return self._serve_datagrams(sock, protocol, address, waiter, extra, shared)

    def _log_datagram_endpoint(
        self, local_addr: Any, remote_addr: Any, transport: Any, protocol: Any
    ) -> None:
        if not self.get_debug():
            return
        if local_addr:
            logger.info(
                "Datagram endpoint local_addr=%r remote_addr=%r created: (%r, %r)",
                local_addr,
                remote_addr,
                transport,
                protocol,
            )
        else:
            logger.debug(
                "Datagram endpoint remote_addr=%r created: (%r, %r)",
                remote_addr,
                transport,
                protocol,
            )
