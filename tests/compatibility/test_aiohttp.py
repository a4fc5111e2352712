"""aiohttp: its server and its client, both in one loop."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.load import BODY, DIGEST, REQUESTS, ask_many, streamed
from tests.support.loops import Failures, run

Loop = asyncio.AbstractEventLoop
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def serving(*handlers: tuple[str, Handler], **options: Any) -> AsyncIterator[web.AppRunner]:
    """A server on an ephemeral port; what it answers at "/" tells that it goes on serving."""
    application = web.Application(client_max_size=1 << 30)
    application.router.add_get("/", alive)
    for path, handler in handlers:
        application.router.add_route("*", path, handler)
    runner = web.AppRunner(application, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner
    finally:
        await runner.cleanup()


def address_of(runner: web.AppRunner) -> str:
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


async def alive(_: web.Request) -> web.Response:
    return web.Response(text="alive")


async def goes_on_serving(session: aiohttp.ClientSession) -> bool:
    async with session.get("/") as response:
        return await response.text() == "alive"


async def echo(request: web.Request) -> web.Response:
    """The token, if it came in the path and in the body."""
    token = request.match_info["token"]
    return web.Response(text=token if await request.text() == token else "not the same")


def counting_connections() -> tuple[list[None], aiohttp.TraceConfig]:
    """What the client reports of each connection that it makes."""
    made: list[None] = []

    async def note(*_: Any) -> None:
        made.append(None)

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(note)
    return made, trace


@pytest.mark.slow
def test_thousand_requests_on_kept_connections_get_their_own_answers(any_loop: Loop) -> None:
    async def main() -> None:
        made, trace = counting_connections()
        async with (
            serving(("/{token}", echo)) as runner,
            aiohttp.ClientSession(address_of(runner), trace_configs=[trace]) as session,
        ):

            async def ask(token: str) -> str:
                async with session.post(f"/{token}", data=token) as response:
                    return await response.text()

            await ask_many(20, ask)
        assert 1 <= len(made) <= 20

    run(any_loop, main())


@pytest.mark.slow
def test_thousand_requests_on_a_connection_each_get_their_own_answers(any_loop: Loop) -> None:
    async def main() -> None:
        made, trace = counting_connections()
        async with (
            serving(("/{token}", echo)) as runner,
            aiohttp.ClientSession(
                address_of(runner), headers={"Connection": "close"}, trace_configs=[trace]
            ) as session,
        ):

            async def ask(token: str) -> str:
                async with session.post(f"/{token}", data=token) as response:
                    assert response.headers["Connection"] == "close"
                    return await response.text()

            await ask_many(20, ask)
        assert len(made) == REQUESTS

    run(any_loop, main())


def test_requests_over_a_unix_socket_get_their_own_answers(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "http")
        async with serving(("/{token}", echo)) as runner:
            await web.UnixSite(runner, path).start()
            connector = aiohttp.UnixConnector(path)
            async with aiohttp.ClientSession("http://unix", connector=connector) as session:

                async def ask(token: str) -> str:
                    async with session.post(f"/{token}", data=token) as response:
                        return await response.text()

                await ask_many(10, ask, 100)
        with pytest.raises(OSError):
            await asyncio.open_unix_connection(path)

    run(any_loop, main())


def test_streamed_request_body_arrives_whole(any_loop: Loop) -> None:
    async def digest(request: web.Request) -> web.Response:
        digest = hashlib.sha256()
        async for chunk in request.content.iter_any():
            digest.update(chunk)
        return web.Response(text=digest.hexdigest())

    async def main() -> None:
        async with (
            serving(("/digest", digest)) as runner,
            aiohttp.ClientSession(address_of(runner)) as session,
            session.post("/digest", data=streamed()) as response,
        ):
            assert await response.text() == DIGEST

    run(any_loop, main())


def test_streamed_response_arrives_whole(any_loop: Loop) -> None:
    async def send(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in streamed():
            await response.write(piece)
        return response

    async def main() -> None:
        async with (
            serving(("/send", send)) as runner,
            aiohttp.ClientSession(address_of(runner)) as session,
            session.get("/send") as response,
        ):
            assert response.headers["Transfer-Encoding"] == "chunked"
            digest = hashlib.sha256()
            async for chunk in response.content.iter_chunked(1 << 14):
                digest.update(chunk)
            assert digest.hexdigest() == DIGEST

    run(any_loop, main())


def test_file_is_sent_whole_and_in_part(any_loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(BODY)

    async def send(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(path)

    async def main() -> None:
        async with (
            serving(("/file", send)) as runner,
            aiohttp.ClientSession(address_of(runner)) as session,
        ):
            async with session.get("/file") as response:
                assert await response.read() == BODY
            headers = {"Range": "bytes=1000000-1999999"}
            async with session.get("/file", headers=headers) as response:
                assert response.status == 206
                assert await response.read() == BODY[1_000_000:2_000_000]

    run(any_loop, main())


@pytest.mark.parametrize(
    ("cancelling", "error"), [(False, ConnectionError), (True, asyncio.CancelledError)]
)
def test_client_that_leaves_a_streamed_response_ends_its_handler(
    any_loop: Loop, cancelling: bool, error: type[BaseException]
) -> None:
    failures = Failures(any_loop)
    ended: asyncio.Future[BaseException] = any_loop.create_future()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(1 << 16))
        except BaseException as exc:
            ended.set_result(exc)
            raise

    async def main() -> None:
        async with (
            serving(("/endless", endless), handler_cancellation=cancelling) as runner,
            aiohttp.ClientSession(address_of(runner)) as session,
        ):
            response = await session.get("/endless")
            assert await response.content.readexactly(100_000) == bytes(100_000)
            response.close()
            assert isinstance(await ended, error)
            assert await goes_on_serving(session)

    run(any_loop, main())
    assert failures.contexts == []


def test_client_that_leaves_a_request_body_fails_the_reading_of_it(any_loop: Loop) -> None:
    began = asyncio.Event()
    ended: asyncio.Future[BaseException] = any_loop.create_future()

    async def swallow(request: web.Request) -> web.Response:
        try:
            async for _ in request.content.iter_any():
                began.set()
        except BaseException as exc:
            ended.set_result(exc)
            raise
        return web.Response()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.Event().wait()

    async def main() -> None:
        async with (
            serving(("/swallow", swallow)) as runner,
            aiohttp.ClientSession(address_of(runner)) as session,
        ):
            task = asyncio.ensure_future(session.post("/swallow", data=body()))
            await began.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert isinstance(await ended, ConnectionResetError)
            assert await goes_on_serving(session)

    run(any_loop, main())


def test_client_times_out_while_a_handler_is_slow(any_loop: Loop) -> None:
    async def main() -> None:
        began, release, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def slow(_: web.Request) -> web.Response:
            began.set()
            await release.wait()
            done.set()
            return web.Response()

        async with (
            serving(("/slow", slow)) as runner,
            aiohttp.ClientSession(address_of(runner)) as session,
        ):
            with pytest.raises(TimeoutError):
                await session.get("/slow", timeout=aiohttp.ClientTimeout(total=0.1))
            assert began.is_set()
            assert await goes_on_serving(session)
            release.set()
            await done.wait()
            assert await goes_on_serving(session)

    run(any_loop, main())


async def repeat(request: web.Request) -> web.WebSocketResponse:
    """A web socket that sends back what it gets."""
    channel = web.WebSocketResponse()
    await channel.prepare(request)
    async for message in channel:
        if message.type is aiohttp.WSMsgType.TEXT:
            await channel.send_str(message.data)
        else:
            await channel.send_bytes(message.data)
    return channel


def test_web_socket_returns_each_message_in_order(any_loop: Loop) -> None:
    messages: list[str | bytes] = [os.urandom(number).hex() for number in range(100)]
    messages += [os.urandom(number * 50) for number in range(99)]
    messages.append(os.urandom(1 << 20))

    async def main() -> None:
        async with (
            serving(("/repeat", repeat)) as runner,
            aiohttp.ClientSession(address_of(runner)) as session,
            session.ws_connect("/repeat") as channel,
        ):

            async def send() -> None:
                for message in messages:
                    if isinstance(message, str):
                        await channel.send_str(message)
                    else:
                        await channel.send_bytes(message)

            sending = asyncio.ensure_future(send())
            assert [(await channel.receive()).data for _ in messages] == messages
            await sending
            await channel.close()
            assert channel.close_code == aiohttp.WSCloseCode.OK

    run(any_loop, main())


def test_web_socket_of_a_lost_client_ends_its_handler(any_loop: Loop) -> None:
    async def main() -> None:
        codes: asyncio.Queue[int | None] = asyncio.Queue()

        async def watch(request: web.Request) -> web.WebSocketResponse:
            channel = await repeat(request)
            codes.put_nowait(channel.close_code)
            return channel

        async with (
            serving(("/watch", watch)) as runner,
            aiohttp.ClientSession(address_of(runner)) as session,
        ):
            channel = await session.ws_connect("/watch")
            await channel.send_str("x")
            assert await channel.receive_str() == "x"
            transport = channel.get_extra_info("socket")
            transport.shutdown(2)
            assert await codes.get() == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
            await channel.close()
            assert await goes_on_serving(session)

    run(any_loop, main())


def test_clean_up_lets_a_request_end_and_closes_idle_connections(any_loop: Loop) -> None:
    async def main() -> None:
        began, release = asyncio.Event(), asyncio.Event()

        async def slow(_: web.Request) -> web.Response:
            began.set()
            await release.wait()
            return web.Response(text="finished")

        async with serving(("/slow", slow)) as runner:
            port = runner.addresses[0][1]
            async with aiohttp.ClientSession(address_of(runner)) as session:
                asking = asyncio.ensure_future(session.get("/slow"))
                await began.wait()
                idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port)
                idle_writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await idle_reader.readuntil(b"alive")).startswith(b"HTTP/1.1 200")
                cleaning = asyncio.ensure_future(runner.cleanup())
                assert await idle_reader.read() == b""
                assert not cleaning.done()
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", port)
                release.set()
                async with await asking as response:
                    assert await response.text() == "finished"
                await cleaning
                idle_writer.close()
                await idle_writer.wait_closed()

    run(any_loop, main())
