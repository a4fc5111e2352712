"""Files sent by the system: over a transport, and over a plain socket."""

import asyncio
import io
import socket
import tempfile
from typing import BinaryIO

CONTENT = b"0123456789" * 100_000


async def over_a_transport(file: BinaryIO) -> None:
    """A head, a file, an end, in this order."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"head\n")
        loop = asyncio.get_running_loop()
        print("whole:", await loop.sendfile(writer.transport, file))
        print("part:", await loop.sendfile(writer.transport, file, offset=5, count=10))
        print("from memory:", await loop.sendfile(writer.transport, io.BytesIO(b"memory")))
        writer.write(b"\nend\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        received = await reader.read()
        print("as expected:", received == b"head\n" + CONTENT + b"5678901234memory\nend\n")
        writer.close()
        await writer.wait_closed()


async def over_a_socket(file: BinaryIO) -> None:
    """The same without a transport."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        sending = asyncio.create_task(loop.sock_sendfile(ours, file))
        received = b""
        while len(received) < len(CONTENT):
            received += await loop.sock_recv(theirs, 65536)
        print("socket:", await sending, received == CONTENT, file.tell())


async def without_fallback() -> None:
    """What the system can't send is refused."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        try:
            await loop.sock_sendfile(ours, io.BytesIO(b"memory"), fallback=False)
        except asyncio.SendfileNotAvailableError as error:
            print("refused:", error)


async def main() -> None:
    """One file for all."""
    with tempfile.TemporaryFile() as file:
        file.write(CONTENT)
        file.flush()
        await over_a_transport(file)
        await over_a_socket(file)
    await without_fallback()


if __name__ == "__main__":
    asyncio.run(main())
