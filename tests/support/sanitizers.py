"""What a sanitizer changes for tests: memory that is kept, and reports that are files."""

from __future__ import annotations

import os

import pytest

SANITIZED = any(name in os.environ for name in ("ASAN_OPTIONS", "TSAN_OPTIONS"))
"""Whether a sanitizer has replaced the allocator, as make asan and make tsan do."""

memory_is_told = pytest.mark.skipif(
    SANITIZED, reason="a sanitizer keeps what was freed, to find who uses it afterwards"
)


def resident() -> int:
    """Bytes of memory in use."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def is_report(path: str) -> bool:
    """Whether a sanitizer opened this file, which it does when it has something to say."""
    return SANITIZED and "/sanitizer-reports/" in path
