"""Which of CPython's test classes a loop takes part in, and how they get the loop to be tested.

Most of them ask asyncio for a new loop; the mixins below are made for loops of any kind and
want a subclass that says how one is created.
"""

from __future__ import annotations

import asyncio
import importlib
import unittest
from collections.abc import Callable, Iterator
from typing import Any

PACKAGE = "test.test_asyncio"

# Module: the mixin that is made for any loop.
MIXINS = {
    "test_events": "EventLoopTestsMixin",
    "test_sendfile": "SendfileTestsBase",
    "test_sock_lowlevel": "BaseSockTestsMixin",
    "test_server": "BaseStartServer",
    "test_buffered_proto": "BaseTestBufferedProtocol",
    "test_sslproto": "BaseStartTLS",
}

MODULES = (
    *MIXINS,
    "test_base_events",
    "test_context",
    "test_eager_task_factory",
    "test_free_threading",
    "test_futures",
    "test_futures2",
    "test_graph",
    "test_locks",
    "test_pep492",
    "test_queues",
    "test_runners",
    "test_server_context",
    "test_ssl",
    "test_staggered",
    "test_streams",
    "test_subprocess",
    "test_taskgroups",
    "test_tasks",
    "test_threads",
    "test_timeouts",
    "test_unix_events",
    "test_waitfor",
    # Not asyncio's own, but users of it, by their full names.
    "test.test_asyncgen",
    "test.test_builtin",
    "test.test_contextlib_async",
    "test.test_coroutines",
    "test.test_inspect",
    "test.test_inspect.test_inspect",
    "test.test_logging",
    "test.test_os",
    "test.test_sys_settrace",
    "test.test_type_params",
    "test.test_unittest.test_async_case",
    "test.test_unittest.testmock.testasync",
    "unittest.test.test_async_case",
    "unittest.test.testmock.testasync",
)

# Modules in which only some classes ask for a loop; the others test asyncio's own one.
ONLY_CLASSES = {
    "test_base_events": {"BaseEventLoopWithSelectorTests"},
    "test.test_builtin": {"BuiltinTest"},
    "test.test_inspect": {"TestGetAsyncGenState", "TestGetCoroutineState"},
    "test.test_inspect.test_inspect": {"TestGetAsyncGenState", "TestGetCoroutineState"},
    "test.test_logging": {"LogRecordTest"},
    "test.test_os": {"TestSendfile"},
    "test.test_sys_settrace": {"JumpTestCase", "TraceTestCase"},
    "test.test_type_params": {"TypeParamsTypeParamsDunder"},
    "test_unix_events": {"TestFork", "TestFunctional"},
}

# Classes that test asyncio's own loop, but for the tests whose names begin so.
ONLY_TESTS = {"BaseEventLoopWithSelectorTests": "test_create_datagram_endpoint_"}

# Classes whose tests may pass or fail: FastChildWatcher reaps every child of the process, and so
# takes the status of those that cxxloop waits for.
NOT_CLASSES = {"test_subprocess": {"SubprocessFastWatcherTests"}}

NAME_OF_OURS = "AnyLoop"


def case_classes(module_name: str) -> Iterator[type[unittest.TestCase]]:
    """The test classes of one module, with the mixin's subclasses replaced by one for any loop."""
    full_name = module_name if "." in module_name else f"{PACKAGE}.{module_name}"
    try:
        module = importlib.import_module(full_name)
    except ModuleNotFoundError:
        return  # of another version
    mixin = getattr(module, MIXINS[module_name]) if module_name in MIXINS else None
    if mixin is not None:
        yield class_for_any_loop(module_name, mixin)
    for name, value in vars(module).items():
        if not (isinstance(value, type) and issubclass(value, unittest.TestCase)):
            continue
        if value.__module__ != module.__name__ or (mixin and issubclass(value, mixin)):
            continue
        if name in NOT_CLASSES.get(module_name, ()):
            continue
        if name in ONLY_CLASSES.get(module_name, {name}) and has_tests(value):
            yield with_only(value, ONLY_TESTS[name]) if name in ONLY_TESTS else value


def has_tests(kind: type[unittest.TestCase]) -> bool:
    return bool(unittest.TestLoader().getTestCaseNames(kind))


def with_only(kind: type[unittest.TestCase], prefix: str) -> type[unittest.TestCase]:
    """The class without the tests whose names begin with something else."""
    names = unittest.TestLoader().getTestCaseNames(kind)
    hidden = {name: None for name in names if not name.startswith(prefix)}
    return type(kind.__name__, (kind,), {**hidden, "__module__": kind.__module__})


def class_for_any_loop(module_name: str, mixin: type) -> type[unittest.TestCase]:
    """A subclass of the mixin that tests what asyncio.SelectorEventLoop has been replaced by."""

    def make_loop(self: object) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop()

    names = {"create_event_loop": make_loop, "new_loop": make_loop}
    test_utils = importlib.import_module(f"{PACKAGE}.utils")
    base = unittest.TestCase if hasattr(mixin, "new_loop") else test_utils.TestCase
    return type(
        f"{NAME_OF_OURS}{mixin.__name__}", (mixin, base), names | {"__module__": module_name}
    )


def put_in(loop_class: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """From now on asyncio makes loops of this class."""
    unix_events: Any = importlib.import_module("asyncio.unix_events")
    unix_events._UnixDefaultEventLoopPolicy._loop_factory = loop_class
    for name in ("SelectorEventLoop", "EventLoop"):
        if hasattr(asyncio, name):
            setattr(asyncio, name, loop_class)
