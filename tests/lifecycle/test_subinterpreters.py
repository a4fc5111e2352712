"""Subinterpreters: cxxloop works there or says that it does not, and the main one goes on."""

from __future__ import annotations

import sys

import pytest

from tests.lifecycle.interpreters import Ended, interpret

MODULE = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"

# How create() is called. The isolated kind, of which 3.11 has none, takes only modules which say
# that they can be there; the legacy kind takes every module that does not refuse by itself.
if sys.version_info >= (3, 13):
    KINDS = {"isolated": '"isolated"', "legacy": '"legacy"'}
elif sys.version_info >= (3, 12):
    KINDS = {"isolated": "isolated=True", "legacy": "isolated=False"}
else:
    KINDS = {"legacy": ""}

_HELPERS = """
import sys
import %(module)s as interpreters

def create():
    return interpreters.create(%(kind)s)

def check_in(identity, source):
    "The source has to run, or to be refused by the import."
    source = f"import sys; sys.path[:0] = {sys.path!r}\\n" + source
    try:
        failure = interpreters.run_string(identity, source)
    except getattr(interpreters, "RunFailedError", ()) as exc:
        failure = str(exc)
    else:
        failure = failure and failure.formatted
    assert failure is None or "ImportError" in failure, failure

def check(source):
    identity = create()
    try:
        check_in(identity, source)
    finally:
        interpreters.destroy(identity)

USE = '''
import asyncio, cxxloop, socket

async def main():
    await asyncio.sleep(0.001)
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    with theirs:
        theirs.send(b"data")
        assert await reader.readexactly(4) == b"data"
    writer.close()
    return 7

assert cxxloop.run(main()) == 7
'''

def use_main_loop():
    import asyncio, cxxloop
    async def main():
        await asyncio.sleep(0.001)
        return await asyncio.get_running_loop().run_in_executor(None, int, "7")
    assert cxxloop.run(main()) == 7
"""


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def interpreting(kind: str, script: str) -> Ended:
    helpers = _HELPERS % {"module": MODULE, "kind": KINDS[kind]}
    if kind == "isolated" and sys.version_info < (3, 13):
        # 3.12's isolated interpreters corrupt the memory once they run anything with asyncio.
        helpers += 'USE = "import cxxloop"\n'
    return interpret("-c", helpers + script, seconds=10)


def test_import_works_or_is_refused_and_the_main_loop_works_on(kind: str) -> None:
    ended = interpreting(
        kind,
        """
import gc
use_main_loop()
check("import cxxloop")
use_main_loop()
gc.collect()
print("done")
""",
    )
    assert ended == (0, "done\n", "")


def test_loop_runs_in_a_subinterpreter_if_the_import_works(kind: str) -> None:
    ended = interpreting(
        kind,
        """
for _ in range(3):
    check(USE)
    use_main_loop()
print("done")
""",
    )
    assert ended == (0, "done\n", "")


def test_main_loop_that_was_made_before_goes_on(kind: str) -> None:
    ended = interpreting(
        kind,
        """
import cxxloop
loop = cxxloop.Loop()
loop.call_later(0.01, loop.stop)
timer = loop.call_later(3600, print)
check(USE)
loop.run_forever()
timer.cancel()
loop.close()
print("done")
""",
    )
    assert ended == (0, "done\n", "")


def test_import_within_a_callback_leaves_the_running_loop_alone(kind: str) -> None:
    ended = interpreting(
        kind,
        """
import asyncio, cxxloop
async def main():
    check("import cxxloop")
    await asyncio.sleep(0.001)
    assert asyncio.get_running_loop()
    print("done")
cxxloop.run(main())
""",
    )
    assert ended == (0, "done\n", "")


def test_first_import_may_be_in_a_subinterpreter(kind: str) -> None:
    ended = interpreting(
        kind,
        """
assert "cxxloop" not in sys.modules
check(USE)
use_main_loop()
check(USE)
use_main_loop()
print("done")
""",
    )
    assert ended == (0, "done\n", "")


def test_several_subinterpreters_may_be_alive_at_once(kind: str) -> None:
    ended = interpreting(
        kind,
        """
alive = [create() for _ in range(3)]
use_main_loop()
for identity in alive:
    check_in(identity, USE)
use_main_loop()
for identity in alive:
    interpreters.destroy(identity)
use_main_loop()
print("done")
""",
    )
    assert ended == (0, "done\n", "")
