"""A TCP echo server and client, with transports and protocols."""

import asyncio
from typing import cast


class EchoServer(asyncio.Protocol):
    """Sends back what comes, and closes when it is told to."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answers."""
        self.transport.write(data)
        if data.endswith(b"bye\n"):
            self.transport.close()


class EchoClient(asyncio.Protocol):
    """Collects what comes until the connection is lost."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tells who is who."""
        print("connected:", transport.get_extra_info("peername")[0])

    def data_received(self, data: bytes) -> None:
        """May come in any number of pieces."""
        self.received += data

    def eof_received(self) -> None:
        """Lets the transport close itself."""
        print("end of file")

    def connection_lost(self, exc: Exception | None) -> None:
        """The last call."""
        self.lost.set_result(exc)


async def main() -> None:
    """One connection with a few writes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(EchoServer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport, client = await loop.create_connection(EchoClient, "127.0.0.1", port)
    transport.write(b"hello\n")
    transport.writelines([b"how ", b"are ", b"you\n"])
    transport.write(b"bye\n")
    print("lost:", await client.lost)
    print(client.received.decode(), end="")
    print("closing:", transport.is_closing())
    server.close()
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
