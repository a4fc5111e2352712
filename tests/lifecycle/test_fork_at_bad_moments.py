"""fork() within callbacks, in other threads, with transports of every kind open: the parent goes
on as if nothing had happened, and nothing is sent twice."""

from __future__ import annotations

import pytest

from tests.lifecycle.interpreters import FACTORIES
from tests.lifecycle.test_fork import forking

_TRAFFIC = """
async def talk(loop, between):
    '''Bytes over a stream, a datagram socket and a pipe, with `between` in the middle of it.'''
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*address)
    got = []

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            got.append(data)

    datagrams, _ = await loop.create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    own = datagrams.get_extra_info("sockname")
    ours, theirs = os.pipe()
    pipe = asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(pipe), os.fdopen(ours, "rb", 0))
    child = await asyncio.create_subprocess_exec(
        "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    watched, other = socket.socketpair()
    readable = asyncio.Event()
    loop.add_reader(watched, readable.set)
    large = os.urandom(1 << 22)
    writer.write(large)
    datagrams.sendto(b"before", own)
    os.write(theirs, b"before")
    child.stdin.write(b"before")
    loop.call_later(0.001, got.append, b"timer")
    await between()
    writer.write(b"after")
    writer.write_eof()
    datagrams.sendto(b"after", own)
    os.write(theirs, b"after")
    os.close(theirs)
    other.send(b"x")
    assert await reader.read() == large + b"after"
    assert await pipe.read() == b"beforeafter"
    assert (await child.communicate(b"after"))[0] == b"beforeafter"
    assert child.returncode == 0
    await readable.wait()
    loop.remove_reader(watched)
    while sorted(got) != [b"after", b"before", b"timer"]:
        await asyncio.sleep(0.001)
    writer.close()
    datagrams.close()
    server.close()
    await asyncio.sleep(0)

def abandon():
    '''What a child may do with all that it inherits.'''
    warnings.simplefilter("ignore")
    asyncio._set_running_loop(None)
    gc.collect()
"""


@pytest.fixture(params=sorted(FACTORIES))
def factory(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["in a callback", "in another thread"])
def test_parent_with_transports_of_every_kind_goes_on(factory: str, where: str) -> None:
    fork = "pid = fork(child)"
    if where == "in another thread":
        fork = "pid = await asyncio.to_thread(fork, child)"
    ended = forking(
        factory,
        _TRAFFIC
        + f"""
def child():
    abandon()
    own_loop()

async def between():
    {fork}
    await asyncio.to_thread(reap, pid)

loop = Loop()
loop.run_until_complete(asyncio.wait_for(talk(loop, between), 15))
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
print("done")
""",
    )
    assert ended == (0, "done\n", "")


@pytest.mark.slow
def test_child_that_leaves_the_loop_and_closes_it_disturbs_nobody() -> None:
    """It unwinds from the callback that has forked, through run_forever(). With asyncio it takes
    what the parent watches out of the set that both share."""
    ended = forking(
        "cxxloop",
        _TRAFFIC
        + """
class InChild(SystemExit):
    pass

async def between():
    forked = loop.create_future()

    def fork_here():  # From 3.14 on no exit leaves a task of the child.
        pid = os.fork()
        if not pid:
            raise InChild
        forked.set_result(pid)

    loop.call_soon(fork_here)
    await asyncio.to_thread(reap, await forked)

loop = Loop()
try:
    loop.run_until_complete(asyncio.wait_for(talk(loop, between), 15))
except InChild:
    warnings.simplefilter("ignore")
    loop.set_exception_handler(lambda loop, context: None)
    loop.close()
    own_loop()
    sys.stdout.flush()
    os._exit(0)
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
print("done")
""",
    )
    assert ended == (0, "done\n", "")


@pytest.mark.parametrize("callbacks", [1, 4])
@pytest.mark.parametrize("ending", ["leaves", "closes the transport", "execs"])
def test_nothing_is_sent_twice(factory: str, callbacks: int, ending: str) -> None:
    """Neither is it lost: what was written before the fork is the parent's to send."""
    ended = forking(
        factory,
        f"""
ours, theirs = socket.socketpair()
loop = Loop()
ending = {ending!r}

class InChild(SystemExit):
    pass

def act(transport):
    transport.write(b"one ")
    transport.write(b"two ")
    transport.write(b"three ")
    pid = os.fork()
    if not pid:
        if ending == "execs":
            os.execv("/bin/true", ["true"])
        if ending == "closes the transport":
            transport.close()
        raise InChild
    reap(pid)
    transport.write(b"four")
    transport.close()

async def main():
    transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=ours)
    transport.write(b"zero ")
    for _ in range(2):
        loop.call_soon(transport.write, b"")
        await asyncio.sleep(0)
    loop.call_soon(act, transport)
    for _ in range({callbacks}):
        loop.call_soon(int)
    await asyncio.sleep(0.01)

try:
    loop.run_until_complete(main())
except InChild:
    os._exit(0)
loop.close()
print(theirs.recv(1000))
""",
    )
    assert ended == (0, "b'zero one two three four'\n", "")


@pytest.mark.parametrize("callbacks", [1, 4])
def test_datagram_is_not_sent_twice(factory: str, callbacks: int) -> None:
    """Replies to a batch are held back, too."""
    ended = forking(
        factory,
        f"""
loop = Loop()
peer = socket.socket(type=socket.SOCK_DGRAM)
peer.bind(("127.0.0.1", 0))

def received(peer):
    peer.setblocking(False)
    got = []
    try:
        while True:
            got.append(peer.recv(100).decode()[-1])
    except BlockingIOError:
        return got

class InChild(SystemExit):
    pass

class Replying(asyncio.DatagramProtocol):
    forked = False

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(b"reply to " + data, addr)
        if data == b"2" and not self.forked:
            self.forked = True
            pid = os.fork()
            if not pid:
                raise InChild
            reap(pid)

async def main():
    transport, _ = await loop.create_datagram_endpoint(Replying, local_addr=("127.0.0.1", 0))
    for _ in range(5):  # From the second burst on they are received together.
        for number in [5, 6, 7] * 3:
            peer.sendto(b"%d" % number, transport.get_extra_info("sockname"))
        await asyncio.sleep(0.01)
    while received(peer):
        pass
    for number in range(4):
        peer.sendto(b"%d" % number, transport.get_extra_info("sockname"))
    for _ in range({callbacks}):
        loop.call_soon(int)
    await asyncio.sleep(0.05)
    transport.close()
    await asyncio.sleep(0)

try:
    loop.run_until_complete(main())
except InChild:
    os._exit(0)
loop.close()
print(received(peer))
""",
    )
    assert ended == (0, "['0', '1', '2', '3']\n", "")
