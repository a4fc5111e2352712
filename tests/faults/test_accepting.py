"""Connections that can't be accepted now are accepted later, as asyncio does it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lifecycle.interpreters import FACTORIES, Ended

_SCRIPT = """\
import asyncio.constants, cxxloop._loop.servers
asyncio.constants.ACCEPT_RETRY_DELAY = cxxloop._loop.servers._ACCEPT_RETRY_DELAY = 0.05
reported = []

async def main(error, count):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))
    served = asyncio.Queue()

    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            transport.abort()
            served.put_nowait(None)

    server = await loop.create_server(Server, "127.0.0.1", 0)
    with shim.failing("accept", error=error, count=count):
        clients = [socket.create_connection(server.sockets[0].getsockname()) for _ in range(3)]
        for _ in clients:
            async with asyncio.timeout(10):
                await served.get()
    for client in clients:
        client.close()
    server.close()

def run(error, count):
    loop = FACTORY()
    loop.run_until_complete(main(error, count))
    loop.close()
"""


@pytest.fixture(params=sorted(FACTORIES))
def script(request: pytest.FixtureRequest) -> str:
    return f"FACTORY = {FACTORIES[request.param]}\n{_SCRIPT}"


@pytest.mark.parametrize("error", ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"])
def test_accepting_pauses_while_there_is_no_room(
    interpret_with_shim: Callable[..., Ended], script: str, error: str
) -> None:
    ended = interpret_with_shim(
        f"{script}\n"
        f"run(errno.{error}, 2)\n"
        "for context in reported:\n"
        "    print(sorted(context), context['message'], context['exception'].errno)\n"
        f"assert all(c['exception'].errno == errno.{error} for c in reported)\n"
        "print(len(reported))\n"
    )
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[-1] == "2"
    assert all(
        line.startswith("['exception', 'message', 'socket'] socket.accept() out of system resource")
        for line in lines[:-1]
    )


@pytest.mark.parametrize("error", ["ECONNABORTED", "EAGAIN", "EINTR"])
def test_connection_that_is_gone_before_it_was_accepted_is_not_reported(
    interpret_with_shim: Callable[..., Ended], script: str, error: str
) -> None:
    ended = interpret_with_shim(f"{script}\nrun(errno.{error}, 2)\nprint(reported)\n")
    assert (ended.status, ended.out) == (0, "[]\n"), ended.err


def test_any_other_failure_is_reported_and_accepting_goes_on(
    interpret_with_shim: Callable[..., Ended], script: str
) -> None:
    ended = interpret_with_shim(
        f"{script}\nrun(errno.EPERM, 2)\n"
        "print([context['exception'].errno == errno.EPERM for context in reported])\n"
    )
    assert (ended.status, ended.out) == (0, "[True, True]\n"), ended.err


def test_server_that_closes_while_accepting_pauses_stays_closed(
    interpret_with_shim: Callable[..., Ended], script: str
) -> None:
    ended = interpret_with_shim(
        f"""{script}
async def main():
    loop = asyncio.get_running_loop()
    told = loop.create_future()
    loop.set_exception_handler(lambda _, context: told.set_result(context))
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    number = server.sockets[0].fileno()
    with shim.failing("accept", error=errno.EMFILE, count=-1):
        client = socket.create_connection(server.sockets[0].getsockname())
        await told
    server.close()
    # Whatever has the number now is left alone.
    ours, theirs = socket.socketpair()
    assert number in (ours.fileno(), theirs.fileno())
    theirs.send(b"x")
    await asyncio.sleep(0.1)
    assert not loop.remove_reader(number)
    assert ours.recv(1) == b"x"
    for sock in (client, ours, theirs):
        sock.close()
loop = FACTORY()
loop.run_until_complete(main())
loop.close()
"""
    )
    assert ended.status == 0, ended.err


@pytest.mark.slow
def test_descriptors_that_run_out_are_waited_for(
    interpret_with_shim: Callable[..., Ended], script: str
) -> None:
    """With a real limit; the clients are a process of their own."""
    ended = interpret_with_shim(
        f"""{script}
import resource, subprocess
CLIENT = '''
import socket, sys
address = ("127.0.0.1", int(sys.argv[1]))
socks = [socket.create_connection(address) for _ in range(30)]
assert all(sock.recv(1) == b"x" for sock in socks)
'''
async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context["message"]))
    served = 0
    over = loop.create_future()

    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            loop.call_later(0.01, self.answer, transport)

        def answer(self, transport):
            nonlocal served
            transport.write(b"x")
            transport.close()
            served += 1
            if served == 30:
                over.set_result(None)

    server = await loop.create_server(Server, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    child = await asyncio.create_subprocess_exec(sys.executable, "-Ic", CLIENT, str(port))
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 4, 4096))
    await over
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))
    assert await child.wait() == 0
    server.close()
loop = FACTORY()
loop.run_until_complete(main())
loop.close()
assert set(reported) == {{"socket.accept() out of system resource"}}, reported
"""
    )
    assert ended.status == 0, ended.err
