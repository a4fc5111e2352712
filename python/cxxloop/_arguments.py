"""Rules about arguments that several topics share."""

from __future__ import annotations

import socket
import sys
from typing import Any


def check_ssl_socket(sock: Any) -> None:
    """Raise TypeError for a socket of the ssl module, which can't be waited for."""
    ssl = sys.modules.get("ssl")
    if ssl is not None and isinstance(sock, ssl.SSLSocket):
        raise TypeError("Socket cannot be of type SSLSocket")


def check_ssl_timeouts(handshake: float | None, shutdown: float | None, *, tls: bool) -> None:
    """Raise ValueError for timeouts that only TLS knows."""
    if tls:
        return
    if handshake is not None:
        raise ValueError("ssl_handshake_timeout is only meaningful with ssl")
    if shutdown is not None:
        raise ValueError("ssl_shutdown_timeout is only meaningful with ssl")


def check_stream_socket(sock: Any) -> None:
    """Raise ValueError unless it is a stream socket."""
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"A Stream Socket was expected, got {sock!r}")


def check_unix_stream_socket(sock: Any) -> None:
    """Raise ValueError unless it is a Unix stream socket."""
    if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
        raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")


def set_reuse_port(sock: socket.socket) -> None:
    """Set SO_REUSEPORT; raise ValueError where the system has none."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("reuse_port not supported by socket module")
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        raise ValueError(
            "reuse_port not supported by socket module, SO_REUSEPORT defined but not implemented."
        ) from None
