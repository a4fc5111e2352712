"""An operation whose n-th system call fails ends with that error or without harm, for each n."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxxloop import _core
from tests.faults.operations import CERTIFICATES, OPERATIONS
from tests.faults.shim import RECEIVING, SENDING
from tests.lifecycle.interpreters import Ended

# Every call, on both loops, with more errors: `make faults`.
THOROUGH = "CXXLOOP_TEST_FAULTS" in os.environ
LOOPS = ["asyncio", "cxxloop"] if THOROUGH else ["cxxloop"]
LASTING = ["ENOMEM", "ENOBUFS", "EMFILE", "EPERM"] if THOROUGH else ["ENOMEM"]
PASSING = ["EINTR", "EAGAIN"]

LIBUV_ABORTS = pytest.mark.skipif(
    _core.poll_backend() == "libuv",
    reason="libuv ends the process where its poll set fails",
)

# What may be seen of a failure on the other side of a connection.
BY_OTHERS = re.compile(r"ReportedError|Connection(Reset|Aborted|Refused)?Error|BrokenPipeError")

# What asyncio does not survive either, and why nothing better can be done here: the operation,
# the call, and what is seen.
AS_ASYNCIO = [
    # A pipe that can't be watched: reported, and then silent.
    ("pipes|subprocess", "epoll_add", "hangs"),
    # asyncio's transport of a child waits for all its pipes, also for those it failed to connect.
    ("subprocess", "ioctl", "hangs|unclosed file"),
    # sock_accept() makes what it has accepted non-blocking.
    ("socket_operations", "ioctl", "unclosed <socket"),
    # subprocess.Popen learns in vain that the child has started.
    ("subprocess", "read", "subprocess .* is still running"),
    # subprocess.Popen leaves the pipes that it made before the one that failed.
    *([("subprocess", "pipe", "descriptor of pipe")] if sys.version_info < (3, 11, 7) else []),
    # Whatever had to be done when the loop itself failed.
    (".*", "epoll_wait", "unclosed|loop is closed|subprocess .* is still running"),
    # sendfile() refuses a transport that a failed write has closed.
    ("sendfile", "send|epoll_add", "RuntimeError"),
]
WAYS_OF_ASYNCIO = [*AS_ASYNCIO, (".*", ".*", "hangs|unclosed|AttributeError|descriptor|still")]


def is_excused(loop: str, operation: str, call: str, seen: str) -> bool:
    return any(
        re.fullmatch(operations, operation) and re.fullmatch(calls, call) and re.search(what, seen)
        for operations, calls, what in (WAYS_OF_ASYNCIO if loop == "asyncio" else AS_ASYNCIO)
    )


def is_harmless(outcome: str, error: str) -> bool:
    injected = re.fullmatch(rf"\w+\({error}\)|OSError", outcome)
    return outcome == "done" or bool(injected or BY_OTHERS.match(outcome))


@pytest.fixture
def each_call(
    run_module_with_shim: Callable[..., Ended], certificate_directory: Path
) -> Callable[..., list[dict[str, Any]]]:
    def run(*arguments: str) -> list[dict[str, Any]]:
        ended = run_module_with_shim(
            "tests.faults.each_call",
            *arguments,
            seconds=300,
            **{CERTIFICATES: str(certificate_directory)},
        )
        assert ended.status == 0, ended.err
        return [json.loads(line) for line in ended.out.splitlines()]

    return run


def faults_of(loop: str, operation: str, error: str, lines: list[dict[str, Any]]) -> list[Any]:
    return [
        (line["skip"], line["call"], seen)
        for line in lines
        for seen in ([] if is_harmless(line["outcome"], error) else [line["outcome"]])
        + line["lost"]
        if not is_excused(loop, operation, line["call"], seen)
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("loop_kind", LOOPS)
@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@pytest.mark.parametrize("error", LASTING)
@LIBUV_ABORTS
def test_a_call_that_fails_fails_the_operation_and_loses_nothing(
    each_call: Callable[..., list[dict[str, Any]]], loop_kind: str, operation: str, error: str
) -> None:
    lines = each_call(loop_kind, operation, error, "--every", "1" if THOROUGH else "3")
    assert lines
    assert not faults_of(loop_kind, operation, error, lines)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("loop_kind", LOOPS)
@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - {"watchers"}))
@pytest.mark.parametrize("error", PASSING)
def test_a_call_that_has_to_be_made_again_is_made_again(
    each_call: Callable[..., list[dict[str, Any]]], loop_kind: str, operation: str, error: str
) -> None:
    calls = ",".join(
        (*RECEIVING, *SENDING, "accept", *(["epoll_wait"] if error == "EINTR" else []))
    )
    arguments = ("--calls", calls, "--every", "1" if THOROUGH else "4")
    lines = each_call(loop_kind, operation, error, *arguments)
    if loop_kind == "asyncio":
        assert not faults_of(loop_kind, operation, error, lines)
        return
    # EAGAIN is an error where Popen reads, and where the test writes its file.
    never = {("subprocess", "read"), ("sendfile", "write")}
    lines = [line for line in lines if error == "EINTR" or (operation, line["call"]) not in never]
    assert {line["outcome"] for line in lines} <= {"done"}
    assert not [(line["call"], seen) for line in lines for seen in line["lost"]]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_memory_that_the_extension_does_not_get_fails_the_operation_alone(
    each_call: Callable[..., list[dict[str, Any]]], operation: str
) -> None:
    lines = each_call("cxxloop", operation, "ENOMEM", "--calls", "new")
    # TLS of asyncio as well isn't told when what it begins with fails.
    allowed = "hangs|unclosed transport <asyncio._SSL" if operation == "tls" else "unclosed file"
    if _core.poll_backend() == "libuv":  # It allocates for each wait, which ends the run.
        allowed += "|unclosed|never awaited"
    outcomes = [
        line["outcome"]
        for line in lines
        if line["outcome"] not in ("done", "MemoryError") and not BY_OTHERS.match(line["outcome"])
    ]
    lost = [seen for line in lines for seen in [*outcomes, *line["lost"]]]
    assert not [seen for seen in lost if not re.search(allowed, seen)]
