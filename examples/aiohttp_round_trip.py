"""A web server and its client with aiohttp: text, JSON, a stream, and a web socket."""

import asyncio

import aiohttp
from aiohttp import web


async def hello(request: web.Request) -> web.Response:
    """Plain text."""
    return web.Response(text=f"hello, {request.match_info['name']}")


async def double(request: web.Request) -> web.Response:
    """JSON in and out."""
    numbers = await request.json()
    return web.json_response([2 * number for number in numbers])


async def count(request: web.Request) -> web.StreamResponse:
    """A body in pieces."""
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(5):
        await response.write(f"{number}\n".encode())
    await response.write_eof()
    return response


async def echo(request: web.Request) -> web.WebSocketResponse:
    """A web socket."""
    channel = web.WebSocketResponse()
    await channel.prepare(request)
    async for message in channel:
        await channel.send_str(f"you said {message.data}")
    return channel


async def visit(session: aiohttp.ClientSession) -> None:
    """Asks for everything once."""
    async with session.get("/hello/world") as response:
        print(response.status, await response.text())
    async with session.post("/double", json=[1, 2, 3]) as response:
        print(response.status, await response.json())
    async with session.get("/count") as response:
        print(response.status, [line.decode().strip() async for line in response.content])
    async with session.get("/nowhere") as response:
        print(response.status)
    async with session.ws_connect("/echo") as channel:
        await channel.send_str("ping")
        print(await channel.receive_str())


async def many(session: aiohttp.ClientSession) -> None:
    """Fifty requests at once."""

    async def one(number: int) -> str:
        async with session.get(f"/hello/{number}") as response:
            return await response.text()

    answers = await asyncio.gather(*[one(number) for number in range(50)])
    print(len(answers), answers[0], "to", answers[-1])


async def main() -> None:
    """Server and client in one program."""
    application = web.Application()
    application.add_routes(
        [
            web.get("/hello/{name}", hello),
            web.post("/double", double),
            web.get("/count", count),
            web.get("/echo", echo),
        ]
    )
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        await visit(session)
        await many(session)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
