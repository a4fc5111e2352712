"""A TCP echo server and its clients, with streams."""

import asyncio


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back everything until the client ends its side."""
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def ask(port: int, text: str) -> str:
    """Sends a text and reads until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text.encode())
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


async def main() -> None:
    """One small message, many at once, and a large one."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        print(await ask(port, "hello"))
        answers = await asyncio.gather(*[ask(port, f"number {n}") for n in range(20)])
        print(answers[0], "to", answers[-1])
        large = "x" * 1_000_000
        print("large:", await ask(port, large) == large)
    print("serving:", server.is_serving())
    try:
        await ask(port, "anybody there?")
    except ConnectionRefusedError:
        print("refused")


if __name__ == "__main__":
    asyncio.run(main())
