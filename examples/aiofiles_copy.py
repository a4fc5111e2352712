"""Files without blocking the loop, with aiofiles."""

import asyncio
import tempfile
from pathlib import Path

import aiofiles
import aiofiles.os


async def copy(source: Path, target: Path) -> int:
    """Copies in pieces and counts the bytes."""
    copied = 0
    async with aiofiles.open(source, "rb") as old, aiofiles.open(target, "wb") as new:
        while piece := await old.read(1000):
            copied += await new.write(piece)
    return copied


async def main() -> None:
    """Writes, reads by line, copies several at once, and removes."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        poem = directory / "poem"
        async with aiofiles.open(poem, "w") as file:
            await file.writelines(f"line {number}\n" for number in range(500))
        async with aiofiles.open(poem) as file:
            lines = [line.strip() async for line in file]
        print(len(lines), lines[0], "to", lines[-1])

        copies = [directory / f"copy {number}" for number in range(5)]
        print(await asyncio.gather(*[copy(poem, target) for target in copies]))
        print("equal:", all(target.read_text() == poem.read_text() for target in copies))

        await aiofiles.os.remove(copies[0])
        print(sorted(await aiofiles.os.listdir(directory)))


if __name__ == "__main__":
    asyncio.run(main())
