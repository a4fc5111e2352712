"""uvicorn inside a running loop, with both of its HTTP parsers."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn

from tests.support.load import BODY, DIGEST, REQUESTS, ask_many, pieces, streamed
from tests.support.loops import Failures, run

Loop = asyncio.AbstractEventLoop
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Each of these tests takes a quarter of a second for uvicorn's shutdown: it looks ten times a
# second whether it should exit, and then gives the connections another tenth to end.
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("http", ["h11", "httptools"])]


class Server(uvicorn.Server):
    """Tells when it listens, and counts the connections it ever had."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.connections = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        made = self.config.http_protocol_class.connection_made
        server = self

        class Counting(self.config.http_protocol_class):  # type: ignore[misc, name-defined]
            def connection_made(self, transport: Any) -> None:
                server.connections += 1
                made(self, transport)

        self.config.http_protocol_class = Counting
        await super().startup(sockets)
        self.ready.set()


class Application:
    """An ASGI application with a path for each test."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[str] = asyncio.Queue()
        self.release = asyncio.Event()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
            return
        name, _, token = scope["path"][1:].partition("/")
        await getattr(self, name)(token, receive, send)

    async def lifespan(self, receive: Receive, send: Send) -> None:
        for step in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{step}"
            self.events.put_nowait(step)
            await send({"type": f"lifespan.{step}.complete"})

    async def echo(self, token: str, receive: Receive, send: Send) -> None:
        body = (await read(receive)).decode()
        await answer(send, token if body == token else "not the same")

    async def digest(self, _: str, receive: Receive, send: Send) -> None:
        await answer(send, hashlib.sha256(await read(receive)).hexdigest())

    async def body(self, _: str, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in pieces():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def endless(self, _: str, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await read(receive)
        leaving = asyncio.ensure_future(receive())
        while not leaving.done():
            await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
            await asyncio.sleep(0)
        self.events.put_nowait((await leaving)["type"])

    async def swallow(self, _: str, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            self.events.put_nowait(event["type"])
            if event["type"] == "http.disconnect":
                return

    async def slow(self, _: str, receive: Receive, send: Send) -> None:
        self.events.put_nowait("began")
        await self.release.wait()
        await answer(send, "finished")

    async def failing(self, _: str, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError("of the application")


async def read(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        event = await receive()
        body += event["body"]
        more = event["more_body"]
    return bytes(body)


async def answer(send: Send, text: str) -> None:
    body = text.encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def serving(
    app: Application, http: str, sock: socket.socket | None = None, **options: Any
) -> AsyncIterator[tuple[Server, str]]:
    """Runs uvicorn as a task until the end of the block: (server, base URL)."""
    options = {"lifespan": "off", **options}
    config = uvicorn.Config(
        app, http=http, ws="none", loop="none", log_config=None, access_log=False, **options
    )
    config.load()
    server = Server(config)
    if sock is None:
        # asyncio turns Nagle's algorithm off where the protocol number says TCP.
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.bind(("127.0.0.1", 0))
    address = sock.getsockname()
    task = asyncio.ensure_future(server.serve(sockets=[sock]))
    await server.ready.wait()
    try:
        yield server, f"http://127.0.0.1:{address[1]}"
    finally:
        server.should_exit = True
        await task
    assert server.server_state.connections == set()
    assert server.server_state.tasks == set()


def asking(session: aiohttp.ClientSession) -> Callable[[str], Awaitable[str]]:
    async def ask(token: str) -> str:
        async with session.post(f"/echo/{token}", data=token) as response:
            assert response.status == 200
            return await response.text()

    return ask


def test_thousand_requests_on_kept_connections_get_their_own_answers(
    any_loop: Loop, http: str
) -> None:
    async def main() -> None:
        async with serving(Application(), http) as (server, url):
            async with aiohttp.ClientSession(url) as session:
                await ask_many(20, asking(session))
            assert 1 <= server.connections <= 20

    run(any_loop, main())


def test_thousand_requests_on_a_connection_each_get_their_own_answers(
    any_loop: Loop, http: str
) -> None:
    async def main() -> None:
        async with serving(Application(), http) as (server, url):
            headers = {"Connection": "close"}
            async with aiohttp.ClientSession(url, headers=headers) as session:
                await ask_many(20, asking(session))
            assert server.connections == REQUESTS

    run(any_loop, main())


def test_requests_over_a_unix_socket_get_their_own_answers(
    any_loop: Loop, http: str, tmp_path: Path
) -> None:
    async def main() -> None:
        sock = socket.socket(socket.AF_UNIX)
        path = str(tmp_path / "http")
        sock.bind(path)
        connector = aiohttp.UnixConnector(path)
        async with (
            serving(Application(), http, sock),
            aiohttp.ClientSession("http://unix", connector=connector) as session,
        ):
            await ask_many(10, asking(session), 100)

    run(any_loop, main())


def test_requests_that_come_in_one_packet_are_answered_in_order(any_loop: Loop, http: str) -> None:
    async def main() -> None:
        async with serving(Application(), http) as (_, url):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[-1]))
            tokens = [f"token-{number}" for number in range(20)]
            for token in tokens:
                head = f"POST /echo/{token} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(token)}"
                writer.write(f"{head}\r\n\r\n{token}".encode())
            for token in tokens:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
                assert await reader.readexactly(len(token)) == token.encode()
            writer.close()
            await writer.wait_closed()

    run(any_loop, main())


def test_streamed_bodies_arrive_whole_in_both_directions(any_loop: Loop, http: str) -> None:
    async def main() -> None:
        async with (
            serving(Application(), http) as (_, url),
            aiohttp.ClientSession(url) as session,
        ):
            async with session.post("/digest", data=streamed()) as response:
                assert await response.text() == DIGEST
            async with session.get("/body") as response:
                assert await response.read() == BODY

    run(any_loop, main())


def test_application_is_told_of_a_client_that_leaves_its_response(
    any_loop: Loop, http: str
) -> None:
    failures = Failures(any_loop)
    app = Application()

    async def main() -> None:
        async with (
            serving(app, http) as (_, url),
            aiohttp.ClientSession(url) as session,
        ):
            response = await session.get("/endless")
            assert await response.content.readexactly(300_000) == bytes(300_000)
            response.close()
            assert await app.events.get() == "http.disconnect"
            assert await asking(session)("after") == "after"

    run(any_loop, main())
    assert failures.contexts == []


def test_application_is_told_of_a_client_that_leaves_its_request(any_loop: Loop, http: str) -> None:
    failures = Failures(any_loop)
    app = Application()

    async def main() -> None:
        async with (
            serving(app, http) as (_, url),
            aiohttp.ClientSession(url) as session,
        ):
            _, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[-1]))
            writer.write(b"POST /swallow HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsome")
            assert await app.events.get() == "http.request"
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            while (event := await app.events.get()) == "http.request":
                pass
            assert event == "http.disconnect"
            assert await asking(session)("after") == "after"

    run(any_loop, main())
    assert failures.contexts == []


def test_failing_application_is_answered_with_an_error(any_loop: Loop, http: str) -> None:
    async def main() -> None:
        async with (
            serving(Application(), http) as (_, url),
            aiohttp.ClientSession(url) as session,
        ):
            async with session.get("/failing") as response:
                assert response.status == 500
            assert await asking(session)("after") == "after"

    run(any_loop, main())


def test_idle_connection_is_closed_after_its_time(any_loop: Loop, http: str) -> None:
    async def main() -> None:
        async with serving(Application(), http, timeout_keep_alive=0) as (_, url):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[-1]))
            writer.write(b"POST /echo/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
            received = await reader.read()
            assert received.endswith(b"\r\n\r\nx")
            writer.close()
            await writer.wait_closed()

    run(any_loop, main())


def test_shutdown_lets_a_request_end_and_closes_idle_connections(any_loop: Loop, http: str) -> None:
    app = Application()

    async def main() -> None:
        async with serving(app, http, lifespan="on") as (server, url):
            port = int(url.split(":")[-1])
            assert await app.events.get() == "startup"
            async with aiohttp.ClientSession(url) as session:
                request = asyncio.ensure_future(session.get("/slow"))
                assert await app.events.get() == "began"
                idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port)
                idle_writer.write(b"POST /echo/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
                await idle_reader.readuntil(b"\r\n\r\nx")
                server.should_exit = True
                assert await idle_reader.read() == b""
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", port)
                app.release.set()
                async with await request as response:
                    assert await response.text() == "finished"
                idle_writer.close()
                await idle_writer.wait_closed()
        assert app.events.get_nowait() == "shutdown"

    run(any_loop, main())
