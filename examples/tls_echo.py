"""An encrypted echo server and its client, and a client that doesn't trust it."""

import asyncio
import ssl
import subprocess
import tempfile
from pathlib import Path


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for localhost that has signed itself, and its key."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    command = "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2"
    command += f" -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout {key}"
    subprocess.run([*command.split(), "-out", certificate], check=True, capture_output=True)
    return certificate, key


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back everything until the client says its end."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def main() -> None:
    """One server, two clients."""
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    client_context = ssl.create_default_context()
    with tempfile.TemporaryDirectory() as directory:
        certificate, key = make_certificate(Path(directory))
        server_context.load_cert_chain(certificate, key)
        client_context.load_verify_locations(certificate)

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context)
    port = server.sockets[0].getsockname()[1]
    async with server:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context, server_hostname="localhost"
        )
        writer.write(b"hello")
        print((await reader.readexactly(5)).decode())
        print(writer.get_extra_info("ssl_object").version())
        print(writer.get_extra_info("peercert")["subjectAltName"])
        large = b"x" * 1_000_000
        writer.write(large)
        print("large:", await reader.readexactly(len(large)) == large)
        writer.close()
        await writer.wait_closed()

        try:
            await asyncio.open_connection("127.0.0.1", port, ssl=True, server_hostname="localhost")
        except ssl.SSLCertVerificationError as error:
            print(error.verify_message)


if __name__ == "__main__":
    asyncio.run(main())
