"""A connection that starts plain and becomes encrypted, as mail and databases do."""

import asyncio
import ssl
import tempfile
from pathlib import Path

from tls_echo import make_certificate


async def main() -> None:
    """The client asks, the server agrees, and both upgrade their stream."""
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    client_context = ssl.create_default_context()
    with tempfile.TemporaryDirectory() as directory:
        certificate, key = make_certificate(Path(directory))
        server_context.load_cert_chain(certificate, key)
        client_context.load_verify_locations(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line == b"STARTTLS\n":
                writer.write(b"go ahead\n")
                await writer.drain()
                await writer.start_tls(server_context)
            else:
                encrypted = writer.get_extra_info("ssl_object") is not None
                writer.write(b"encrypted\n" if encrypted else b"plain\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for line in (b"hello\n", b"STARTTLS\n", b"hello\n"):
            writer.write(line)
            print(line.decode().strip(), "->", (await reader.readline()).decode().strip())
            if line == b"STARTTLS\n":
                await writer.start_tls(client_context, server_hostname="localhost")
        print("cipher:", writer.get_extra_info("cipher") is not None)
        writer.close()
        await writer.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
