"""A loop that can't be made leaves nothing, and the next one works."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lifecycle.interpreters import Ended, interpret_script


@pytest.mark.parametrize("backend", ["epoll", "libuv"])
@pytest.mark.parametrize("error", ["EMFILE", "ENFILE", "ENOMEM"])
def test_each_call_that_fails_is_raised(
    interpret_with_shim: Callable[..., Ended], backend: str, error: str
) -> None:
    ended = interpret_with_shim(
        f"""
from tests.faults.shim import MAKING
cxxloop.Loop().close()  # libuv keeps what its first loop has made.
before = os.listdir("/proc/self/fd")
raised = 0
while True:
    with shim.failing(*MAKING, "epoll_add", error=errno.{error}, skip=raised):
        try:
            loop = cxxloop.Loop()
        except OSError as exc:
            assert exc.errno == errno.{error}, exc
        else:
            break
        finally:
            warnings.simplefilter("error")
    gc.collect()
    # libuv forgets its own poll set where the next step of making a loop fails.
    assert os.listdir("/proc/self/fd") == before or {backend!r} == "libuv", raised
    before = os.listdir("/proc/self/fd")
    raised += 1
async def main():
    async with asyncio.timeout(5):
        await loop.run_in_executor(None, time.sleep, 0)
        await loop.shutdown_default_executor()  # Its thread may still be waking the loop.
loop.run_until_complete(main())
loop.close()
assert os.listdir("/proc/self/fd") == before
print(raised >= 2)
""",
        "-Werror",
        CXXLOOP_POLL_BACKEND=backend,
    )
    assert (ended.status, ended.out) == (0, "True\n"), ended.err


@pytest.mark.parametrize("kind", ["cxxloop.Loop", "asyncio.SelectorEventLoop"])
def test_no_descriptors_are_left(kind: str) -> None:
    """With a real limit, one descriptor more at a time."""
    ended = interpret_script(
        f"""
import resource
{kind}().close()
before = len(os.listdir("/proc/self/fd"))
failed = 0
# libuv forgets its own poll set where the next step of making a loop fails.
forgetful = {kind!r} == "cxxloop.Loop" and cxxloop._core.poll_backend() == "libuv"
for spare in range(20):
    resource.setrlimit(resource.RLIMIT_NOFILE, (before - 1 + spare, 4096))
    try:
        loop = {kind}()
    except OSError:
        failed += 1
    else:
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before or forgetful
    before = len(os.listdir("/proc/self/fd"))
    del spare
assert 0 < failed < 10, failed
loop = {kind}()
loop.run_until_complete(asyncio.sleep(0))
loop.close()
"""
    )
    assert ended.status == 0, ended.err
    if kind == "cxxloop.Loop":  # asyncio leaves a loop that was half made to the collector.
        assert "Exception ignored" not in ended.err
