"""TLS servers: echo, handshakes, and much data in one direction."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness.rows import Load, network

from .protocols import KIB, Echo

POSITION = 77
BULK = 16 << 20
MAKE_CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    " -days 2 -subj /CN=localhost"
)


def server_context() -> ssl.SSLContext:
    """TLS as Python sets it up, with a certificate that was made for this run."""
    with tempfile.TemporaryDirectory(prefix="bench-tls-") as directory:
        key, certificate = str(Path(directory) / "key"), str(Path(directory) / "certificate")
        subprocess.run(
            [*MAKE_CERTIFICATE.split(), "-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    return context


async def listen_with_tls(
    factory: Callable[[], asyncio.BaseProtocol], listener: socket.socket
) -> object:
    """A TLS server on the socket."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(factory, sock=listener, ssl=server_context())


@network("tls_echo_1k_20", "TLS echo, 1 KiB x 20", Load(20, KIB, KIB, tls=True))
@network("tls_echo_64k_20", "TLS echo, 64 KiB x 20", Load(20, 64 * KIB, 64 * KIB, tls=True))
async def tls_echo(listener: socket.socket) -> object:
    """The plainest server there is, behind TLS."""
    return await listen_with_tls(Echo, listener)


@network(
    "tls_handshake",
    "TLS handshake, one round trip, close",
    Load(20, 64, 64, mode="connect", tls=True),
    figure="rate",
)
async def tls_handshake(listener: socket.socket) -> object:
    """A new session for each connection."""
    return await listen_with_tls(Echo, listener)


class Bulk(Echo):
    """Answers each request with much more than buffers take."""

    answer = bytes(BULK)

    def data_received(self, data: bytes) -> None:
        """A request comes in one piece."""
        self.transport.write(self.answer)


@network("tls_bulk", "TLS bulk, 16 MiB", Load(1, 64, BULK, echo=False, tls=True), figure="mib")
async def tls_bulk(listener: socket.socket) -> object:
    """Encryption takes most of the time."""
    return await listen_with_tls(Bulk, listener)


class Upload(Echo):
    """Counts what comes, and answers when all has come."""

    missing = BULK

    def data_received(self, data: bytes) -> None:
        """Every byte of an upload is handed to the program."""
        self.missing -= len(data)
        if self.missing == 0:
            self.missing = BULK
            self.transport.write(bytes(64))


UPLOAD = Load(1, BULK, 64, echo=False, tls=True)


@network("tls_upload", "TLS upload, 16 MiB", UPLOAD, figure="mib")
@network("tls_upload_cpu", "TLS upload, 16 MiB, server's CPU", UPLOAD)
async def tls_upload(listener: socket.socket) -> object:
    """Decryption and the way of its result into Python take most of the time."""
    return await listen_with_tls(Upload, listener)
