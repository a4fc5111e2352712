"""An echo client of plain asyncio: many connections, every byte compared."""

import asyncio
import os
import sys

from report import report

CONNECTIONS = 20
MESSAGES = 100


async def talk(port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    total = 0
    for _ in range(MESSAGES):
        message = os.urandom(1024)
        writer.write(message)
        if await reader.readexactly(len(message)) != message:
            raise SystemExit("the echo differs from what was sent")
        total += len(message)
    writer.close()
    await writer.wait_closed()
    return total


async def main() -> None:
    port = int(sys.argv[1])
    totals = await asyncio.gather(*(talk(port) for _ in range(CONNECTIONS)))
    report("echo client", f"{CONNECTIONS} connections, {sum(totals)} bytes came back unchanged")


asyncio.run(main())
