"""sendto() when the socket takes nothing, flow control, and how datagram transports end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import sys
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.datagrams import (
    ANY_PORT,
    DatagramRecorder,
    address_of,
    endpoint,
    everything_in,
    nobody,
    plain_socket,
)
from tests.support.loops import LOOP_FACTORIES, Failures, run

Loop = asyncio.AbstractEventLoop
HEADER = 8 if sys.version_info >= (3, 13) else 0
LOST = "socket.send() raised exception."


@contextlib.asynccontextmanager
async def full_endpoint(
    directory: Path, factory: Any = DatagramRecorder
) -> AsyncIterator[tuple[Any, Any, socket.socket, list[bytes]]]:
    """(transport, protocol, its peer, what was sent): the peer's queue takes no more."""
    path = str(directory / "peer")
    with plain_socket(path, socket.AF_UNIX) as peer:
        options: dict[str, Any] = {"remote_addr": path, "family": socket.AF_UNIX}
        async with endpoint(factory, **options) as (transport, protocol):
            sent: list[bytes] = []
            while not transport.get_write_buffer_size():
                sent.append(b"%d" % len(sent))
                transport.sendto(sent[-1])
            yield transport, protocol, peer, sent


async def receive(loop: Loop, peer: socket.socket, count: int) -> list[bytes]:
    return [await loop.sock_recv(peer, 100) for _ in range(count)]


def test_datagrams_that_wait_leave_in_order(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with full_endpoint(tmp_path) as (transport, protocol, peer, sent):
            for _ in range(100):
                sent.append(b"%d" % len(sent))
                transport.sendto(bytearray(sent[-1]))
            assert await receive(any_loop, peer, len(sent)) == sent
            transport.sendto(b"last")
            assert await receive(any_loop, peer, 1) == [b"last"]
            assert protocol.calls == ["connection_made"]

    run(any_loop, main())


def test_what_waits_is_a_copy(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with full_endpoint(tmp_path) as (transport, _, peer, sent):
            data = bytearray(b"before")
            transport.sendto(data)
            data[:] = b"after!"
            received = await receive(any_loop, peer, len(sent) + 1)
            assert received == [*sent, b"before"]

    run(any_loop, main())


def test_what_waits_is_counted_with_its_headers(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with full_endpoint(tmp_path) as (transport, _, _, sent):
            size = transport.get_write_buffer_size()
            assert size == len(sent[-1]) + HEADER
            transport.sendto(b"x" * 100)
            assert transport.get_write_buffer_size() == size + 100 + HEADER
            transport.sendto(b"")
            assert transport.get_write_buffer_size() == size + 100 + 2 * HEADER
            assert f"bufsize={size + 100 + 2 * HEADER}" in repr(transport)
            assert "write=<polling" in repr(transport)

    run(any_loop, main())


def test_protocol_is_paused_and_resumed(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with full_endpoint(tmp_path) as (transport, protocol, peer, sent):
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            transport.set_write_buffer_limits(high=100 + 100 * HEADER)
            assert protocol.calls == ["connection_made"]
            transport.sendto(b"x" * 101)
            for _ in range(100):
                transport.sendto(b"y")
            assert protocol.calls == ["connection_made", "pause_writing"]
            await receive(any_loop, peer, len(sent) + 101)
            if sys.version_info[:2] != (3, 13) or type(any_loop).__module__[:7] == "cxxloop":
                # asyncio's first 3.13 never takes the headers off the count again.
                await protocol.until(lambda self: "resume_writing" in self.calls)
                assert transport.get_write_buffer_size() == 0
            with pytest.raises(ValueError, match="must be >= low"):
                transport.set_write_buffer_limits(high=1, low=2)

    run(any_loop, main())


def test_lower_limits_pause_at_once(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with full_endpoint(tmp_path) as (transport, protocol, _, _):
            transport.set_write_buffer_limits(high=0)
            assert protocol.calls == ["connection_made", "pause_writing"]

    run(any_loop, main())


@pytest.mark.parametrize("name", ["pause_writing", "resume_writing"])
def test_failures_of_flow_control_are_reported(any_loop: Loop, tmp_path: Path, name: str) -> None:
    class Failing(DatagramRecorder):
        pass

    def fail(self: Any) -> None:
        raise LookupError(name)

    setattr(Failing, name, fail)

    async def main() -> None:
        failures = Failures(any_loop)
        async with full_endpoint(tmp_path, Failing) as (transport, _, peer, sent):
            transport.set_write_buffer_limits(high=0)
            if HEADER and type(any_loop).__module__[:7] != "cxxloop":
                transport.set_write_buffer_limits(low=1000)
            await receive(any_loop, peer, len(sent))
            while not failures.contexts:
                await asyncio.sleep(0)
            assert failures.messages == [f"protocol.{name}() failed"]
            assert failures.contexts[0]["transport"] is transport

    run(any_loop, main())


def test_close_sends_what_waits_first(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with full_endpoint(tmp_path) as (transport, protocol, peer, sent):
            transport.sendto(b"last")
            transport.close()
            transport.close()
            assert transport.is_closing()
            assert await receive(any_loop, peer, len(sent) + 1) == [*sent, b"last"]
            assert await protocol.lost is None
            await asyncio.sleep(0)
            assert protocol.calls.count("connection_lost") == 1

    run(any_loop, main())


def test_abort_drops_what_waits(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with full_endpoint(tmp_path) as (transport, protocol, peer, sent):
            transport.abort()
            transport.abort()
            transport.close()
            assert await protocol.lost is None
            assert everything_in(peer) == sent[:-1]
            assert protocol.calls.count("connection_lost") == 1

    run(any_loop, main())


def test_abort_while_resuming_loses_the_connection_once(any_loop: Loop, tmp_path: Path) -> None:
    class Aborting(DatagramRecorder):
        def resume_writing(self) -> None:
            super().resume_writing()
            self.transport.abort()

    async def main() -> None:
        async with full_endpoint(tmp_path, Aborting) as (transport, protocol, peer, sent):
            transport.set_write_buffer_limits(high=1, low=0)
            await receive(any_loop, peer, len(sent))
            await protocol.lost
            for _ in range(3):
                await asyncio.sleep(0)
            assert protocol.calls.count("connection_lost") == 1

    if type(any_loop).__module__[:7] != "cxxloop":
        pytest.skip("asyncio calls it a second time, on a protocol that is gone")
    run(any_loop, main())


def test_error_while_sending_what_waits_is_the_protocols(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with full_endpoint(tmp_path) as (transport, protocol, peer, _):
            transport.sendto(b"second")
            peer.close()
            await protocol.until(lambda self: len(self.errors) >= 2)
            assert isinstance(protocol.errors[0], ConnectionRefusedError)
            assert isinstance(protocol.errors[1], OSError)
            assert not transport.is_closing()

    run(any_loop, main())


def test_failure_of_error_received_is_a_callbacks_failure(any_loop: Loop, tmp_path: Path) -> None:
    class Failing(DatagramRecorder):
        def error_received(self, exc: Exception) -> None:
            super().error_received(exc)
            raise LookupError("in error_received")

    async def main() -> None:
        failures = Failures(any_loop)
        async with full_endpoint(tmp_path, Failing) as (_, protocol, peer, _):
            peer.close()
            await protocol.until(lambda self: self.errors)
            await asyncio.sleep(0)
            assert len(failures.messages) == 1
            assert "Transport._sendto_ready" in failures.messages[0]

    run(any_loop, main())


# The end


def test_lost_datagrams_of_connected_endpoints_are_logged(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        with plain_socket() as sock:
            async with endpoint(remote_addr=sock.getsockname()) as (transport, protocol):
                transport.close()
                for _ in range(4):
                    transport.sendto(b"lost")
                assert caplog.messages == []
                await protocol.lost
                for _ in range(3):
                    transport.sendto(b"lost")
                assert caplog.messages == [LOST] * 3
                assert everything_in(sock) == []

    with caplog.at_level(logging.WARNING, "asyncio"):
        run(any_loop, main())


def test_unconnected_endpoint_sends_until_it_is_gone(any_loop: Loop) -> None:
    async def main() -> None:
        with plain_socket() as sock:
            async with endpoint() as (transport, protocol):
                transport.close()
                transport.sendto(b"just so", sock.getsockname())
                await protocol.lost
                assert everything_in(sock) == [b"just so"]
                await asyncio.sleep(0)
                with pytest.raises(AttributeError, match="'call_exception_handler'"):
                    transport.sendto(b"too late", sock.getsockname())

    run(any_loop, main())


@pytest.mark.asyncio_since((3, 11, 7), "no pauses of datagrams before")
def test_repr_tells_the_state(any_loop: Loop) -> None:
    async def main() -> None:
        async with endpoint() as (transport, protocol):
            fd = transport.get_extra_info("socket").fileno()
            state = f"fd={fd} read=polling write=<idle, bufsize=0>>"
            assert repr(transport).endswith(f"DatagramTransport {state}")
            transport.pause_reading()
            assert "read=idle" in repr(transport)
            transport.close()
            assert f"Transport closing fd={fd} read=idle" in repr(transport)
            await protocol.lost
            await asyncio.sleep(0)
            assert repr(transport).endswith(f"DatagramTransport closed fd={fd}>")

    run(any_loop, main())


@pytest.mark.asyncio_since((3, 11, 7), "no pauses of datagrams before")
def test_debug_mode_logs_pauses(any_loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    any_loop.set_debug(True)

    async def main() -> None:
        async with endpoint() as (transport, _):
            caplog.clear()
            with caplog.at_level(logging.DEBUG, "asyncio"):
                transport.pause_reading()
                transport.resume_reading()
            ends = [message.split(">> ")[1] for message in caplog.messages]
            assert ends == ["pauses reading", "resumes reading"]

    run(any_loop, main())


def forget_endpoints(name: str, count: int) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        address: Any = ANY_PORT
        for _ in range(count):
            transport, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=address, reuse_port=True
            )
            address = address_of(transport)

    loop = LOOP_FACTORIES[name]()
    run(loop, main())
    loop.close()


@pytest.mark.parametrize("name", sorted(LOOP_FACTORIES))
def test_forgotten_endpoints_warn_and_are_closed(name: str) -> None:
    """uvloop#125"""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        forget_endpoints(name, 100)
        gc.collect()
    texts = [str(warning.message) for warning in caught]
    assert sum(text.startswith("unclosed transport <") for text in texts) == 100
    assert all(warning.category is ResourceWarning for warning in caught)


def test_closed_endpoint_holds_nothing(any_loop: Loop) -> None:
    async def main() -> Any:
        async with endpoint() as (transport, protocol):
            pass
        assert protocol.calls == ["connection_made", "connection_lost"]
        return transport

    transport = run(any_loop, main())
    assert transport.get_protocol() is None
    assert transport._loop is None
    assert transport._sock is None
    transport.close()


def test_failing_callbacks_of_life_are_reported(any_loop: Loop) -> None:
    class Failing(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            raise LookupError("connection_made")

        def connection_lost(self, exc: Exception | None) -> None:
            raise LookupError("connection_lost")

    async def main() -> None:
        failures = Failures(any_loop)
        async with endpoint(Failing):
            assert len(failures.messages) == 1
        assert [str(context["exception"]) for context in failures.contexts] == [
            "connection_made",
            "connection_lost",
        ]

    run(any_loop, main())


@pytest.mark.parametrize("name", ["connection_made", "error_received", "connection_lost"])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exits_leave_the_loop_from_every_callback(
    any_loop: Loop, name: str, kind: type[BaseException]
) -> None:
    class Leaving(DatagramRecorder):
        pass

    def leave(self: Any, argument: Any) -> None:
        getattr(DatagramRecorder, name)(self, argument)
        raise kind

    setattr(Leaving, name, leave)

    async def main() -> None:
        async with endpoint(Leaving, remote_addr=nobody()) as (transport, protocol):
            transport.sendto(b"to nobody")
            await protocol.until(lambda self: self.errors)
        await protocol.lost

    task = any_loop.create_task(main())
    with pytest.raises(kind):
        any_loop.run_until_complete(task)
    with contextlib.suppress(kind):
        any_loop.run_until_complete(task)
