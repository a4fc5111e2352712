"""Unix-domain sockets, with streams and with protocols."""

import asyncio
import tempfile
from pathlib import Path
from typing import cast


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each line in capitals."""
    async for line in reader:
        writer.write(line.upper())
        await writer.drain()
    writer.close()
    await writer.wait_closed()


class Reverse(asyncio.Protocol):
    """Answers backwards, and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """One message is all."""
        self.transport.write(data[::-1])
        self.transport.close()


async def main() -> None:
    """Two servers, and a client for each."""
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "shout"
        server = await asyncio.start_unix_server(shout, path)
        async with server:
            reader, writer = await asyncio.open_unix_connection(path)
            for word in ("hello", "unix"):
                writer.write(f"{word}\n".encode())
                print((await reader.readline()).decode().strip())
            print("peer:", writer.get_extra_info("peername") == str(path))
            writer.close()
            await writer.wait_closed()

        path = Path(directory) / "reverse"
        plain = await loop.create_unix_server(Reverse, str(path))
        async with plain:
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b"desrever")
            print((await reader.read()).decode())
            writer.close()
            await writer.wait_closed()

        try:
            await asyncio.open_unix_connection(Path(directory) / "nobody")
        except FileNotFoundError:
            print("nobody there")


if __name__ == "__main__":
    asyncio.run(main())
