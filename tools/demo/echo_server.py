"""An echo server of plain asyncio, until it is told to stop."""

import asyncio
import signal

from report import report


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def main() -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        report("echo server", "served on 127.0.0.1")
        print(server.sockets[0].getsockname()[1], flush=True)
        await stopped.wait()


asyncio.run(main())
