"""httpx, which is on anyio's sockets, as a client of a server in the same loop."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from aiohttp import web

from tests.support.load import BODY, DIGEST, REQUESTS, ask_many, pieces, streamed
from tests.support.loops import Failures, run

Loop = asyncio.AbstractEventLoop
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """An HTTP server; counts its connections."""

    def __init__(self) -> None:
        self.connections = 0
        self.left: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.port = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serves on an ephemeral port; gives the base URL."""
        application = web.Application(client_max_size=1 << 30)
        for path, handler in (
            ("/echo/{token}", self.echo),
            ("/digest", self.digest),
            ("/body", self.body),
            ("/endless", self.endless),
            ("/never", self.never),
        ):
            application.router.add_route("*", path, handler)
        runner = web.AppRunner(application, handler_cancellation=True)
        await runner.setup()
        assert runner.server is not None

        def connected() -> asyncio.Protocol:
            self.connections += 1
            assert runner.server is not None
            return runner.server()

        loop = asyncio.get_running_loop()
        server = await loop.create_server(connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{self.port}"
        finally:
            server.close()
            await runner.cleanup()
            await server.wait_closed()

    async def echo(self, request: web.Request) -> web.Response:
        token = request.match_info["token"]
        return web.Response(text=token if await request.text() == token else "not the same")

    async def digest(self, request: web.Request) -> web.Response:
        digest = hashlib.sha256()
        async for chunk in request.content.iter_any():
            digest.update(chunk)
        return web.Response(text=digest.hexdigest())

    async def body(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces():
            await response.write(piece)
        return response

    async def endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(1 << 16))
        except BaseException as exc:
            self.left.set_result(exc)
            raise

    async def never(self, request: web.Request) -> web.StreamResponse:
        try:
            await asyncio.Event().wait()
        except BaseException as exc:
            self.left.set_result(exc)
            raise
        return web.Response()


async def ask_with(client: httpx.AsyncClient, token: str) -> str:
    response = await client.post(f"/echo/{token}", content=token)
    assert response.status_code == 200
    return response.text


@pytest.mark.slow
def test_thousand_requests_on_kept_connections_get_their_own_answers(any_loop: Loop) -> None:
    async def main() -> None:
        service = Service()
        limits = httpx.Limits(keepalive_expiry=None)  # On a slow machine it takes a while.
        async with (
            service.serving() as url,
            httpx.AsyncClient(base_url=url, limits=limits) as client,
        ):
            await ask_many(10, lambda token: ask_with(client, token))
        assert 1 <= service.connections <= 10

    run(any_loop, main())


@pytest.mark.slow
@pytest.mark.parametrize("closer", ["client", "server"])
def test_thousand_requests_on_a_connection_each_get_their_own_answers(
    any_loop: Loop, closer: str
) -> None:
    limits = httpx.Limits(max_connections=10, max_keepalive_connections=0)
    headers = {}
    if closer == "server":
        limits = httpx.Limits(max_connections=10)
        headers = {"Connection": "close"}

    async def main() -> None:
        service = Service()
        async with (
            service.serving() as url,
            httpx.AsyncClient(base_url=url, limits=limits, headers=headers) as client,
        ):
            await ask_many(10, lambda token: ask_with(client, token))
        assert service.connections == REQUESTS

    run(any_loop, main())


def test_more_requests_than_connections_wait_for_a_free_one(any_loop: Loop) -> None:
    async def main() -> None:
        service = Service()
        limits = httpx.Limits(max_connections=3)
        async with (
            service.serving() as url,
            httpx.AsyncClient(base_url=url, limits=limits) as client,
        ):
            await ask_many(50, lambda token: ask_with(client, token), 100)
        assert 1 <= service.connections <= 3

    run(any_loop, main())


def test_streamed_upload_arrives_whole(any_loop: Loop) -> None:
    async def main() -> None:
        async with Service().serving() as url, httpx.AsyncClient(base_url=url) as client:
            response = await client.post("/digest", content=streamed())
            assert response.text == DIGEST
            response = await client.post("/digest", content=BODY)
            assert response.text == DIGEST

    run(any_loop, main())


def test_streamed_download_arrives_whole(any_loop: Loop) -> None:
    async def main() -> None:
        async with Service().serving() as url, httpx.AsyncClient(base_url=url) as client:
            async with client.stream("GET", "/body") as response:
                digest = hashlib.sha256()
                async for chunk in response.aiter_bytes(10_000):
                    digest.update(chunk)
                assert digest.hexdigest() == DIGEST

    run(any_loop, main())


def test_leaving_a_download_ends_its_handler_and_the_client_goes_on(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        service = Service()
        async with service.serving() as url, httpx.AsyncClient(base_url=url) as client:
            async with client.stream("GET", "/endless") as response:
                async for chunk in response.aiter_bytes(10_000):
                    assert chunk == bytes(10_000)
                    break
            assert isinstance(await service.left, (ConnectionError, asyncio.CancelledError))
            assert await ask_with(client, "after") == "after"
        assert service.connections == 2

    run(any_loop, main())
    assert failures.contexts == []


def test_cancelled_request_ends_its_handler_and_the_client_goes_on(any_loop: Loop) -> None:
    async def main() -> None:
        service = Service()
        async with service.serving() as url, httpx.AsyncClient(base_url=url) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.get("/never")
            assert isinstance(await service.left, asyncio.CancelledError)
            assert await ask_with(client, "after") == "after"

    run(any_loop, main())


def test_read_timeout_is_the_client_s_own_error(any_loop: Loop) -> None:
    async def main() -> None:
        service = Service()
        async with service.serving() as url, httpx.AsyncClient(base_url=url) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/never", timeout=httpx.Timeout(5, read=0.05))
            assert isinstance(await service.left, asyncio.CancelledError)
            assert await ask_with(client, "after") == "after"

    run(any_loop, main())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome", httpx.RemoteProtocolError),
    ],
)
def test_server_that_leaves_is_told_as_an_error(
    any_loop: Loop, answer: bytes, error: type[Exception]
) -> None:
    async def main() -> None:
        async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(leave, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        async with server, httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
            with pytest.raises(error):
                await client.get("/")

    run(any_loop, main())


def test_refused_connection_is_told_as_an_error(any_loop: Loop) -> None:
    async def main() -> None:
        service = Service()
        async with service.serving() as url, httpx.AsyncClient(base_url=url) as client:
            assert await ask_with(client, "before") == "before"
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError, match="All connection attempts failed"):
                await client.get(url)

    run(any_loop, main())
