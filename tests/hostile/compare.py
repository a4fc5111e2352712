"""Makes the same hostile calls on both libraries and tells where they differ.

python -m tests.hostile.compare [--kinds loop server …] [--calls PATTERN] [--part N]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.hostile.calls import CLASSES, all_calls
from tests.hostile.intended import is_intended
from tests.lifecycle.interpreters import usual_environment

ROOT = Path(__file__).parents[2]
Outcome = dict[str, Any]


def selected(kind: str, part: int, pattern: str = "") -> list[int]:
    """Numbers of the calls: each `part`th, always the same ones."""
    return [
        number
        for number, call in enumerate(all_calls(kind))
        if pattern in str(call) and zlib.crc32(str(call).encode()) % part == 0
    ]


def outcomes(library: str, kind: str, numbers: Sequence[int], seconds: float) -> list[Outcome]:
    """What became of each call; a crash is an outcome, and the next process goes on after it."""
    found: list[Outcome] = []
    # As usual, for allocators of Python's debug mode fill each of the huge buffers.
    environment = usual_environment() | {"PYTHONMALLOC": "default"}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "outcomes")
        while len(found) < len(numbers):
            output.write_text("")
            done = subprocess.run(
                [
                    *(sys.executable, "-X", "faulthandler", "-m", "tests.hostile.child"),
                    *(library, kind, str(output), str(seconds)),
                ],
                input="".join(f"{number}\n" for number in numbers[len(found) :]),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd=ROOT,
                env=environment,
            )
            found += [json.loads(line) for line in output.read_text().splitlines()]
            if len(found) < len(numbers):
                found.append({"died": done.returncode, "output": done.stdout[-3000:]})
    return found


def differing(theirs: Outcome, ours: Outcome) -> list[str]:
    """The aspects in which ours is not as asyncio's."""
    if "died" in ours or "died" in theirs:
        return [] if "died" in theirs and "died" not in ours else ["died"]
    compared = ["result", "raised", "driver", "sockets", "reported", "close"]
    if theirs.get("own"):
        compared.append("text")
    different = [aspect for aspect in compared if theirs.get(aspect) != ours.get(aspect)]
    if set(ours["unraisable"]) - set(theirs["unraisable"]):
        different.append("unraisable")
    if ours["left"] > max(theirs["left"], 0):
        different.append("left")
    return different


def differences(
    kind: str, numbers: Sequence[int], seconds: float = 0.02, retries: int = 2
) -> Iterator[tuple[str, list[str], Outcome, Outcome]]:
    """(call, aspects, asyncio's outcome, cxxloop's) of each lasting difference."""
    calls = list(all_calls(kind))
    with ThreadPoolExecutor(2) as pool:
        theirs, ours = pool.map(
            lambda library: outcomes(library, kind, numbers, seconds), ("asyncio", "cxxloop")
        )
    found = [
        (number, differing(*pair), *pair)
        for number, pair in zip(numbers, zip(theirs, ours, strict=True), strict=True)
        if differing(*pair) and not is_intended(str(calls[number]), differing(*pair), *pair)
    ]
    if found and retries:  # A busy machine is no difference.
        yield from differences(kind, [number for number, *_ in found], seconds * 4, retries - 1)
        return
    for number, aspects, one, other in found:
        yield str(calls[number]), aspects, one, other


def told(aspects: list[str], theirs: Outcome, ours: Outcome) -> str:
    lines = []
    for name, outcome in (("asyncio", theirs), ("cxxloop", ours)):
        shown = {
            key: value
            for key, value in outcome.items()
            if key in aspects or key in ("result", "raised", "text", "died", "output")
        }
        lines.append(f"    {name}: {shown}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="*", default=list(CLASSES))
    parser.add_argument("--calls", default="", help="only calls whose name contains this")
    parser.add_argument("--list", action="store_true", help="print the numbers of calls only")
    parser.add_argument("--part", type=int, default=1, help="only each Nth call")
    options = parser.parse_args()
    count = different = 0
    for kind in options.kinds:
        numbers = selected(kind, options.part, options.calls)
        count += len(numbers)
        if options.list:
            print("\n".join(map(str, numbers)))
            continue
        print(f"{kind}: {len(numbers)} calls", flush=True)
        for call, aspects, *pair in differences(kind, numbers):
            different += 1
            print(f"{call}: {', '.join(aspects)}\n{told(aspects, *pair)}", flush=True)
    print(f"{count} hostile calls, {different} differences")
    return different > 0


if __name__ == "__main__":
    sys.exit(main())
