"""An error in the middle of a batch of replies is that of its datagram alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lifecycle.interpreters import Ended

_SCRIPT = """\
from tests.support.datagrams import DatagramEcho, address_of, bring_into_bursts, endpoint
from tests.support.datagrams import everything_in, plain_socket

COUNT = 20

async def burst(plan):
    async with endpoint(DatagramEcho) as (transport, protocol):
        with plain_socket(connect=address_of(transport)) as sock:
            await bring_into_bursts(transport, protocol, sock)
            with plan:
                for number in range(COUNT):
                    sock.send(b"%d" % number)
                await protocol.until_received(COUNT)
                while transport.get_write_buffer_size():
                    await asyncio.sleep(0)
            seen = shim.seen
            # And the endpoint goes on.
            sock.send(b"again")
            await protocol.until_received(COUNT + 1)
            received = [int(data) for data in everything_in(sock) if data != b"again"]
            return received, protocol.errors, seen

def run(plan):
    loop = cxxloop.Loop()
    failures = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    result = loop.run_until_complete(asyncio.wait_for(burst(plan), 10))
    loop.close()
    assert not failures, failures
    return result
"""


@pytest.mark.parametrize("error", ["EPERM", "ENOBUFS", "ECONNREFUSED"])
@pytest.mark.parametrize("sent_before", [0, 1, 7])
def test_only_the_datagram_that_fails_is_missing(
    interpret_with_shim: Callable[..., Ended], error: str, sent_before: int
) -> None:
    # As the kernel does it: a call sends what it can, and the next one begins with the failure.
    ended = interpret_with_shim(
        f"""{_SCRIPT}
import contextlib

class Plan(contextlib.AbstractContextManager):
    def __enter__(self):
        shim.fail_in_batch({sent_before}, errno.{error})

    def __exit__(self, *_):
        shim.disarm()

received, errors, seen = run(Plan())
assert [exc.errno for exc in errors] == [errno.{error}]
assert received == [number for number in range(COUNT) if number != {sent_before}], received
"""
    )
    assert ended.status == 0, ended.err


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("error", ["EAGAIN", "EINTR"])
def test_replies_that_have_to_wait_leave_in_their_order(
    interpret_with_shim: Callable[..., Ended], error: str, skip: int
) -> None:
    ended = interpret_with_shim(
        f"""{_SCRIPT}
plan = shim.failing("sendmmsg", "sendto", error=errno.{error}, skip={skip}, count=2)
received, errors, seen = run(plan)
assert seen > 0
assert received == list(range(COUNT)), received
assert not errors, errors
"""
    )
    assert ended.status == 0, ended.err


@pytest.mark.parametrize("most", [1, 3])
def test_batches_that_are_sent_or_received_in_parts_are_complete(
    interpret_with_shim: Callable[..., Ended], most: int
) -> None:
    ended = interpret_with_shim(
        f"""{_SCRIPT}
received, errors, seen = run(shim.shortening("sendmmsg", "recvmmsg", most={most}))
assert received == list(range(COUNT)), received
assert not errors, errors
"""
    )
    assert ended.status == 0, ended.err


@pytest.mark.parametrize("kind", ["asyncio.SelectorEventLoop", "cxxloop.Loop"])
@pytest.mark.parametrize("error", ["EPERM", "ENOBUFS", "ENETUNREACH"])
def test_send_that_fails_reaches_error_received_and_the_endpoint_goes_on(
    interpret_with_shim: Callable[..., Ended], kind: str, error: str
) -> None:
    ended = interpret_with_shim(
        f"""
from tests.support.datagrams import DatagramRecorder, address_of, endpoint, plain_socket

async def main():
    with plain_socket() as sock:
        async with endpoint() as (transport, protocol):
            for number in range(5):
                with shim.failing("sendto", error=errno.{error}, skip=0 if number == 2 else 9):
                    transport.sendto(b"%d" % number, sock.getsockname())
            received = [await asyncio.get_running_loop().sock_recv(sock, 9) for _ in range(4)]
            assert received == [b"0", b"1", b"3", b"4"], received
            assert [exc.errno for exc in protocol.errors] == [errno.{error}]
            assert not transport.is_closing()

loop = {kind}()
loop.run_until_complete(asyncio.wait_for(main(), 10))
loop.close()
"""
    )
    assert ended.status == 0, ended.err
