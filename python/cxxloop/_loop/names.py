"""Name resolution: getaddrinfo() and getnameinfo()."""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

from cxxloop._addresses import literal_address

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

# Lookups wait for the network and hang for seconds where it is broken. They have threads of
# their own, so that neither they nor the jobs of the default executor wait for each other.
_RESOLVER_THREADS = 128

_REAL_GETADDRINFO = socket.getaddrinfo


class NamesMixin(LoopBase):
    """Host names to addresses and back."""

    _resolver: concurrent.futures.ThreadPoolExecutor | None

    def __init__(self) -> None:
        self._resolver = None
        super().__init__()

    def _in_resolver(self, func: Any, *args: Any) -> asyncio.Future[Any]:
        self._check_closed()
        if self._resolver is None:
            self._resolver = concurrent.futures.ThreadPoolExecutor(
                _RESOLVER_THREADS, thread_name_prefix="cxxloop-resolver"
            )
        return self.run_in_executor(self._resolver, func, *args)

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Return what socket.getaddrinfo() returns, without blocking the loop.

        Raises socket.gaierror and whatever else that does. Stands in for asyncio's
        loop.getaddrinfo().
        """
        self._check_closed()
        if self.get_debug():
            lookup: Any = self._getaddrinfo_debug
        else:
            lookup = socket.getaddrinfo
            if lookup is _REAL_GETADDRINFO:  # Nobody patched it.
                known = self._literal_address_info(host, port, family, type, proto, flags)
                if known is not None:
                    return known
        found: list[Any] = await self._in_resolver(lookup, host, port, family, type, proto, flags)
        return found

    async def _ensure_resolved(
        self,
        address: Any,
        *,
        family: int = 0,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
        flags: int = 0,
        loop: Any,
    ) -> list[Any]:
        """The address infos of (host, port, …), without a lookup for literals."""
        host, port = address[:2]
        info = literal_address(host, port, family, type, proto, *address[2:])
        if info is not None:
            return [info]
        found: list[Any] = await loop.getaddrinfo(
            host, port, family=family, type=type, proto=proto, flags=flags
        )
        return found

    def _getaddrinfo_debug(
        self, host: Any, port: Any, family: int, type: int, proto: int, flags: int
    ) -> list[Any]:
        """Runs in a thread; logs slow lookups."""
        parts = [f"{host}:{port!r}"]
        if family:
            parts.append(f"family={family!r}")
        if type:
            parts.append(f"type={type!r}")
        if proto:
            parts.append(f"proto={proto!r}")
        if flags:
            parts.append(f"flags={flags!r}")
        query = ", ".join(parts)
        logger.debug("Get address info %s", query)
        started = self.time()
        found = socket.getaddrinfo(host, port, family, type, proto, flags)
        elapsed = self.time() - started
        message = f"Getting address info {query} took {elapsed * 1e3:.3f}ms: {found!r}"
        if elapsed >= self.slow_callback_duration:
            logger.info(message)
        else:
            logger.debug(message)
        return found

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """Return what socket.getnameinfo() returns, without blocking the loop."""
        name: tuple[str, str] = await self._in_resolver(socket.getnameinfo, sockaddr, flags)
        return name

    def _abandon_executors(self) -> None:
        """Part of close(): a lookup that hangs must not hold it up."""
        resolver, self._resolver = self._resolver, None
        if resolver is not None:
            resolver.shutdown(wait=False)
        super()._abandon_executors()
