"""Runs small asyncio programs under `python -m cxxloop` and tells which loop each ran on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ON_CXXLOOP = [sys.executable, "-m", "cxxloop"]
TIMEOUT = 60


def run_echo() -> list[str]:
    """Server and client, each a process of its own."""
    with subprocess.Popen(
        [*ON_CXXLOOP, HERE / "echo_server.py"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            server_line = server.stdout.readline().strip()
            port = server.stdout.readline().strip()
            client = run_program("echo_client.py", port)
        finally:
            server.terminate()
    return [server_line, *client]


def run_program(name: str, *arguments: str) -> list[str]:
    finished = subprocess.run(
        [*ON_CXXLOOP, HERE / name, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    return finished.stdout.splitlines()


def main() -> int:
    print(subprocess.check_output([*ON_CXXLOOP, "--info"], text=True))
    lines: list[str] = []
    failed = False
    for run in (run_echo, lambda: run_program("aiohttp_round_trip.py")):
        try:
            lines += run()
        except (subprocess.SubprocessError, OSError) as error:
            print(f"a program failed: {error}", file=sys.stderr)
            failed = True
    print(f"{'program':<16} {'ran on':<28} what it did")
    for line in lines:
        program, loop, result = line.split("|")
        print(f"{program:<16} {loop:<28} {result}")
        failed |= not loop.startswith("cxxloop.")
    print()
    if failed:
        print("RESULT: FAILED: not every program ran on cxxloop")
        return 1
    print("RESULT: all of it ran on cxxloop")
    return 0


if __name__ == "__main__":
    sys.exit(main())
