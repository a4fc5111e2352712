"""What the demo's programs print about themselves."""

import asyncio


def report(program: str, result: str) -> None:
    kind = type(asyncio.get_running_loop())
    print(f"{program}|{kind.__module__.partition('.')[0]}.{kind.__qualname__}|{result}", flush=True)
