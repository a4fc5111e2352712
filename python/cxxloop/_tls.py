"""What a TLS connection is made with."""

from __future__ import annotations

from typing import Any


class TlsSettings:
    """The arguments of one connection, or of all connections of a server.

    `context` is an ssl.SSLContext or, for a client, None: Python's default one. Timeouts are in
    seconds, None: asyncio's.
    """

    __slots__ = (
        "context",
        "handshake_timeout",
        "server_hostname",
        "server_side",
        "shutdown_timeout",
    )

    def __init__(
        self,
        context: Any,
        server_side: bool,
        server_hostname: str | None,
        handshake_timeout: float | None,
        shutdown_timeout: float | None,
    ) -> None:
        self.context = None if isinstance(context, bool) else context
        self.server_side = server_side
        self.server_hostname = server_hostname
        self.handshake_timeout = handshake_timeout
        self.shutdown_timeout = shutdown_timeout
