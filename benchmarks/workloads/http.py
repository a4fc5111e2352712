"""HTTP servers that people use, with as little behind them as there can be."""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from harness.rows import Load, network

POSITION = 90
HELLO = b"Hello, world!"
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n"
KEEP_ALIVE = Load(20, REQUEST, 0, echo=False)


@network("http_aiohttp", "HTTP, aiohttp, hello x 20", KEEP_ALIVE)
async def with_aiohttp(listener: socket.socket) -> object:
    """A handler on a router."""
    web = importlib.import_module("aiohttp.web")

    async def hello(request: Any) -> Any:
        return web.Response(body=HELLO)

    application = web.Application()
    application.router.add_get("/", hello)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner


async def application(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """The smallest ASGI application."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(HELLO))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": HELLO})


async def with_uvicorn(listener: socket.socket, http: str) -> object:
    """uvicorn without its handling of signals, which would keep the process from ending."""
    uvicorn = importlib.import_module("uvicorn")
    config = uvicorn.Config(
        application, http=http, lifespan="off", access_log=False, log_level="error"
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    return server, asyncio.ensure_future(server.main_loop())


@network("http_uvicorn_httptools", "HTTP, uvicorn, httptools, hello x 20", KEEP_ALIVE)
async def with_httptools(listener: socket.socket) -> object:
    """The parser in C."""
    return await with_uvicorn(listener, "httptools")


@network("http_uvicorn_h11", "HTTP, uvicorn, h11, hello x 20", KEEP_ALIVE)
async def with_h11(listener: socket.socket) -> object:
    """The parser in Python."""
    return await with_uvicorn(listener, "h11")
