"""An aiohttp server and an aiohttp client in one program."""

import asyncio

from aiohttp import ClientSession, web
from report import report

REQUESTS = 200


async def greet(request: web.Request) -> web.Response:
    return web.json_response({"hello": request.match_info["name"]})


async def main() -> None:
    application = web.Application()
    application.router.add_get("/{name}", greet)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]

    async with ClientSession() as session:
        for number in range(REQUESTS):
            async with session.get(f"http://{host}:{port}/{number}") as response:
                if await response.json() != {"hello": str(number)}:
                    raise SystemExit("an answer is wrong")
    await runner.cleanup()
    report("aiohttp", f"{REQUESTS} requests answered")


asyncio.run(main())
