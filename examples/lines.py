"""`async for line in reader`, readline(), readuntil() and readexactly()."""

import asyncio


async def recite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends lines in pieces that do not end where the lines do."""
    await reader.readline()
    for piece in (b"one\ntw", b"o\nthr", b"ee\n", b"four without an end"):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.001)
    writer.close()
    await writer.wait_closed()


async def table(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends one thing for each way to read."""
    writer.write(b"head\nkey=value;0123456789tail")
    writer.close()
    await writer.wait_closed()


async def read_lines(port: int) -> None:
    """Line after line until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"go\n")
    async for line in reader:
        print(line)
    print("at the end:", reader.at_eof())
    writer.close()
    await writer.wait_closed()


async def read_parts(port: int) -> None:
    """The other ways."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    print(await reader.readline())
    print(await reader.readuntil(b";"))
    print(await reader.readexactly(10))
    try:
        await reader.readexactly(100)
    except asyncio.IncompleteReadError as error:
        print("only", error.partial)
    writer.close()
    await writer.wait_closed()


async def read_too_long(port: int) -> None:
    """A line that is longer than the limit."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4)
    try:
        await reader.readuntil(b";")
    except asyncio.LimitOverrunError:
        print("longer than the limit")
    writer.close()
    await writer.wait_closed()


async def main() -> None:
    """A server for each."""
    lines = await asyncio.start_server(recite, "127.0.0.1", 0)
    parts = await asyncio.start_server(table, "127.0.0.1", 0)
    async with lines, parts:
        await read_lines(lines.sockets[0].getsockname()[1])
        await read_parts(parts.sockets[0].getsockname()[1])
        await read_too_long(parts.sockets[0].getsockname()[1])


if __name__ == "__main__":
    asyncio.run(main())
