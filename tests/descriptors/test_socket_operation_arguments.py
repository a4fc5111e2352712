"""sock_recv(), sock_sendall() and their relatives: wrong arguments."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import cxxloop
from tests.descriptors.watching import Pair
from tests.support.loops import run

Loop = asyncio.AbstractEventLoop

OPERATIONS: dict[str, tuple[Any, ...]] = {
    "sock_recv": (1,),
    "sock_recv_into": (bytearray(1),),
    "sock_recvfrom": (1,),
    "sock_recvfrom_into": (bytearray(1),),
    "sock_sendall": (b"x",),
    "sock_sendto": (b"x", ("127.0.0.1", 9)),
    "sock_accept": (),
    "sock_connect": (("127.0.0.1", 9),),
}


@pytest.fixture
def datagrams() -> Iterator[Pair]:
    """Two datagram sockets with addresses."""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as first,
        socket.socket(type=socket.SOCK_DGRAM) as second,
    ):
        for sock in (first, second):
            sock.setblocking(False)
            sock.bind(("127.0.0.1", 0))
        yield first, second


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@pytest.mark.parametrize("timeout", [None, 1.0])
def test_blocking_socket_is_refused_in_debug_mode(
    any_loop: Loop, operation: str, timeout: float | None
) -> None:
    any_loop.set_debug(True)
    with socket.socket() as sock:
        sock.settimeout(timeout)
        with pytest.raises(ValueError, match="^the socket must be non-blocking$"):
            run(any_loop, getattr(any_loop, operation)(sock, *OPERATIONS[operation]))


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_tls_socket_is_refused(any_loop: Loop, operation: str) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    with context.wrap_socket(socket.socket(), do_handshake_on_connect=False) as sock:
        with pytest.raises(TypeError, match="^Socket cannot be of type SSLSocket$"):
            run(any_loop, getattr(any_loop, operation)(sock, *OPERATIONS[operation]))


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_closed_socket_is_a_bad_descriptor(any_loop: Loop, operation: str) -> None:
    sock = socket.socket()
    sock.setblocking(False)
    sock.close()
    with pytest.raises(OSError, match="Bad file descriptor") as info:
        run(any_loop, getattr(any_loop, operation)(sock, *OPERATIONS[operation]))
    assert type(info.value) is OSError


@pytest.mark.parametrize("operation", ["sock_recv", "sock_recv_into", "sock_sendall"])
def test_unconnected_socket_fails_as_the_socket_does(any_loop: Loop, operation: str) -> None:
    args = OPERATIONS[operation]
    with socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(OSError) as expected:
            getattr(sock, operation.removeprefix("sock_"))(*args)
        with pytest.raises(OSError) as info:
            run(any_loop, getattr(any_loop, operation)(sock, *args))
    assert type(info.value) is type(expected.value)
    assert info.value.args == expected.value.args


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@pytest.mark.parametrize("number", [3, None, "socket"])
def test_something_that_is_no_socket_is_an_attribute_error(
    any_loop: Loop, operation: str, number: Any
) -> None:
    with pytest.raises(AttributeError):
        run(any_loop, getattr(any_loop, operation)(number, *OPERATIONS[operation]))


@pytest.mark.parametrize(
    ("operation", "args"),
    [
        ("sock_recv", ("1",)),
        ("sock_recv", (None,)),
        ("sock_recv", (1.5,)),
        ("sock_recv", (b"",)),
        ("sock_recv_into", (b"constant",)),
        ("sock_recv_into", (5,)),
        ("sock_recv_into", ("text",)),
        ("sock_recv_into", (None,)),
        ("sock_recvfrom", ("1",)),
        ("sock_recvfrom_into", (b"constant",)),
        ("sock_recvfrom_into", (bytearray(1), "1")),
        ("sock_sendall", ("text",)),
        ("sock_sendall", (None,)),
        ("sock_sendall", (5,)),
        ("sock_sendall", ([b"x"],)),
        ("sock_sendto", ("text", ("127.0.0.1", 9))),
        ("sock_sendto", (b"x", "127.0.0.1")),
        ("sock_sendto", (b"x", None)),
    ],
)
def test_wrong_type_fails_as_asyncio_does(operation: str, args: tuple[Any, ...]) -> None:
    def outcome(loop: Loop) -> tuple[type, str]:
        kind = socket.SOCK_DGRAM if operation.endswith(("to", "from", "from_into")) else None
        with contextlib.closing(loop), contextlib.ExitStack() as stack:
            if kind is not None:
                sock = stack.enter_context(socket.socket(type=kind))
            else:
                sock, other = socket.socketpair()
                stack.enter_context(sock)
                stack.enter_context(other)
            sock.setblocking(False)
            with pytest.raises(TypeError) as info:
                run(loop, getattr(loop, operation)(sock, *args))
            return type(info.value), str(info.value)

    assert outcome(cxxloop.Loop()) == outcome(asyncio.SelectorEventLoop())


def test_negative_sizes_fail_as_the_socket_does(any_loop: Loop, pair: Pair) -> None:
    with pytest.raises(ValueError, match="negative buffersize in recv"):
        run(any_loop, any_loop.sock_recv(pair[0], -1))
    with pytest.raises(ValueError, match="negative buffersize in recvfrom"):
        run(any_loop, any_loop.sock_recvfrom(pair[0], -1))
    with pytest.raises(ValueError, match="negative buffersize in recvfrom_into"):
        run(any_loop, any_loop.sock_recvfrom_into(pair[0], bytearray(1), -1))


def test_size_beyond_memory_fails_without_waiting(any_loop: Loop, pair: Pair) -> None:
    with pytest.raises(OverflowError):
        run(any_loop, any_loop.sock_recv(pair[0], 2**64))
    with pytest.raises(MemoryError):
        run(any_loop, any_loop.sock_recv(pair[0], 2**62))


def test_buffer_smaller_than_the_size_is_refused(any_loop: Loop, datagrams: Pair) -> None:
    with pytest.raises(ValueError, match="nbytes is greater than the length of the buffer"):
        run(any_loop, any_loop.sock_recvfrom_into(datagrams[0], bytearray(1), 2))


def test_size_may_be_an_object_with_index(any_loop: Loop, pair: Pair) -> None:
    class Two:
        def __index__(self) -> int:
            return 2

    pair[1].send(b"abc")
    assert run(any_loop, any_loop.sock_recv(pair[0], Two())) == b"ab"  # type: ignore[arg-type]
    assert run(any_loop, any_loop.sock_recv(pair[0], True)) == b"c"


def test_arguments_may_be_keywords(any_loop: Loop, pair: Pair, datagrams: Pair) -> None:
    sock, peer = pair
    first, second = datagrams
    buffer = bytearray(9)

    async def main() -> None:
        await any_loop.sock_sendall(sock=peer, data=b"one two")
        assert await any_loop.sock_recv(sock=sock, n=4) == b"one "
        assert await any_loop.sock_recv_into(sock=sock, buf=buffer) == 3
        address = second.getsockname()
        assert await any_loop.sock_sendto(sock=first, data=b"abc", address=address) == 3
        got = await any_loop.sock_recvfrom(sock=second, bufsize=9)
        assert got == (b"abc", first.getsockname())
        await any_loop.sock_sendto(first, b"abc", address)
        got = await any_loop.sock_recvfrom_into(sock=second, buf=buffer, nbytes=2)
        assert got == (2, first.getsockname())

    run(any_loop, main())


def test_calls_are_coroutines_that_start_when_awaited(any_loop: Loop, pair: Pair) -> None:
    calls: dict[str, Callable[[], Any]] = {
        "recv": lambda: any_loop.sock_recv(pair[0], 1),
        "sendall": lambda: any_loop.sock_sendall(pair[0], b"x"),
    }
    for call in calls.values():
        made = call()
        assert asyncio.iscoroutine(made)
        made.close()
    with pytest.raises(BlockingIOError):
        pair[1].recv(1)  # Nothing was sent.


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_operation_that_is_never_awaited_is_warned_of(
    any_loop: Loop, pair: Pair, operation: str
) -> None:
    with pytest.warns(RuntimeWarning, match=f"{operation}' was never awaited"):
        getattr(any_loop, operation)(pair[0], *OPERATIONS[operation])
        gc.collect()
