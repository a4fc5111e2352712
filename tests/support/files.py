"""Files to be sent."""

from __future__ import annotations

import contextlib
import os
import sys
from asyncio import unix_events
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SMALL = bytes(range(256)) * 4
LARGE = os.urandom(1 << 20) * 4  # More than a socket's buffers take.

# Since gh-150107, which maintenance releases have too.
ALWAYS_SEEKS = (
    unix_events.SelectorEventLoop._sock_sendfile_update_filepos.__code__.co_argcount  # type: ignore[attr-defined]
    == 3
)
KEEPS_VIEWS = sys.version_info >= (3, 12)
"""asyncio's transports keep a view of what they could not send, so it must not change."""


@contextlib.contextmanager
def file_with(content: bytes, directory: Path) -> Iterator[BinaryIO]:
    """A file in a directory, open for reading."""
    path = directory / "content"
    path.write_bytes(content)
    with path.open("rb") as file:
        yield file
