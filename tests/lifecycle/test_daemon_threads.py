"""Daemon threads that run a loop while the interpreter ends."""

from __future__ import annotations

import pytest

from tests.lifecycle.interpreters import FACTORIES, interpret_script

_WAITING_PROTOCOLS = """
ready = threading.Event()

def work(*args):
    ready.set()
    time.sleep(0.001)

class Stream(asyncio.Protocol):
    data_received = work
    def connection_made(self, transport):
        self.transport = transport

class Datagrams(asyncio.DatagramProtocol):
    datagram_received = work

async def send_for_ever(send):
    while True:
        send(b"x" * 100)
        await asyncio.sleep(0)

async def stream():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Stream, "127.0.0.1", 0)
    transport, _ = await loop.create_connection(Stream, *server.sockets[0].getsockname())
    await send_for_ever(transport.write)

async def datagrams():
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", 0))
    address = transport.get_extra_info("sockname")
    await send_for_ever(lambda data: transport.sendto(data, address))

async def pipe():
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    await loop.connect_read_pipe(Stream, os.fdopen(reading, "rb", 0))
    await send_for_ever(lambda data: os.write(writing, data))

async def receiving():
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    loop.add_reader(ours, work)
    while True:
        theirs.send(b"x")
        work(await loop.sock_recv(ours, 100))

async def timers():
    loop = asyncio.get_running_loop()
    while True:
        loop.call_later(0, work, object())
        await asyncio.sleep(0)
"""


@pytest.mark.parametrize("kind", ["stream", "datagrams", "pipe", "receiving", "timers"])
@pytest.mark.parametrize("factory", sorted(FACTORIES))
def test_thread_may_be_in_a_callback(factory: str, kind: str) -> None:
    """It wants the GIL back from an interpreter that is going away, in the middle of our frames."""
    ended = interpret_script(
        _WAITING_PROTOCOLS
        + f"""
loop = {FACTORIES[factory]}()
threading.Thread(target=loop.run_until_complete, args=({kind}(),), daemon=True).start()
ready.wait()
print("end")
"""
    )
    assert ended == (0, "end\n", "")
