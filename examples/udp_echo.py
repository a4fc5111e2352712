"""A UDP echo server and client: datagrams, whole or not at all."""

import asyncio
from typing import cast

Address = tuple[str, int]


class EchoServer(asyncio.DatagramProtocol):
    """Sends each datagram back to where it came from."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Answers."""
        self.transport.sendto(data, addr)


class EchoClient(asyncio.DatagramProtocol):
    """Puts what comes, and the errors of the network, into a queue."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self.lost = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """One call for each datagram."""
        self.inbox.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """The endpoint stays open."""
        self.inbox.put_nowait(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        """The last call."""
        self.lost.set_result(exc)


async def main() -> None:
    """Some datagrams to a server, and one to nobody."""
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(EchoServer, local_addr=("127.0.0.1", 0))
    address = server.get_extra_info("sockname")
    transport, client = await loop.create_datagram_endpoint(EchoClient, remote_addr=address)
    for message in (b"hello", b"how are you", b"x" * 10_000):
        transport.sendto(message)
        answer = await client.inbox.get()
        print("answered:", answer == message)
    try:
        transport.sendto(b"astray", ("127.0.0.1", 1))
    except ValueError:
        print("connected to one address only")
    server.close()
    await asyncio.sleep(0)
    transport.sendto(b"to nobody")
    print("error:", type(await client.inbox.get()).__name__)
    print("closing:", transport.is_closing())
    transport.close()
    print("lost:", await client.lost)


if __name__ == "__main__":
    asyncio.run(main())
