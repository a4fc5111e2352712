"""fork(): the child's own loop works, and the parent's is left alone.

Each case is a fresh interpreter: a fork of the test runner would inherit its threads' locks.
"""

from __future__ import annotations

import pytest

from tests.lifecycle.interpreters import FACTORIES, Ended, interpret_script

# From 3.12 on fork() warns where the process has threads, as these have on purpose.
_HELPERS = """
import multiprocessing, socket, subprocess, traceback
warnings.simplefilter("ignore", DeprecationWarning)
Loop = {factory}

def fork(work):
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)

def reap(pid):
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

async def echo_of(address, data):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(data)
    writer.write_eof()
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received

async def echo(reader, writer):
    writer.write(await reader.read())
    writer.close()
    await writer.wait_closed()

def use(loop):
    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        assert await echo_of(server.sockets[0].getsockname(), b"data") == b"data"
        await asyncio.sleep(0.001)
        assert await asyncio.to_thread(lambda: 7) == 7
        server.close()
    loop.run_until_complete(asyncio.wait_for(main(), 15))

def own_loop():
    loop = Loop()
    use(loop)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
"""


def forking(factory: str, script: str) -> Ended:
    return interpret_script(_HELPERS.format(factory=FACTORIES[factory]) + script)


@pytest.fixture(params=sorted(FACTORIES))
def factory(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_child_runs_a_loop_of_its_own(factory: str) -> None:
    ended = forking(
        factory,
        """
loop = Loop()
use(loop)
reap(fork(own_loop))
use(loop)
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
print("done")
""",
    )
    assert ended == (0, "done\n", "")


def test_child_that_closes_the_inherited_loop_leaves_the_parents_alone(factory: str) -> None:
    """The epoll instance is shared: what the child takes out of it is out for both."""
    ended = forking(
        factory,
        """
ours, theirs = socket.socketpair()
got = []
loop = Loop()
loop.add_reader(ours, lambda: (got.append(ours.recv(100)), loop.stop()))
loop.call_soon(loop.stop)
loop.run_forever()
reap(fork(loop.close))
for _ in range(3):
    theirs.send(b"x")
    guard = loop.call_later(3, loop.stop)
    loop.run_forever()
    guard.cancel()
print(got)
loop.remove_reader(ours)
loop.close()
""",
    )
    assert ended == (0, "[b'x', b'x', b'x']\n", "")


def test_child_that_ends_normally_leaves_the_parents_loop_alone() -> None:
    ended = forking(
        "cxxloop",
        """
loop = Loop()
ours, theirs = socket.socketpair()
loop.add_reader(ours, loop.stop)
loop.call_soon(loop.stop)
loop.run_forever()
pid = os.fork()
if not pid:
    warnings.simplefilter("ignore", ResourceWarning)
    sys.exit(0)  # Finalises the interpreter and, in it, the inherited loop.
reap(pid)
theirs.send(b"x")
guard = loop.call_later(3, lambda: (print("descriptor forgotten"), loop.stop()))
loop.run_forever()
guard.cancel()
loop.call_soon_threadsafe(loop.stop)
loop.run_forever()
loop.close()
print("done")
""",
    )
    assert ended == (0, "done\n", "")


def test_child_that_collects_the_inherited_loop_leaves_the_parents_transports_alone() -> None:
    ended = forking(
        "cxxloop",
        """
async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*address)
    await asyncio.sleep(0.01)

    def child():
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio._set_running_loop(None)
        gc.collect()
        own_loop()

    reap(fork(child))
    writer.write(b"data")
    writer.write_eof()
    assert await reader.read() == b"data"
    assert await echo_of(address, b"more") == b"more"
    writer.close()
    server.close()
    print("done")

loop = Loop()
loop.run_until_complete(asyncio.wait_for(main(), 15))
loop.close()
""",
    )
    assert ended == (0, "done\n", "")


def test_child_forked_within_a_callback_runs_a_loop_of_its_own(factory: str) -> None:
    """asyncio forgets the running loop in a child; get_running_loop() looks at the pid."""
    ended = forking(
        factory,
        """
async def main():
    def child():
        try:
            asyncio.get_running_loop()
        except RuntimeError as exc:
            print(exc)
        own_loop()
    reap(fork(child))
    await asyncio.sleep(0.01)
    print("parent goes on")

loop = Loop()
loop.run_until_complete(main())
loop.close()
""",
    )
    assert ended == (0, "no running event loop\nparent goes on\n", "")


def test_fork_from_another_thread_while_the_loop_runs(factory: str) -> None:
    ended = forking(
        factory,
        """
async def main():
    pids = await asyncio.gather(*[asyncio.to_thread(fork, own_loop) for _ in range(3)])
    for pid in pids:
        await asyncio.to_thread(reap, pid)
    assert await asyncio.to_thread(lambda: "still") == "still"

loop = Loop()
loop.run_until_complete(main())
use(loop)
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
print("done")
""",
    )
    assert ended == (0, "done\n", "")


def test_child_can_call_soon_on_the_inherited_loop_without_waking_the_parent() -> None:
    ended = forking(
        "cxxloop",
        """
loop = Loop()
loop.call_soon(loop.stop)
loop.run_forever()
ran = []

def child():
    loop.call_soon_threadsafe(ran.append, "child")
    loop.call_soon(ran.append, "child")

reap(fork(child))
loop.call_soon(loop.stop)
loop.run_forever()
print(ran)
loop.close()
""",
    )
    assert ended == (0, "[]\n", "")


def test_workers_serve_a_socket_of_their_master(factory: str) -> None:
    ended = forking(
        factory,
        """
listener = socket.create_server(("127.0.0.1", 0))
address = listener.getsockname()
stop_reading, stop_writing = os.pipe()

def worker():
    os.close(stop_writing)

    async def main():
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        server = await asyncio.start_server(echo, sock=listener)
        loop.add_reader(stop_reading, ended.set)
        await ended.wait()
        loop.remove_reader(stop_reading)
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            await task
    loop = Loop()
    loop.run_until_complete(main())
    loop.close()

async def clients():
    for _ in range(5):
        requests = [bytes([65 + number]) * 1000 for number in range(10)]
        assert await asyncio.gather(*[echo_of(address, r) for r in requests]) == requests

unused = Loop()  # The master has one as well.
pids = [fork(worker), fork(worker)]
loop = Loop()
loop.run_until_complete(asyncio.wait_for(clients(), 15))
loop.close()
unused.close()
os.close(stop_writing)
for pid in pids:
    reap(pid)
print("done")
""",
    )
    assert ended == (0, "done\n", "")


def test_plain_subprocesses_run_beside_a_loop_in_a_thread(factory: str) -> None:
    ended = forking(
        factory,
        """
loop = Loop()
thread = threading.Thread(target=loop.run_forever)
thread.start()
for number in range(10):
    done = subprocess.run(["/bin/sh", "-c", f"exit {number}"])
    assert done.returncode == number
    piped = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert piped.communicate(b"data")[0] == b"data"
    assert asyncio.run_coroutine_threadsafe(asyncio.sleep(0, number), loop).result(10) == number
assert os.popen("echo popen").read() == "popen\\n"
assert os.system("exit 3") == 3 << 8
loop.call_soon_threadsafe(loop.stop)
thread.join()
loop.close()
print("done")
""",
    )
    assert ended == (0, "done\n", "")


def test_descriptors_of_a_loop_are_not_inherited_by_programs(factory: str) -> None:
    ended = forking(
        factory,
        """
loop = Loop()
async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    out = subprocess.check_output(["/bin/ls", "/proc/self/fd"], close_fds=False, text=True)
    print(*[fd for fd in out.split() if int(fd) > 3])
    writer.close()
    server.close()
    await asyncio.sleep(0.01)
loop.run_until_complete(main())
loop.close()
""",
    )
    assert ended == (0, "\n", "")


def test_processes_of_multiprocessing_fork_their_own_loops(factory: str) -> None:
    ended = forking(
        factory,
        """
from concurrent.futures import ProcessPoolExecutor

def work(number):
    own_loop()
    return number

async def main():
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        jobs = [loop.run_in_executor(pool, work, number) for number in range(4)]
        print(await asyncio.gather(*jobs))
    process = context.Process(target=own_loop)
    process.start()
    await asyncio.to_thread(process.join)
    print(process.exitcode)

loop = Loop()
loop.run_until_complete(main())
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
""",
    )
    assert ended == (0, "[0, 1, 2, 3]\n0\n", "")
