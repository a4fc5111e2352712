"""httpx as a client of a small HTTP server made of streams."""

import asyncio

import httpx

connections: set[asyncio.Task[None] | None] = set()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers requests one after the other, with keep-alive."""
    connections.add(asyncio.current_task())
    while head := await read_head(reader):
        method, path, _ = head[0].split(" ", 2)
        fields = dict(line.lower().split(": ", 1) for line in head[1:])
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        answer = f"{method} {path} {body.decode()}".strip().encode()
        status = "404 Not Found" if path == "/missing" else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(answer)}\r\n\r\n".encode())
        writer.write(answer)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def read_head(reader: asyncio.StreamReader) -> list[str]:
    """The lines before the empty one; nothing when the client has gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return []
    return head.decode().strip().split("\r\n")


async def main() -> None:
    """Some requests on one client."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for answer in (
            await client.get("/hello"),
            await client.post("/form", content="some text"),
            await client.get("/missing"),
        ):
            print(answer.status_code, answer.text)
        answers = await asyncio.gather(*[client.get(f"/{number}") for number in range(20)])
        print([answer.status_code for answer in answers].count(200), answers[-1].text)
    # Before Python 3.12 the server does not wait for its connections.
    await asyncio.gather(*filter(None, connections))


if __name__ == "__main__":
    asyncio.run(main())
