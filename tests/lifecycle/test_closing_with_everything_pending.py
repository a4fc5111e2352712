"""close() while everything that a loop can have under way is under way, in fresh interpreters."""

from __future__ import annotations

import re

import pytest

from tests.lifecycle.interpreters import Ended, interpret_script
from tests.support.certificates import Certificates

_PENDING = """
import ssl, subprocess

def context_of(purpose, authority, chain=None):
    context = ssl.create_default_context(purpose, cafile=authority)
    if chain:
        context.load_cert_chain(chain)
    return context

SERVER = context_of(ssl.Purpose.CLIENT_AUTH, "{authority}", "{server}")
CLIENT = context_of(ssl.Purpose.SERVER_AUTH, "{authority}")
kept = []
released = threading.Event()
silent = socket.create_server(("127.0.0.1", 0))

async def timers_and_watchers(loop):
    kept.extend(socket.socketpair() + os.pipe())
    for sock in kept[:2]:
        sock.setblocking(False)
    loop.call_later(3600, print)
    loop.add_reader(kept[0], print)
    loop.add_reader(kept[2], print)
    loop.add_writer(kept[1], int)
    loop.add_signal_handler(signal.SIGUSR1, print)

async def sockets(loop):
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    kept.extend([ours, theirs])
    for work in (loop.sock_recv(ours, 1), loop.sock_sendall(ours, bytes(1 << 24))):
        kept.append(loop.create_task(work))
    silent.setblocking(False)
    kept.append(loop.create_task(loop.sock_accept(silent)))

async def streams(loop):
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    transport, _ = await loop.create_connection(asyncio.Protocol, *address)
    transport.write(bytes(1 << 24))
    closing, _ = await loop.create_connection(asyncio.Protocol, *address)
    closing.write(bytes(1 << 24))
    closing.close()
    aborted, _ = await loop.create_connection(asyncio.Protocol, *address)
    aborted.abort()
    kept.extend([server, transport, closing, aborted])
    kept.append(loop.create_task(server.serve_forever()))
    kept.append(loop.create_task(server.wait_closed()))

async def tls(loop):
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=SERVER)
    address = server.sockets[0].getsockname()
    options = dict(ssl=CLIENT, server_hostname="localhost")
    done, _ = await loop.create_connection(asyncio.Protocol, *address, **options)
    done.write(bytes(1 << 24))
    closing, _ = await loop.create_connection(asyncio.Protocol, *address, **options)
    closing.close()
    kept.extend([server, done, closing])
    for target in (address, silent.getsockname()):
        made = loop.create_connection(asyncio.Protocol, *target, **options)
        kept.append(loop.create_task(made))
    kept.append(socket.create_connection(address))  # never says hello

async def datagrams(loop):
    one, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    one.sendto(bytes(100), one.get_extra_info("sockname"))
    kept.append(one)

async def pipes(loop):
    reading, writing = os.pipe()
    kept.append(await loop.connect_read_pipe(asyncio.Protocol, os.fdopen(reading, "rb", 0)))
    writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(writing, "wb", 0))
    writer.write(bytes(1 << 20))
    kept.append(writer)

async def children(loop):
    child = await asyncio.create_subprocess_exec(
        "sleep", "1", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    kept.append(child)
    kept.append(loop.create_task(child.wait()))
    kept.append(loop.create_task(asyncio.create_subprocess_exec("sleep", "1")))

async def threads(loop):
    kept.append(loop.run_in_executor(None, released.wait, 10))
    kept.append(loop.create_task(loop.getaddrinfo("localhost", 80)))

async def generators(loop):
    async def endless():
        while True:
            yield
            await asyncio.sleep(3600)
    generator = endless()
    await anext(generator)
    kept.append(generator)

WORK = [timers_and_watchers, sockets, streams, tls, datagrams, pipes, children, threads, generators]

async def start(turns, names):
    loop = asyncio.get_running_loop()
    for work in WORK:
        if not names or work.__name__ in names:
            await work(loop)
    for _ in range(turns):
        await asyncio.sleep(0)
    for schedule in (loop.call_soon, loop.call_soon_threadsafe):
        schedule(lambda: schedule(print, "never printed"))

def close_in_time(loop):
    started = time.monotonic()
    loop.close()
    took = time.monotonic() - started
    print("closed" if took < 1 else f"took {{took}} seconds")

warnings.simplefilter("ignore")
loop = cxxloop.Loop()
loop.set_exception_handler(lambda loop, context: None)
"""

_END = """
released.set()
silent.close()
kept.clear()
gc.collect()
del loop
gc.collect()
print("done")
"""


@pytest.fixture(params=[0, 1, 2, 5])
def turns(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def closing(certificates: Certificates, script: str, *, debug: bool = False) -> Ended:
    preamble = _PENDING.format(authority=certificates.authority, server=certificates.server)
    return interpret_script(preamble + script + _END, *(["-X", "dev"] if debug else []))


def assert_quiet(ended: Ended) -> None:
    """Tasks and generators may be reported as destroyed; nothing else may."""
    assert ended.status == 0, ended
    assert ended.out == "closed\ndone\n", ended
    unraisable = re.findall(r"Exception ignored.*", ended.err)
    # A child's transport that nobody closed says so when it is collected, as with asyncio.
    assert all("BaseSubprocessTransport.__del__" in line for line in unraisable), ended.err


@pytest.mark.slow
def test_everything_at_once(certificates: Certificates, turns: int) -> None:
    """kython28/leviathan#5"""
    ended = closing(
        certificates,
        f"loop.run_until_complete(start({turns}, ()))\nclose_in_time(loop)\n",
    )
    assert_quiet(ended)


@pytest.mark.slow
def test_everything_when_an_exit_left_the_loop(certificates: Certificates) -> None:
    ended = closing(
        certificates,
        """
def leave():
    raise SystemExit
async def started():
    await start(1, ())
    loop.call_soon(leave)
    await asyncio.sleep(3600)
task = loop.create_task(started())
try:
    loop.run_until_complete(task)
except SystemExit:
    pass
close_in_time(loop)
del task
""",
    )
    assert_quiet(ended)


@pytest.mark.slow
def test_what_is_left_can_still_be_used_and_collected(certificates: Certificates) -> None:
    """Transports, servers and tasks of a closed loop: methods end or raise, nothing crashes."""
    ended = closing(
        certificates,
        """
loop.run_until_complete(start(2, ()))
close_in_time(loop)
for thing in list(kept):
    if isinstance(thing, (asyncio.Task, asyncio.Future, socket.socket, int)):
        continue
    for name in ("close", "abort", "write_eof", "pause_reading", "resume_reading", "is_closing",
                 "get_write_buffer_size", "close_clients", "abort_clients", "is_serving",
                 "get_protocol", "get_extra_info", "kill", "_transport", "__repr__", "__del__"):
        method = getattr(thing, name, None)
        if callable(method):
            try:
                method(*(["socket"] if name == "get_extra_info" else []))
            except Exception:
                pass
    for name in ("write", "sendto", "set_protocol", "writelines"):
        method = getattr(thing, name, None)
        if callable(method):
            try:
                method(b"data")
            except Exception:
                pass
""",
    )
    assert_quiet(ended)


def test_descriptors_are_closed_with_the_transports(certificates: Certificates) -> None:
    ended = closing(
        certificates,
        """
names = ("timers_and_watchers", "streams", "tls", "datagrams", "pipes")
def descriptors():
    return {fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")}

loop.run_until_complete(asyncio.sleep(0))
before = descriptors()
loop.run_until_complete(start(2, names))
close_in_time(loop)
for thing in kept:
    if isinstance(thing, socket.socket):
        thing.close()
    elif isinstance(thing, int):
        os.close(thing)
del thing
kept.clear()
gc.collect()
left = [os.readlink(f"/proc/self/fd/{fd}") for fd in descriptors() - before]
assert left == [], left
""",
    )
    assert_quiet(ended)
