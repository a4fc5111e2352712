"""Both ends of a pipe: connect_read_pipe(), connect_write_pipe(), streams and protocols."""

import asyncio
import os
from typing import cast


class Collector(asyncio.Protocol):
    """Keeps what arrives, and tells when that is all."""

    def __init__(self) -> None:
        """Nothing has arrived."""
        self.received = bytearray()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Some more."""
        self.received += data

    def eof_received(self) -> None:
        """The other end was closed."""
        print("end of file")

    def connection_lost(self, exc: Exception | None) -> None:
        """That was all."""
        self.ended.set_result(None)


async def with_protocols() -> None:
    """A transport and a protocol at each end."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    _, collector = await loop.connect_read_pipe(Collector, os.fdopen(reading, "rb", 0))
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(writing, "wb", 0))
    transport.write(b"hello, ")
    transport.writelines([b"pi", b"pe"])
    print("is closing:", transport.is_closing())
    transport.close()
    print("is closing:", transport.is_closing())
    await collector.ended
    print("received:", bytes(collector.received))


async def with_streams() -> None:
    """asyncio's streams over the same transports."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
    )
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(writing, "wb", 0)
    )
    writer = asyncio.StreamWriter(
        transport, cast(asyncio.streams.FlowControlMixin, protocol), None, loop
    )

    async def produce() -> None:
        for number in range(3):
            writer.write(f"line {number}\n".encode())
            await writer.drain()
        writer.write(bytes(200_000) + b"\n")  # More than a pipe holds: drain() waits.
        await writer.drain()
        writer.close()

    producing = asyncio.create_task(produce())
    for _ in range(3):
        print((await reader.readline()).decode().strip())
    print("then", len(await reader.read()), "bytes")
    await producing


async def refused() -> None:
    """Regular files are always ready, so there is nothing to wait for."""
    loop = asyncio.get_running_loop()
    with open(__file__, "rb") as file:
        try:
            await loop.connect_read_pipe(asyncio.Protocol, file)
        except ValueError as error:
            print("refused:", error)


async def main() -> None:
    """One after the other."""
    await with_protocols()
    await with_streams()
    await refused()


if __name__ == "__main__":
    asyncio.run(main())
