"""Python's allocator that fails at the n-th allocation, for each n: no crash, and no hang."""

from __future__ import annotations

import pytest

from tests.lifecycle.interpreters import interpret_script

pytest.importorskip("_testcapi")

_SCRIPT = """\
import faulthandler, logging
import _testcapi
faulthandler.enable()
logging.disable()
loop = cxxloop.Loop()
loop.set_exception_handler(lambda *_: None)
sys.unraisablehook = lambda *_: None
warnings.simplefilter("ignore")

class Protocol(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

def callback(*_):
    pass

def pair():
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    ours.setblocking(False)
    return ours, theirs

async def connected():
    ours, theirs = pair()
    transport, _ = await loop.create_unix_connection(Protocol, sock=ours)
    return transport, theirs

def turn():
    # asyncio's own function, called at the end of a run, may have had no memory for it.
    asyncio._set_running_loop(None)
    loop.call_soon(loop.stop)
    loop.run_forever()

def call_soon():
    loop.call_soon(callback, 1, 2, 3, 4).cancel()
    loop.call_soon(callback, context=context)

def call_later():
    loop.call_later(0, callback)
    loop.call_later(100.5, callback, 1).cancel()
    loop.call_at(loop.time(), callback)

def threadsafe():
    loop.call_soon_threadsafe(callback)

def watch():
    loop.add_reader(theirs, callback, 1)
    loop.add_writer(theirs, callback)
    loop.remove_reader(theirs)
    loop.remove_writer(theirs)

def write():
    transport.write(b"x" * 10)
    transport.write(bytearray(b"y" * 100_000))
    transport.writelines([b"z", bytearray(10), memoryview(b"u")])
    transport.get_write_buffer_size(), repr(transport), transport.get_extra_info("peername")

def receive():
    theirs.send(b"x" * 1000)
    turn()

def make():
    ours, others = pair()
    try:
        loop._make_socket_transport(ours, Protocol()).abort()
    finally:
        ours.close()
        others.close()

def future():
    loop.create_future().cancel()

def task():
    coroutine = asyncio.sleep(0)
    try:
        loop.create_task(coroutine).cancel()
    finally:
        coroutine.close()

# CPython itself loses the KeyError of a variable that is not set.
os.environ["PYTHONASYNCIODEBUG"] = ""

def make_loop():
    cxxloop.Loop().close()

import contextvars
context = contextvars.copy_context()
transport, theirs = loop.run_until_complete(connected())
operations = [{operations}]
for operation in operations:
    operation()
    turn()
    hits = 0
    for start in range({most}):
        done = False
        _testcapi.set_nomemory(start, {stop})
        try:
            operation()
            done = True
        except MemoryError:
            hits += 1
        except (SystemError, OSError, TypeError, RuntimeError) as exc:
            if not isinstance(exc, OSError):
                _testcapi.remove_mem_hooks()
                raise
        finally:
            _testcapi.remove_mem_hooks()
        try:
            turn()
        except MemoryError:
            pass
        if transport.is_closing():
            theirs.close()
            transport, theirs = loop.run_until_complete(connected())
        try:
            while theirs.recv(1 << 20):
                pass
        except BlockingIOError:
            pass
        if done and start > 60:
            break
    print(operation.__name__, hits)
theirs.close()
transport.abort()
turn()
turn()

async def works():
    async with asyncio.timeout(5):
        await asyncio.sleep(0.001)
        await loop.run_in_executor(None, callback)

loop.run_until_complete(works())
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
print("over")
"""
OPERATIONS = [
    *("call_soon", "call_later", "threadsafe", "watch", "write", "receive", "make", "future"),
    *("task", "make_loop"),
]


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("only_one", [False, True], ids=["from_then_on", "once"])
def test_allocation_that_fails_is_a_memory_error(operation: str, only_one: bool) -> None:
    ended = interpret_script(
        _SCRIPT.format(operations=operation, most=200, stop="start + 1" if only_one else 0),
        seconds=60,
    )
    assert ended.status == 0, ended.err + ended.out
    assert ended.out.endswith("over\n")
