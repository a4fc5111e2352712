"""Child processes: exec, shell, communicate(), lines as they come, signals, time limits."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT

COUNT_DOWN = """
import sys
for number in (3, 2, 1):
    print(number, flush=True)
print("to stderr", file=sys.stderr)
sys.exit(5)
"""


async def exec_and_communicate() -> None:
    """A program with arguments, fed and read at once."""
    child = await asyncio.create_subprocess_exec("sort", "-r", stdin=PIPE, stdout=PIPE)
    out, err = await child.communicate(b"alpha\nbeta\ngamma\n")
    print("sorted:", out.split(), err, child.returncode)


async def shell() -> None:
    """A command line, with both outputs in one pipe."""
    child = await asyncio.create_subprocess_shell(
        "echo $GREETING; echo oops >&2; exit 3", stdout=PIPE, stderr=STDOUT, env={"GREETING": "hi"}
    )
    out, _ = await child.communicate()
    print("shell:", out, child.returncode)


async def lines() -> None:
    """Output as the child writes it."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COUNT_DOWN, stdout=PIPE, stderr=PIPE
    )
    assert child.stdout is not None
    assert child.stderr is not None
    async for line in child.stdout:
        print("line:", line.decode().strip())
    print("stderr:", (await child.stderr.read()).decode().strip())
    print("ended with", await child.wait())


async def dialogue() -> None:
    """Questions and answers through both pipes."""
    child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    for word in ("first", "second"):
        child.stdin.write(word.encode() + b"\n")
        await child.stdin.drain()
        print("echoed:", (await child.stdout.readline()).decode().strip())
    child.stdin.close()
    print("ended with", await child.wait())


async def limits_and_signals() -> None:
    """A child that takes too long is terminated."""
    child = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        await asyncio.wait_for(child.wait(), 0.05)
    except TimeoutError:
        child.terminate()
    print("terminated:", await child.wait() == -signal.SIGTERM)
    try:
        await asyncio.create_subprocess_exec("/no/such/program")
    except FileNotFoundError as error:
        print("not found:", error.filename)


async def several() -> None:
    """Children at the same time."""

    async def run(number: int) -> int:
        child = await asyncio.create_subprocess_shell(f"exit {number}")
        return await child.wait()

    print("together:", await asyncio.gather(*map(run, range(5))))


async def main() -> None:
    """One after the other."""
    await exec_and_communicate()
    await shell()
    await lines()
    await dialogue()
    await limits_and_signals()
    await several()


if __name__ == "__main__":
    asyncio.run(main())
