"""Interpreters that end with loops in every state: no crash, no hang, no odd output."""

from __future__ import annotations

import re

import pytest

from tests.lifecycle.interpreters import FACTORIES, Ended, interpret_script


@pytest.fixture(params=sorted(FACTORIES))
def factory(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ending(factory: str, script: str, *options: str, **environment: str) -> Ended:
    preamble = f"Loop = {FACTORIES[factory]}\n"
    return interpret_script(preamble + script, *options, environment=environment)


def warnings_of(ended: Ended) -> list[str]:
    """The warnings in an interpreter's output, without what names a place or a class."""
    lines = [line for line in ended.err.splitlines() if "Warning: " in line]
    return sorted(re.sub(r"0x[0-9a-f]+|\w*Loop\b|:\d+:|fd=\d+", "…", line) for line in lines)


def test_loop_running_in_a_daemon_thread(factory: str) -> None:
    ended = ending(
        factory,
        """
loop = Loop()
started = threading.Event()
loop.call_soon(started.set)
threading.Thread(target=loop.run_forever, daemon=True).start()
started.wait()
print("end")
""",
    )
    assert ended == (0, "end\n", "")


def test_busy_loop_in_a_daemon_thread(factory: str) -> None:
    ended = ending(
        factory,
        """
loop = Loop()
started = threading.Event()
def spin():
    started.set()
    loop.call_soon(spin)
    loop.call_later(0, int)
loop.call_soon(spin)
threading.Thread(target=loop.run_forever, daemon=True).start()
started.wait()
time.sleep(0.01)
print("end")
""",
    )
    assert ended == (0, "end\n", "")


def test_daemon_thread_with_traffic(factory: str) -> None:
    ended = ending(
        factory,
        """
ready = threading.Event()

class PingPong(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"x")
    def data_received(self, data):
        ready.set()
        self.transport.write(data)

async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(PingPong, "127.0.0.1", 0)
    await loop.create_connection(PingPong, *server.sockets[0].getsockname())
    await loop.create_future()

loop = Loop()
threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True).start()
ready.wait()
print("end")
""",
    )
    assert ended == (0, "end\n", "")


_UNCLOSED = """
loop = Loop()
async def main():
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    transport, _ = await loop.create_connection(
        asyncio.Protocol, *server.sockets[0].getsockname())
    transport.write(b"x" * 10_000_000)
    return server, transport
kept = loop.run_until_complete(main())
ours, theirs = socket.socketpair()
loop.add_reader(ours, loop.stop)
loop.add_writer(theirs, loop.stop)
loop.call_later(3600, loop.stop)
loop.call_soon(loop.stop)
print("end")
"""


def test_unclosed_loop_with_everything_in_it(factory: str) -> None:
    assert ending(factory, _UNCLOSED) == (0, "end\n", "")


def test_unclosed_loop_in_development_mode_warns_of_what_was_left() -> None:
    """asyncio's loop also warns of the sockets of its self-pipe and its selector's."""
    ended = ending("cxxloop", _UNCLOSED, "-Xdev")
    assert (ended.status, ended.out) == (0, "end\n")
    warned = warnings_of(ended)
    assert any("unclosed event loop <… running=False closed=False" in line for line in warned)
    assert all("ResourceWarning: unclosed" in line for line in warned)
    assert "Traceback" not in ended.err and "Exception ignored" not in ended.err


def test_unclosed_idle_loop_in_development_mode_gives_asyncios_warnings() -> None:
    outcomes = {
        factory: ending(factory, "loop = Loop()\nloop.call_soon(print)\n", "-Xdev")
        for factory in FACTORIES
    }
    assert {ended.status for ended in outcomes.values()} == {0}
    stock, ours = (
        [line for line in warnings_of(outcomes[factory]) if "unclosed event loop" in line]
        for factory in ("asyncio", "cxxloop")
    )
    assert len(ours) == len(stock) == 1
    assert ours[0].partition("ResourceWarning")[2] == stock[0].partition("ResourceWarning")[2]


def test_closed_loop_in_development_mode_is_silent(factory: str) -> None:
    ended = ending(
        factory,
        """
loop = Loop()
loop.run_until_complete(asyncio.sleep(0))
loop.run_until_complete(loop.run_in_executor(None, int))
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
""",
        "-Xdev",
        "-Werror",
    )
    assert ended == (0, "", "")


@pytest.mark.parametrize(
    ("leave", "status"),
    [("sys.exit(0)", 0), ("sys.exit(3)", 3), ("raise SystemExit(4)", 4), ("os._exit(5)", 5)],
)
def test_exit_within_a_callback_gives_its_status(factory: str, leave: str, status: int) -> None:
    ended = ending(
        factory,
        f"""
loop = Loop()
def callback():
    {leave}
loop.call_soon(callback)
loop.run_forever()
""",
    )
    assert ended == (status, "", "")


def test_exit_within_a_task_of_run_gives_its_status() -> None:
    for run in ("asyncio.run", "cxxloop.run"):
        ended = interpret_script(f"""
            async def main():
                await asyncio.sleep(0)
                sys.exit("goodbye")
            {run}(main())
            """)
        assert ended == (1, "", "goodbye\n")


def test_interrupt_of_run_gives_its_traceback_and_dies_of_the_signal() -> None:
    for run in ("asyncio.run", "cxxloop.run"):
        ended = interpret_script(f"""
            async def main():
                asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
                await asyncio.sleep(15)
            {run}(main())
            """)
        assert ended.status == -2
        assert ended.out == ""
        assert ended.err.endswith("\nKeyboardInterrupt\n")


def test_exit_function_may_run_the_loop(factory: str) -> None:
    ended = ending(
        factory,
        """
loop = Loop()
def at_exit():
    print(loop.run_until_complete(asyncio.sleep(0.001, "at exit")))
    loop.close()
atexit.register(at_exit)
loop.run_until_complete(asyncio.sleep(0))
""",
    )
    assert ended == (0, "at exit\n", "")


def test_exit_function_may_make_a_loop(factory: str) -> None:
    ended = ending(
        factory,
        """
def at_exit():
    with asyncio.Runner(loop_factory=Loop) as runner:
        print(runner.run(asyncio.sleep(0.001, "at exit")))
atexit.register(at_exit)
""",
    )
    assert ended == (0, "at exit\n", "")


def test_finaliser_at_the_very_end_may_use_the_loop(factory: str) -> None:
    ended = ending(
        factory,
        """
loop = Loop()
class Finalised:
    def __init__(self):
        self.cycle = self
        self.loop = loop
    def __del__(self):
        self.loop.call_soon(int)
        self.loop.call_later(1, int).cancel()
        self.loop.create_future()
        self.loop.close()
kept = Finalised()
sys.kept = Finalised()
""",
    )
    assert ended == (0, "", "")


@pytest.mark.parametrize("debug", ["", "1"])
def test_async_generator_dropped_at_the_end(factory: str, debug: str) -> None:
    """uvloop#730"""
    ended = ending(
        factory,
        """
async def numbers():
    try:
        while True:
            yield 1
    finally:
        print("finalised")

async def main():
    global kept
    kept = numbers()
    await anext(kept)
    dropped = numbers()
    await anext(dropped)
    del dropped
    await asyncio.sleep(0)

with asyncio.Runner(loop_factory=Loop) as runner:
    runner.run(main())
""",
        PYTHONASYNCIODEBUG=debug,
    )
    assert ended == (0, "finalised\nfinalised\n", "")


def test_async_generator_that_outlives_its_closed_loop(factory: str) -> None:
    ended = ending(
        factory,
        """
async def numbers():
    yield 1

async def main():
    global kept
    kept = numbers()
    await anext(kept)

loop = Loop()
loop.run_until_complete(main())
loop.close()
""",
        PYTHONASYNCIODEBUG="1",
    )
    assert ended.status == 0
    assert ended.err.count("Traceback") == 0


def test_module_globals_that_hold_futures_handles_and_tasks(factory: str) -> None:
    ended = ending(
        factory,
        """
loop = Loop()
future = loop.create_future()
handle = loop.call_soon(loop.stop)
timer = loop.call_later(3600, future.cancel)
future.add_done_callback(handle)
sys.loop, sys.timer = loop, timer
loop.run_forever()
""",
    )
    assert ended == (0, "", "")


def test_executor_work_of_an_unclosed_loop_is_waited_for(factory: str) -> None:
    """The threads of concurrent.futures are joined at the end, whatever the loop."""
    ended = ending(
        factory,
        """
loop = Loop()
def work():
    time.sleep(0.05)
    print("worked")
loop.run_in_executor(None, work)
""",
    )
    assert ended == (0, "worked\n", "")


def test_import_alone_ends_cleanly() -> None:
    ended = interpret_script("print(len(threading.enumerate()))", "-Xdev", "-Werror")
    assert ended == (0, "1\n", "")
