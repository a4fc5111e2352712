"""write(), writelines() and flow control."""

from __future__ import annotations

import array
import asyncio
import logging
import socket
import sys
from typing import Any

import pytest

from tests.support.loops import Failures, run
from tests.support.protocols import Recorder, drain_peer, plain_peer

Loop = asyncio.AbstractEventLoop
BIG = 4_000_000  # More than a socket's buffers take.


@pytest.mark.parametrize("wrong", [None, 0, "text", [], object(), 1.5])
def test_only_bytes_like_data_can_be_written(any_loop: Loop, wrong: Any) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            with pytest.raises(TypeError, match="^data argument must be a bytes"):
                transport.write(wrong)
            assert transport.get_write_buffer_size() == 0

    run(any_loop, main())


@pytest.mark.parametrize("wrong", ["text", object(), 1.5, 1])
def test_only_bytes_like_data_can_be_written_as_lines(any_loop: Loop, wrong: Any) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            with pytest.raises(TypeError):
                transport.writelines([b"a", wrong, b"b"])
            if sys.version_info < (3, 14) or type(any_loop).__module__.startswith("cxxloop"):
                assert transport.get_write_buffer_size() == 0  # asyncio has queued b"a" by now.

    run(any_loop, main())


def test_every_kind_of_bytes_arrives_in_order(any_loop: Loop) -> None:
    """MagicStack/asyncpg#715"""

    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            transport.write(b"bytes ")
            transport.write(bytearray(b"bytearray "))
            transport.write(memoryview(b"xmemoryviewx")[1:-1])
            transport.write(b"")
            transport.write(memoryview(array.array("H", [0x2020])))
            transport.writelines([b"1", bytearray(b"2"), memoryview(b"3")])
            transport.writelines(chunk for chunk in [b"4", b"5"])
            transport.writelines([])
            transport.close()
            expected = b"bytes bytearray memoryview" + b"  " + b"12345"
            assert await drain_peer(any_loop, peer) == expected

    run(any_loop, main())


def test_mutable_buffers_can_be_changed_after_write(any_loop: Loop) -> None:
    """zuvloop#61"""
    if not type(any_loop).__module__.startswith("cxxloop") and sys.version_info >= (3, 12):
        pytest.skip("asyncio keeps a view of what it could not send")

    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            data = bytearray(b"a" * BIG)
            transport.write(data)
            data[:] = b"b" * BIG
            transport.close()
            received = await drain_peer(any_loop, peer)
            assert received == b"a" * BIG

    run(any_loop, main())


def test_writes_of_one_callback_keep_their_order_with_those_of_others(any_loop: Loop) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            expected = bytearray()
            for turn in range(200):
                for part in range(turn % 4):
                    chunk = b"%d.%d;" % (turn, part)
                    expected += chunk
                    if part % 2:
                        transport.writelines([chunk[:1], chunk[1:]])
                    else:
                        transport.write(chunk)
                await asyncio.sleep(0)
            transport.close()
            assert await drain_peer(any_loop, peer) == expected

    run(any_loop, main())


def test_gathered_writes_are_sent_before_the_loop_sleeps(any_loop: Loop) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            for number in range(50):
                transport.write(b"head %d " % number)
                transport.write(b"body")
                expected = b"head %d body" % number
                received = b""
                while len(received) < len(expected):
                    received += await any_loop.sock_recv(peer, 100)
                assert received == expected

    run(any_loop, main())


def test_small_writes_leave_nothing_in_the_buffer(any_loop: Loop) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            for _ in range(5):
                transport.write(b"one")
                assert transport.get_write_buffer_size() == 0
                transport.write(b"two")
                assert transport.get_write_buffer_size() == 0
            assert peer.recv(100) == b"onetwo" * 5

    run(any_loop, main())


def test_write_pauses_the_protocol_at_once_and_resumes_it_when_drained(any_loop: Loop) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            transport.write(bytes(BIG))
            assert protocol.calls == ["connection_made", "pause_writing"]
            left = transport.get_write_buffer_size()
            assert 64 * 1024 < left < BIG
            received = 0
            while "resume_writing" not in protocol.calls:
                received += len(await any_loop.sock_recv(peer, 1 << 20))
            assert transport.get_write_buffer_size() <= 16 * 1024
            transport.close()
            received += len(await drain_peer(any_loop, peer))
            assert received == BIG
            assert protocol.calls.count("pause_writing") == 1

    run(any_loop, main())


def test_writelines_above_the_high_water_mark_pauses(any_loop: Loop) -> None:
    """cpython#127656"""
    if not type(any_loop).__module__.startswith("cxxloop") and sys.version_info < (3, 14):
        pytest.skip("asyncio forgets it before 3.14")

    async def main() -> None:
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, _):
            transport.writelines([bytes(BIG // 2), bytes(BIG // 2)])
            assert "pause_writing" in protocol.calls

    run(any_loop, main())


@pytest.mark.parametrize(
    ("arguments", "limits"),
    [
        ({}, (16 * 1024, 64 * 1024)),
        ({"high": 100}, (25, 100)),
        ({"low": 100}, (100, 400)),
        ({"high": 100, "low": 50}, (50, 100)),
        ({"high": 0}, (0, 0)),
    ],
)
def test_limits_follow_asyncios_rules(
    any_loop: Loop, arguments: dict[str, int], limits: tuple[int, int]
) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            transport.set_write_buffer_limits(**arguments)
            assert transport.get_write_buffer_limits() == limits
            with pytest.raises(ValueError, match=r"^high \(5\) must be >= low \(6\) must be >= 0$"):
                transport.set_write_buffer_limits(high=5, low=6)
            with pytest.raises(ValueError, match=r"^high \(-1\) must be >= low \(-1\)"):
                transport.set_write_buffer_limits(high=-1)
            assert transport.get_write_buffer_limits() == limits

    run(any_loop, main())


def test_a_hundred_thousand_writes_to_a_stalled_peer_are_counted(any_loop: Loop) -> None:
    """cpython#146518"""

    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            transport.write(bytes(BIG))
            before = transport.get_write_buffer_size()
            count = 2_000 if type(any_loop).__module__.startswith("asyncio") else 100_000
            for _ in range(count):
                transport.write(b"x")
            assert transport.get_write_buffer_size() == before + count
            transport.close()
            received = await drain_peer(any_loop, peer)
            assert len(received) == BIG + count

    run(any_loop, main())


def test_writing_after_eof_is_refused(any_loop: Loop) -> None:
    """zuvloop#17"""

    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            transport.write_eof()
            for data in (b"data", b""):
                with pytest.raises(RuntimeError, match=r"^Cannot call write\(\) after write_eof"):
                    transport.write(data)
            with pytest.raises(RuntimeError, match=r"^Cannot call write"):
                transport.writelines([b"data"])

    run(any_loop, main())


def test_writes_to_a_lost_connection_are_dropped_and_logged(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    """uvloop#506"""

    async def main() -> None:
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            peer.close()
            for _ in range(3):
                transport.write(b"x")
            await protocol.lost
            with caplog.at_level(logging.WARNING, logger="asyncio"):
                for _ in range(10):
                    transport.write(b"x")
            assert protocol.calls.count("connection_lost") == 1

    run(any_loop, main())
    assert "socket.send() raised exception." in caplog.text


def test_reset_by_the_peer_is_the_reason_of_the_loss(any_loop: Loop) -> None:
    """zuvloop#16"""

    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        protocol = Recorder(any_loop)
        transport, _ = await any_loop.create_connection(lambda: protocol, *listener.getsockname())
        peer, _ = listener.accept()
        transport.write(bytes(BIG))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        listener.close()
        assert isinstance(await protocol.lost, ConnectionError)
        assert transport.get_write_buffer_size() == 0

    run(any_loop, main())


def test_pause_writing_that_aborts_gets_no_resume(any_loop: Loop) -> None:
    """zuvloop#33"""

    class Aborting(Recorder):
        def pause_writing(self) -> None:
            super().pause_writing()
            self.transport.abort()

    async def main() -> None:
        protocol = Aborting(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, _):
            transport.write(bytes(BIG))
            assert await protocol.lost is None
            assert protocol.calls == ["connection_made", "pause_writing", "connection_lost"]

    run(any_loop, main())


@pytest.mark.parametrize("method", ["pause_writing", "resume_writing"])
def test_failing_flow_control_is_reported(any_loop: Loop, method: str) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        protocol = Recorder(any_loop)

        def fail() -> None:
            raise ZeroDivisionError

        async with plain_peer(any_loop, protocol) as (transport, peer):
            setattr(protocol, method, fail)
            transport.write(bytes(BIG))
            transport.close()
            await drain_peer(any_loop, peer)
            await protocol.lost

    run(any_loop, main())
    assert failures.messages == [f"protocol.{method}() failed"]


def test_resume_of_one_that_writes_to_another_loses_nothing(any_loop: Loop) -> None:
    """uvloop#498"""

    async def main() -> None:
        second = Recorder(any_loop)
        async with plain_peer(any_loop, second) as (other, other_peer):

            class Forwarding(Recorder):
                def resume_writing(self) -> None:
                    super().resume_writing()
                    other.write(b"b" * BIG)

            first = Forwarding(any_loop)
            async with plain_peer(any_loop, first) as (transport, peer):
                transport.write(b"a" * BIG)
                got = 0
                while "resume_writing" not in first.calls:
                    got += len(await any_loop.sock_recv(peer, 1 << 20))
                other.close()
                assert await drain_peer(any_loop, other_peer) == b"b" * BIG
                transport.close()
                got += len(await drain_peer(any_loop, peer))
                assert got == BIG

    run(any_loop, main())
