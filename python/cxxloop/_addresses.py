"""Addresses before they become sockets: literals, order, binding."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import Any

AddressInfo = tuple[int, int, int, str, Any]

_EMPTY_PORTS = (None, b"", "")


def literal_address(
    host: Any, port: Any, family: int, type: int, proto: int, flowinfo: int = 0, scopeid: int = 0
) -> AddressInfo | None:
    """The address info of a host that is an address already, or None.

    A looser reading than getaddrinfo()'s, as asyncio's connecting methods have it: ports may be
    text or missing.
    """
    if proto not in {0, socket.IPPROTO_TCP, socket.IPPROTO_UDP} or host is None:
        return None
    if type == socket.SOCK_STREAM:
        proto = socket.IPPROTO_TCP
    elif type == socket.SOCK_DGRAM:
        proto = socket.IPPROTO_UDP
    else:
        return None
    if port in _EMPTY_PORTS:
        port = 0
    else:
        try:
            port = int(port)
        except (TypeError, ValueError):
            return None  # The name of a service.
    if isinstance(host, bytes):
        host = host.decode("idna")
    if "%" in host:
        return None  # inet_pton() knows no zones.
    families = (socket.AF_INET, socket.AF_INET6) if family == socket.AF_UNSPEC else (family,)
    for candidate in families:
        try:
            socket.inet_pton(candidate, host)
        except OSError:
            continue
        if candidate == socket.AF_INET6:
            return candidate, type, proto, "", (host, port, flowinfo, scopeid)
        return candidate, type, proto, "", (host, port)
    return None


def interleave_families(infos: Iterable[AddressInfo], first_count: int) -> list[AddressInfo]:
    """Alternate between address families, after `first_count` addresses of the first one."""
    by_family: dict[int, list[AddressInfo]] = {}
    for info in infos:
        by_family.setdefault(info[0], []).append(info)
    groups = list(by_family.values())
    head: list[AddressInfo] = []
    if first_count > 1:
        head = groups[0][: first_count - 1]
        del groups[0][: first_count - 1]
    rest = chain.from_iterable(zip_longest(*groups))
    return head + [info for info in rest if info is not None]


def bind_local(
    sock: socket.socket, family: int, local: Sequence[AddressInfo], errors: list[OSError]
) -> None:
    """Bind to the first address of `local` that works; raise the last error otherwise."""
    try:
        for local_family, _, _, _, address in local:
            if local_family != family:
                continue
            try:
                sock.bind(address)
                return
            except OSError as exc:
                reason = str(exc).lower()
                message = f"error while attempting to bind on address {address!r}: {reason}"
                errors.append(OSError(exc.errno, message))
        if errors:
            raise errors.pop()
        raise OSError(f"no matching local address with {family=} found")
    finally:
        errors = []  # The caller's list gets what is raised, whose traceback refers to us.
