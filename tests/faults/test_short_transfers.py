"""Nothing is lost or sent twice where each call transfers a few bytes only."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.operations import CERTIFICATES
from tests.lifecycle.interpreters import FACTORIES, Ended

_SCRIPT = """\
from tests.faults import operations

async def main():
    async with asyncio.timeout(50):
        await operations.OPERATIONS["{operation}"]()

operations.DATA = operations.DATA[:{size}]
loop = {factory}()
with shim.shortening({calls}, most={most}):
    loop.run_until_complete(main())
    assert shim.seen > {size} // {most} // 2, shim.seen
loop.close()
"""
_CALLS = '"recv", "send", "sendmsg", "writev", "sendfile", "read", "write"'


@pytest.mark.slow
@pytest.mark.parametrize("loop_kind", sorted(FACTORIES))
@pytest.mark.parametrize(
    "operation", ["tcp", "unix", "tls", "pipes", "subprocess", "socket_operations", "sendfile"]
)
def test_bytes_that_travel_in_small_pieces_arrive(
    interpret_with_shim: Callable[..., Ended],
    certificate_directory: Path,
    loop_kind: str,
    operation: str,
) -> None:
    thorough = "CXXLOOP_TEST_FAULTS" in os.environ
    # Half of what is sent is one piece of more than 60 000 bytes.
    size, most = (70_000, 1) if thorough else (70_000, 40)
    calls = _CALLS.replace('"read", "write"', '"read"') if operation == "sendfile" else _CALLS
    script = _SCRIPT.format(
        operation=operation, factory=FACTORIES[loop_kind], size=size, most=most, calls=calls
    )
    ended = interpret_with_shim(script, **{CERTIFICATES: str(certificate_directory)})
    assert ended.status == 0, ended.err
