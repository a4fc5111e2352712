"""How long a program waits for the import of its loop."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from harness.rows import probe

POSITION = 90

SCRIPT = """
import sys, time
start = time.perf_counter()
import asyncio
__import__(sys.argv[1]).new_event_loop().close()
print(time.perf_counter() - start)
"""


@probe("import_time", "import, first loop made and closed", "ms")
def import_time(loop_name: str) -> dict[str, float]:
    """The median of seven fresh interpreters, asyncio's own import included."""
    # As installed: compiled modules are kept.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    times = [
        float(
            subprocess.run(
                [sys.executable, "-c", SCRIPT, loop_name],
                check=True,
                capture_output=True,
                text=True,
                env=environment,
            ).stdout
        )
        * 1e3
        for _ in range(8)
    ]
    return {"figure": statistics.median(times[1:])}
