"""Ctrl-C: SIGINT ends a run with KeyboardInterrupt, and the loop can run again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.loops import LOOP_FACTORIES

PREFIX = '''
import asyncio, os, signal, sys, threading, time
import cxxloop
kind = sys.argv[1]
factory = {"asyncio": asyncio.SelectorEventLoop, "cxxloop": cxxloop.Loop}[kind]

def interrupt_soon(loop, delay=0.002):
    """From another thread, when the loop runs."""
    def work():
        runs.wait(10)
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGINT)
    runs = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    loop.call_soon(runs.set)
    return thread

'''


def script(kind: str, text: str) -> str:
    """What the text, which runs in a fresh interpreter, prints; nothing may go wrong in it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PREFIX + text, kind],
        capture_output=True,
        text=True,
        timeout=15,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


kinds = pytest.mark.parametrize("kind", sorted(LOOP_FACTORIES))


@kinds
@pytest.mark.parametrize("handlers", ["none", "other", "plain"])
def test_idle_loop_is_left_and_runs_again(kind: str, handlers: str) -> None:
    """uvloop#335: twenty times, since the moment of the signal differs each time."""
    out = script(
        kind,
        f"handlers = {handlers!r}"
        """
loop = factory()
if handlers == "other":
    loop.add_signal_handler(signal.SIGUSR1, print)
elif handlers == "plain":
    signal.signal(signal.SIGUSR1, print)
loop.call_later(60, print)
for number in range(20):
    thread = interrupt_soon(loop, 0.001 * (number % 5))
    try:
        loop.run_forever()
    except KeyboardInterrupt:
        assert not loop.is_running()
    else:
        print("not interrupted")
    thread.join()
    assert loop.run_until_complete(asyncio.sleep(0, number)) == number
loop.close()
print("done")
""",
    )
    assert out == "done\n"


@kinds
def test_waiting_coroutine_is_left_and_goes_on_in_the_next_run(kind: str) -> None:
    """uvloop#335"""
    out = script(
        kind,
        """
loop = factory()
async def main():
    await event.wait()
    return "went on"
event = asyncio.Event()
task = loop.create_task(main())
for number in range(20):
    thread = interrupt_soon(loop)
    try:
        loop.run_until_complete(task)
    except KeyboardInterrupt:
        pass
    else:
        print("not interrupted")
    thread.join()
event.set()
print(loop.run_until_complete(task))
loop.close()
""",
    )
    assert out == "went on\n"


@kinds
def test_busy_loop_is_left(kind: str) -> None:
    out = script(
        kind,
        """
loop = factory()
def again():
    loop.call_soon(again)
again()
for number in range(20):
    thread = interrupt_soon(loop)
    try:
        loop.run_forever()
    except KeyboardInterrupt:
        loop.call_soon(again)
    else:
        print("not interrupted")
    thread.join()
loop.close()
print("done")
""",
    )
    assert out == "done\n"


@kinds
@pytest.mark.parametrize("watch", ["loop.add_reader(r, print)", "pass"])
def test_loop_that_watches_descriptors_is_left(kind: str, watch: str) -> None:
    out = script(
        kind,
        f"""
r, w = os.pipe()
loop = factory()
{watch}
thread = interrupt_soon(loop, 0.03)
try:
    loop.run_forever()
except KeyboardInterrupt:
    print("interrupted")
thread.join()
loop.remove_reader(r)
loop.close()
""",
    )
    assert out == "interrupted\n"


@kinds
def test_runner_cancels_the_main_task_and_can_be_used_again(kind: str) -> None:
    """uvloop#335"""
    out = script(
        kind,
        """
async def main():
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        cancelled.append(True)
        raise
async def after():
    return "works"
cancelled = []
with asyncio.Runner(loop_factory=factory) as runner:
    for number in range(20):
        threads = []
        async def begin():
            threads.append(interrupt_soon(asyncio.get_running_loop()))
            await main()
        try:
            runner.run(begin())
        except KeyboardInterrupt:
            pass
        else:
            print("not interrupted")
        threads[0].join()
        assert runner.run(after()) == "works"
print(len(cancelled))
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
""",
    )
    assert out == "20\n"


@kinds
def test_runner_with_a_handler_for_sigint_does_not_interrupt(kind: str) -> None:
    out = script(
        kind,
        """
async def main():
    loop = asyncio.get_running_loop()
    called = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, called.set)
    os.kill(os.getpid(), signal.SIGINT)
    await called.wait()
    loop.remove_signal_handler(signal.SIGINT)
    return "called"
with asyncio.Runner(loop_factory=factory) as runner:
    print(runner.run(main()))
""",
    )
    assert out == "called\n"


@kinds
def test_second_interrupt_leaves_a_task_that_refuses_to_end(kind: str) -> None:
    out = script(
        kind,
        """
async def main():
    os.kill(os.getpid(), signal.SIGINT)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        print("refused")
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)
try:
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
except KeyboardInterrupt:
    print("left")
""",
    )
    assert out == "refused\nleft\n"


@kinds
def test_interrupt_in_a_callback_leaves_the_other_callbacks_for_the_next_run(kind: str) -> None:
    out = script(
        kind,
        """
loop = factory()
def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass
    print("not reached")
calls = []
loop.call_soon(calls.append, 1)
loop.call_soon(interrupted)
loop.call_soon(calls.append, 2)
loop.call_soon(loop.stop)
try:
    loop.run_forever()
except KeyboardInterrupt:
    print(calls)
loop.run_forever()
print(calls)
loop.close()
""",
    )
    assert out == "[1]\n[1, 2]\n"


@kinds
def test_program_that_nobody_catches_the_interrupt_in_dies_of_it(kind: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PREFIX + "loop = factory()\ninterrupt_soon(loop, 0.02)\nloop.run_forever()\n",
            kind,
        ],
        capture_output=True,
        text=True,
        timeout=15,
    )
    assert done.returncode == -2
    assert "\nKeyboardInterrupt\n" in done.stderr
    assert done.stdout == ""
